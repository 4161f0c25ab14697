import { chmodSync, existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Slug } from "@claudemesh/domain/Ids"
import * as BunCrypto from "@effect/platform-bun/BunCrypto"
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import { assert, layer } from "@effect/vitest"
import { Config, ConfigProvider, Effect, FileSystem, Layer, Result } from "effect"
import { ConfigFile } from "../src/keys/ConfigFile.ts"
import { Sodium } from "../src/keys/Sodium.ts"
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
    }).pipe(Effect.provide(ConfigFile.layerIn(directory)))
  })

const add = (slug: string) =>
  Effect.gen(function* () {
    const mesh = membershipOf(yield* person("Alice"), slug)
    return yield* (yield* ConfigFile).update((meshes) => Result.succeed([...meshes, mesh]))
  })

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
        assert.deepStrictEqual(readdirSync(directory), ["config.json"])
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

  it.effect("keeps its old content when the new one cannot be written (I19)", () =>
    inDirectory(({ directory, path }) =>
      Effect.gen(function* () {
        yield* add("team")
        const before = readFileSync(path, "utf8")
        const fs = yield* FileSystem.FileSystem
        const broken = { ...fs, rename: () => Effect.die("power cut") }
        yield* Effect.exit(
          add("other").pipe(
            Effect.provide(ConfigFile.layerIn(directory)),
            Effect.provideService(FileSystem.FileSystem, broken),
          ),
        )
        assert.strictEqual(readFileSync(path, "utf8"), before)
        assert.deepStrictEqual(readdirSync(directory), ["config.json"])
      }),
    ),
  )

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
        // A layer of its own for each: nothing but the lock file is shared.
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
        assert.deepStrictEqual(readdirSync(directory), ["config.json"])
      }),
    ),
  )

  it.effect("takes away a lock that a dead process left, after 10 s", () =>
    inDirectory(({ directory, file }) =>
      Effect.gen(function* () {
        yield* add("team")
        const lock = join(directory, "config.lock")
        writeFileSync(lock, "")
        const waits = yield* Effect.timeoutOption(add("other"), "200 millis")
        assert.strictEqual(waits._tag, "None")
        const elevenSecondsAgo = statSync(lock).mtimeMs / 1000 - 11
        utimesSync(lock, elevenSecondsAgo, elevenSecondsAgo)
        yield* add("other")
        assert.strictEqual((yield* file.read).length, 2)
        assert.isFalse(existsSync(lock))
      }),
    ),
  )

  it.effect("is in CLAUDEMESH_HOME, else in .claudemesh of the home directory", () =>
    Effect.gen(function* () {
      const pathWith = (env: Record<string, string>) =>
        Effect.map(ConfigFile, ({ path }) => path).pipe(
          Effect.provide(Layer.fresh(ConfigFile.layer)),
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))),
        )
      assert.strictEqual(yield* pathWith({ HOME: "/home/a" }), "/home/a/.claudemesh/config.json")
      assert.strictEqual(yield* pathWith({ HOME: "/home/a", CLAUDEMESH_HOME: "/srv/b" }), "/srv/b/config.json")
      const failed = yield* Effect.flip(pathWith({}))
      assert.instanceOf(failed, Config.ConfigError)
    }),
  )
})
