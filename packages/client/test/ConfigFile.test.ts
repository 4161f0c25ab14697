import { homedir } from "node:os"
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { Slug } from "@claudemesh/domain/Ids"
import * as BunCrypto from "@effect/platform-bun/BunCrypto"
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import { assert, layer } from "@effect/vitest"
import { ConfigProvider, Deferred, Effect, Fiber, FileSystem, Layer, Option, Result } from "effect"
import { ConfigFile } from "../src/keys/ConfigFile.ts"
import { Keychain, type KeychainPort } from "../src/keys/Keychain.ts"
import { Sodium } from "../src/keys/Sodium.ts"
import { StateDb } from "../src/local/StateDb.ts"
import { membershipOf, person } from "./support/FakeBroker.ts"
import { plain } from "./support/Plain.ts"

const inDirectory = <A, E, R>(
  body: (place: {
    readonly directory: string
    readonly path: string
    readonly file: typeof ConfigFile.Service
  }) => Effect.Effect<A, E, R>,
) =>
  Effect.gen(function* () {
    const directory = join(yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped(), "home")
    return yield* Effect.gen(function* () {
      const file = yield* ConfigFile
      return yield* body({ directory, path: file.path, file })
    }).pipe(Effect.provide(ConfigFile.layer.pipe(Layer.provideMerge(StateDb.layerIn(directory)))))
  })

const add = (slug: string) =>
  Effect.gen(function* () {
    const mesh = membershipOf(yield* person("Alice"), slug)
    return yield* (yield* ConfigFile).update((meshes) => Result.succeed([...meshes, mesh]))
  })

/** What is in the folder beside `state.db`. */
const besideState = (directory: string) => readdirSync(directory).filter((name) => !name.startsWith("state.db"))

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)

const write = (path: string, content: unknown) => {
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 })
  chmodSync(path, 0o600)
}

const live = Layer.mergeAll(BunFileSystem.layer, BunCrypto.layer, Sodium.layer)

layer(live, { excludeTestServices: true })("the config file", (it) => {
  it.effect("is empty when it is not there, and reading makes nothing", () =>
    inDirectory(({ directory, file }) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* file.read, [])
        assert.isFalse(existsSync(directory))
      }),
    ),
  )

  it.effect("is of mode 0600 in a directory of mode 0700, with nothing left beside it (I19)", () =>
    inDirectory(({ directory, file, path }) =>
      Effect.gen(function* () {
        yield* add("team")
        assert.deepStrictEqual([modeOf(path), modeOf(directory)], ["600", "700"])
        assert.deepStrictEqual(besideState(directory), ["config.json"])
        assert.deepStrictEqual(
          (yield* file.read).map(({ slug }) => slug),
          [Slug.make("team")],
        )
      }),
    ),
  )

  it.effect("is not read while others may read it, and says what to run (I19)", () =>
    inDirectory(({ file, path }) =>
      Effect.gen(function* () {
        yield* add("team")
        chmodSync(path, 0o644)
        const failed = yield* Effect.flip(file.read)
        assert.deepInclude(failed, { _tag: "SecretExposed", mode: "0644", command: `chmod 600 ${path}` })
        assert.strictEqual((yield* Effect.flip(add("other")))._tag, "SecretExposed")
      }),
    ),
  )

  it.effect("is replaced whole, so that a reader sees the old or the new and never a part (I19)", () =>
    inDirectory(({ path }) =>
      Effect.gen(function* () {
        yield* add("team")
        const before = statSync(path).ino
        yield* add("other")
        assert.notStrictEqual(statSync(path).ino, before)
      }),
    ),
  )

  it.effect("keeps its old content when the new one is not put in its place (I19)", () =>
    inDirectory(({ directory, path }) =>
      Effect.gen(function* () {
        yield* add("team")
        const before = readFileSync(path, "utf8")
        const db = { ...(yield* StateDb), transaction: () => Effect.die("power cut") }
        const file = Layer.fresh(ConfigFile.layer).pipe(Layer.provide(Layer.succeed(StateDb, db)))
        yield* Effect.exit(Effect.provide(add("other"), file, { local: true }))
        assert.strictEqual(readFileSync(path, "utf8"), before)
        assert.deepStrictEqual(besideState(directory), ["config.json"])
      }),
    ),
  )

  it.effect(
    "loses nothing that another process wrote while this one waited for its owner, and nobody waits for it",
    () =>
      inDirectory(({ directory, file }) =>
        Effect.gen(function* () {
          yield* add("team")
          const asked = yield* Deferred.make<void>()
          const unlocked = yield* Deferred.make<void>()
          /** It shows its dialog, and nobody is there. */
          const keychain: KeychainPort = {
            get: () => Effect.succeed(Option.none()),
            set: () => Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(unlocked)),
            remove: () => Effect.void,
          }
          const waiting = yield* Effect.forkChild(
            add("slow").pipe(
              Effect.provideService(Keychain, keychain),
              Effect.provide(Layer.fresh(ConfigFile.layer), { local: true }),
              Effect.provideService(
                ConfigProvider.ConfigProvider,
                ConfigProvider.fromUnknown({ CLAUDEMESH_SECRET_STORE: "keychain" }),
              ),
            ),
          )
          yield* Deferred.await(asked)
          yield* Effect.provide(add("quick"), Layer.fresh(ConfigFile.layerIn(directory)), { local: true })
          yield* file.update((meshes) => Result.succeed(meshes.filter(({ slug }) => slug !== "team")))
          yield* Deferred.succeed(unlocked, undefined)
          yield* Fiber.join(waiting)
          const text = readFileSync(file.path, "utf8")
          assert.deepStrictEqual(
            JSON.parse(text).meshes.map(({ slug }: { readonly slug: string }) => slug),
            ["quick", "slow"],
          )
        }),
      ),
  )

  it.effect(
    "that is a link stays one: what it leads to is written, wherever that is, also when it is not there yet",
    () =>
      inDirectory(({ directory, file, path }) =>
        Effect.gen(function* () {
          const [dotfiles, real] = [join(directory, "..", "dotfiles"), join(directory, "..", "dotfiles", "mesh.json")]
          mkdirSync(dotfiles)
          mkdirSync(directory, { mode: 0o700 })
          symlinkSync(join("..", "dotfiles", "mesh.json"), path)
          yield* add("team")
          assert.isTrue(lstatSync(path).isSymbolicLink())
          assert.strictEqual(modeOf(real), "600")
          const before = statSync(real).ino
          yield* add("other")
          assert.notStrictEqual(statSync(real).ino, before)
          assert.isTrue(lstatSync(path).isSymbolicLink())
          assert.deepStrictEqual(readdirSync(dotfiles), ["mesh.json"])
          assert.lengthOf(yield* file.read, 2)
        }),
      ),
  )

  it.effect("has no copy with keys beside it for long that a killed process left", () =>
    inDirectory(({ directory, path }) =>
      Effect.gen(function* () {
        yield* add("team")
        const [old, new_] = ["0123456789ab", "ba9876543210"].map((name) => `${path}.${name}.tmp`)
        for (const left of [old, new_, `${path}.mine.tmp`]) write(left ?? "", "{}")
        const anHourAgo = statSync(path).mtimeMs / 1_000 - 3_600
        utimesSync(old ?? "", anHourAgo, anHourAgo)
        yield* add("other")
        assert.sameMembers(
          besideState(directory).map((name) => join(directory, name)),
          [path, new_, `${path}.mine.tmp`],
        )
      }),
    ),
  )

  it.effect("is not waited for by a lock of an earlier version, whatever its time", () =>
    inDirectory(({ directory, file }) =>
      Effect.gen(function* () {
        yield* add("team")
        const lock = join(directory, "config.lock")
        writeFileSync(lock, "")
        const tomorrow = statSync(lock).mtimeMs / 1_000 + 86_400
        utimesSync(lock, tomorrow, tomorrow)
        yield* add("other")
        assert.lengthOf(yield* file.read, 2)
      }),
    ),
  )

  for (const [what, make] of [
    ["others may look into", (home: string) => mkdirSync(home, { mode: 0o755 })],
    ["is a file", (home: string) => writeFileSync(home, "")],
  ] as const) {
    it.effect(`is not looked for in a folder that ${what}, and nothing is changed there (I19)`, () =>
      inDirectory(({ directory, file }) =>
        Effect.gen(function* () {
          make(directory)
          const { mode } = statSync(directory)
          for (const failed of [yield* Effect.flip(file.read), yield* Effect.flip(add("team"))]) {
            assert.strictEqual(failed._tag, "HomeUnusable")
            assert.include(failed.message, directory)
          }
          assert.strictEqual(statSync(directory).mode, mode)
        }),
      ),
    )
  }

  for (const [what, content] of [
    ["no JSON", "{"],
    ["of a version to come", { version: 3, meshes: [] }],
    ["without meshes", { version: 2 }],
    ["one with a mesh that lacks its key", { version: 2, meshes: [{ meshId: "m" }] }],
  ] as const) {
    it.effect(`that is ${what} is named in the error and never written over`, () =>
      inDirectory(({ file, path, directory }) =>
        Effect.gen(function* () {
          yield* (yield* FileSystem.FileSystem).makeDirectory(directory, { mode: 0o700 })
          write(path, content)
          const before = readFileSync(path, "utf8")
          const failed = yield* Effect.flip(file.read)
          assert.deepInclude(failed, { _tag: "ConfigBroken", path })
          assert.include(failed.message, path)
          assert.strictEqual((yield* Effect.flip(add("team")))._tag, "ConfigBroken")
          assert.strictEqual(readFileSync(path, "utf8"), before)
        }),
      ),
    )
  }

  it.effect("of version 1 is read, upgraded when it is written, and kept beside", () =>
    inDirectory(({ directory, file, path }) =>
      Effect.gen(function* () {
        const { displayName: _displayName, ...mesh } = plain(membershipOf(yield* person("Alice")))
        const old = { version: 1, theme: "dark", meshes: [{ ...mesh, name: "Alice at work", role: "admin" }] }
        yield* (yield* FileSystem.FileSystem).makeDirectory(directory, { mode: 0o700 })
        write(path, old)
        const text = readFileSync(path, "utf8")
        const [read] = yield* file.read
        assert.deepEqual<unknown>([read?.name, read?.displayName], ["Alice at work", "Alice at work"])
        assert.strictEqual(readFileSync(path, "utf8"), text)

        yield* add("other")
        const copy = join(directory, "config.v1.json")
        assert.strictEqual(readFileSync(copy, "utf8"), text)
        assert.strictEqual(modeOf(copy), "600")
        const upgraded = JSON.parse(readFileSync(path, "utf8"))
        assert.deepInclude(upgraded, { version: 2, theme: "dark" })
        assert.deepInclude(upgraded.meshes[0], { role: "admin", displayName: "Alice at work" })
        assert.strictEqual(upgraded.meshes.length, 2)
      }),
    ),
  )

  it.effect("keeps keys it does not know, at both levels, and forgets those of a mesh that was left", () =>
    inDirectory(({ file, path }) =>
      Effect.gen(function* () {
        yield* add("team")
        yield* add("other")
        const content = JSON.parse(readFileSync(path, "utf8"))
        content.editor = { tabs: 2 }
        content.meshes[0].colour = "red"
        content.meshes[1].colour = "blue"
        write(path, content)
        yield* file.update((meshes) =>
          Result.succeed(meshes.slice(1).map((mesh) => ({ ...mesh, slug: Slug.make("new") }))),
        )
        const after = JSON.parse(readFileSync(path, "utf8"))
        assert.deepStrictEqual(after.editor, { tabs: 2 })
        assert.strictEqual(after.meshes.length, 1)
        assert.deepInclude(after.meshes[0], { colour: "blue", slug: "new" })
      }),
    ),
  )

  it.effect("joins a mesh once, under a slug that is free", () =>
    inDirectory(({ file }) =>
      Effect.gen(function* () {
        yield* add("team")
        const mesh = membershipOf(yield* person("Alice"), "team")
        const sameMesh = { ...mesh, slug: Slug.make("again") }
        const sameSlug = { ...membershipOf(yield* person("Alice"), "other"), slug: Slug.make("team") }
        const join = (mesh: typeof sameMesh) => Effect.flip(file.update((meshes) => Result.succeed([...meshes, mesh])))
        assert.deepInclude(yield* join(sameMesh), { _tag: "AlreadyJoined", taken: "meshId" })
        assert.deepInclude(yield* join(sameSlug), { _tag: "AlreadyJoined", taken: "slug" })
      }),
    ),
  )

  it.effect("loses no update of several at once, in one process or in several (I19)", () =>
    inDirectory(({ directory, file }) =>
      Effect.gen(function* () {
        const slugs = Array.from({ length: 8 }, (_, n) => `team-${n}`)
        // A layer of its own for each: nothing but the files is shared.
        const another = Layer.fresh(ConfigFile.layerIn(directory))
        const half = (n: number) => slugs.filter((_, index) => index % 2 === n)
        yield* Effect.all(
          [
            ...half(0).map((slug) => add(slug)),
            ...half(1).map((slug) => Effect.provide(add(slug), another, { local: true })),
          ],
          { concurrency: "unbounded" },
        )
        assert.deepStrictEqual(
          (yield* file.read).map(({ slug }) => slug).toSorted(),
          slugs.map((slug) => Slug.make(slug)),
        )
        assert.deepStrictEqual(besideState(directory), ["config.json"])
      }),
    ),
  )

  it.effect("is in CLAUDEMESH_HOME, else in .claudemesh of the home directory", () =>
    Effect.gen(function* () {
      const pathWith = (env: Record<string, string>) =>
        Effect.map(ConfigFile, ({ path }) => path).pipe(
          Effect.provide(Layer.fresh(ConfigFile.layer).pipe(Layer.provide(Layer.fresh(StateDb.layer)))),
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))),
        )
      assert.strictEqual(yield* pathWith({ HOME: "/home/a" }), "/home/a/.claudemesh/config.json")
      assert.strictEqual(yield* pathWith({ HOME: "/home/a", CLAUDEMESH_HOME: "/srv/b" }), "/srv/b/config.json")
      assert.strictEqual(yield* pathWith({}), join(homedir(), ".claudemesh/config.json"))
    }),
  )

  it.effect("says of what cannot be read where it stands, by line and column, and of a mesh that is in it twice", () =>
    inDirectory(({ file, path }) =>
      Effect.gen(function* () {
        yield* add("red")
        const text = readFileSync(path, "utf8")
        const [entry] = JSON.parse(text).meshes
        const problemOf = (content: unknown) =>
          Effect.gen(function* () {
            write(path, typeof content === "string" ? content : JSON.stringify(content, undefined, 2))
            const { message } = yield* Effect.flip(file.read)
            assert.notInclude(message, entry.secretKey)
            return message
          })
        assert.include(
          yield* problemOf(text.replace('"version": 2,', '"version": 2')),
          "line 3, column 3: a comma is missing",
        )
        assert.match(yield* problemOf({ version: 3, meshes: [] }), /line 2, column 14: version: expected 1 \| 2/)
        const bad = { version: 2, meshes: [{ ...entry, slug: "No Slug" }] }
        assert.match(yield* problemOf(bad), /line \d+, column \d+: meshes\[0\]\.slug: expected a slug/)
        const twice = { version: 2, meshes: [entry, { ...entry, slug: "blue" }] }
        assert.match(yield* problemOf(twice), /line \d+, column 5: this is the same mesh as at line 4, column 5/)
        const named = { version: 2, meshes: [entry, { ...entry, meshId: "elsewhere" }] }
        assert.match(yield* problemOf(named), /another mesh is called red, too, at line 4, column 5/)

        writeFileSync(path, Buffer.from(`\ufeff${text}`, "utf16le"))
        assert.include((yield* Effect.flip(file.read)).message, "it is written as UTF-16. Save it as UTF-8")
        writeFileSync(path, Buffer.from(`\ufeff${text}`, "utf16le").swap16())
        assert.include((yield* Effect.flip(file.read)).message, "it is written as UTF-16. Save it as UTF-8")
        writeFileSync(path, Buffer.from(text.replace("red", "r\u00e9d"), "latin1"))
        assert.include((yield* Effect.flip(file.read)).message, "it is not written as UTF-8. Save it as UTF-8")
        // A mark at its beginning, as some editors write it, is passed by, and the file can be written.
        write(path, `\ufeff${text}`)
        assert.lengthOf(yield* file.read, 1)
        yield* add("green")
        assert.lengthOf(yield* file.read, 2)
      }),
    ),
  )
})
