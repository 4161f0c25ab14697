import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DisplayName } from "@claudemesh/domain/Ids"
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import { assert, layer } from "@effect/vitest"
import { ConfigProvider, Effect, Exit, FileSystem, Layer, Option, Result } from "effect"
import { ConfigFile } from "../src/keys/ConfigFile.ts"
import { Keychain, type KeychainPort, KeychainUnusable } from "../src/keys/Keychain.ts"
import { StateDb } from "../src/local/StateDb.ts"
import type { Membership } from "../src/keys/Membership.ts"
import { testLayer } from "./support/FakeBroker.ts"
import { owner } from "./support/Invites.ts"
import { allPlain, plain, plainKey } from "./support/Plain.ts"

/** A keychain in memory, which can be locked. */
class MemoryKeychain {
  readonly entries = new Map<string, string>()
  locked = false

  #answer<A>(doing: KeychainUnusable["doing"], answer: () => A) {
    return Effect.suspend(() =>
      this.locked ? Effect.fail(new KeychainUnusable({ doing, reason: "it is locked" })) : Effect.sync(answer),
    )
  }
  readonly port: KeychainPort = {
    get: (name) => this.#answer("read", () => Option.fromNullishOr(this.entries.get(name))),
    set: (name, value) => this.#answer("write", () => void this.entries.set(name, value)),
    remove: (name) => this.#answer("write", () => void this.entries.delete(name)),
  }
}

/** What is done with the config file under that choice. */
const choosing =
  (place: string | undefined, keychain: MemoryKeychain, directory: string, db = StateDb.layerIn(directory)) =>
  <A, E>(use: (file: typeof ConfigFile.Service) => Effect.Effect<A, E>) =>
    Effect.flatMap(ConfigFile, use).pipe(
      Effect.provide(Layer.fresh(ConfigFile.layer.pipe(Layer.provide(db))), { local: true }),
      Effect.provideService(Keychain, keychain.port),
      Effect.provide(
        ConfigProvider.layer(ConfigProvider.fromUnknown(place === undefined ? {} : { CLAUDEMESH_SECRET_STORE: place })),
      ),
    )

const adding = (mesh: Membership) => (file: typeof ConfigFile.Service) =>
  file.update((meshes) => Result.succeed([...meshes, mesh]))
const reading = (file: typeof ConfigFile.Service) => file.read

const home = Effect.gen(function* () {
  const directory = join(yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped(), "home")
  const keychain = new MemoryKeychain()
  const path = join(directory, "config.json")
  return {
    directory,
    path,
    keychain,
    text: () => readFileSync(path, "utf8"),
    inKeychain: choosing("keychain", keychain, directory),
    byDefault: choosing(undefined, keychain, directory),
    choosing: (place: string) => choosing(place, keychain, directory),
  }
})

const secretsOf = (mesh: Membership): ReadonlyArray<string> =>
  [mesh.secretKey, mesh.ownerSecretKey].map((key) => plainKey(key).slice(0, 64))

layer(Layer.merge(testLayer, BunFileSystem.layer))("secret keys", (it) => {
  it.effect("are in the config file where nothing else is chosen, and the keychain is not asked (I19)", () =>
    Effect.gen(function* () {
      const { byDefault, choosing: under, keychain, text } = yield* home
      keychain.locked = true
      const mesh = yield* owner()
      yield* byDefault(adding(mesh))
      for (const secret of secretsOf(mesh)) assert.include(text(), secret)
      assert.deepEqual(allPlain(yield* under("file")(reading)), allPlain([mesh]))
      assert.deepEqual(allPlain(yield* under("")(reading)), allPlain([mesh]))
    }),
  )

  it.effect("are in the keychain where that is chosen: the file has names of theirs and no key (I19)", () =>
    Effect.gen(function* () {
      const { inKeychain, keychain, text } = yield* home
      const [mesh, other] = [yield* owner(), yield* owner("other")]
      assert.deepEqual(allPlain(yield* inKeychain(adding(mesh))), allPlain([mesh]))
      yield* inKeychain(adding(other))
      for (const secret of [mesh, other].flatMap(secretsOf)) assert.notInclude(text(), secret)
      assert.strictEqual(keychain.entries.size, 4)
      assert.deepEqual(allPlain(yield* inKeychain(reading)), allPlain([mesh, other]))
      const { keychain: name } = JSON.parse(text()).meshes[0].secretKey
      assert.strictEqual(keychain.entries.get(name), plainKey(mesh.secretKey))
    }),
  )

  it.effect(
    "stay in the keychain when a command runs without the variable, and join the others in it once it is set",
    () =>
      Effect.gen(function* () {
        const { byDefault, inKeychain, text } = yield* home
        const [first, second, third] = [yield* owner("a"), yield* owner("b"), yield* owner("c")]
        yield* byDefault(adding(first))
        yield* inKeychain(adding(second))
        for (const secret of [first, second].flatMap(secretsOf)) assert.notInclude(text(), secret)

        yield* byDefault(adding(third))
        for (const secret of [first, second].flatMap(secretsOf)) assert.notInclude(text(), secret)
        for (const secret of secretsOf(third)) assert.include(text(), secret)
        assert.deepEqual(allPlain(yield* byDefault(reading)), allPlain([first, second, third]))
      }),
  )

  it.effect("of a mesh that was left are taken out of the keychain, once the file no longer names them", () =>
    Effect.gen(function* () {
      const { inKeychain, keychain } = yield* home
      const [mesh, other] = [yield* owner(), yield* owner("other")]
      yield* inKeychain(adding(mesh))
      yield* inKeychain(adding(other))
      yield* inKeychain((file) => file.update((meshes) => Result.succeed(meshes.slice(1))))
      assert.sameMembers([...keychain.entries.values()], [plainKey(other.secretKey), plainKey(other.ownerSecretKey)])
      assert.deepEqual(allPlain(yield* inKeychain(reading)), allPlain([other]))
    }),
  )

  it.effect("that a copied directory names stay, whatever is done in the copy", () =>
    Effect.gen(function* () {
      const { directory, inKeychain, keychain } = yield* home
      const mesh = yield* owner()
      yield* inKeychain(adding(mesh))
      const copy = `${directory}-copy`
      cpSync(directory, copy, { recursive: true })
      chmodSync(join(copy, "config.json"), 0o600)
      yield* choosing("keychain", keychain, copy)((file) => file.update(() => Result.succeed([])))
      assert.deepEqual(allPlain(yield* inKeychain(reading)), allPlain([mesh]))
    }),
  )

  it.effect("are not written anywhere when no keychain answers, and the error says what to do", () =>
    Effect.gen(function* () {
      const { byDefault, inKeychain, keychain, path, text } = yield* home
      keychain.locked = true
      const mesh = yield* owner()
      const failed = yield* Effect.flip(inKeychain(adding(mesh)))
      assert.strictEqual(failed._tag, "KeychainUnusable")
      assert.include(failed.message, "leave CLAUDEMESH_SECRET_STORE unset")
      assert.isFalse(existsSync(path))
      // Who reads the file before making a mesh learns of it then.
      assert.strictEqual((yield* Effect.flip(inKeychain(reading))).message, failed.message)

      yield* byDefault(adding(mesh))
      const before = text()
      assert.strictEqual((yield* Effect.flip(inKeychain(reading))).message, failed.message)
      yield* Effect.flip(inKeychain(adding(yield* owner("other"))))
      assert.strictEqual(text(), before)
    }),
  )

  it.effect("that the keychain does not give, or gives wrongly, are an error that shows no key", () =>
    Effect.gen(function* () {
      const { inKeychain, keychain, text } = yield* home
      const [mesh, other] = [yield* owner(), yield* owner("other")]
      yield* inKeychain(adding(mesh))
      const { keychain: name } = JSON.parse(text()).meshes[0].secretKey
      const refusal = Effect.map(Effect.flip(inKeychain(reading)), (error) => {
        assert.strictEqual(error._tag, "KeychainUnusable")
        assert.include(error.message, "import them again")
        for (const secret of [mesh, other].flatMap(secretsOf)) assert.notInclude(error.message, secret)
        return error.message
      })
      keychain.locked = true
      assert.include(yield* refusal, "it is locked")
      keychain.locked = false
      keychain.entries.delete(name)
      assert.include(yield* refusal, `${name} is not in it`)
      keychain.entries.set(name, plainKey(other.secretKey))
      assert.include(yield* refusal, "another key")
      keychain.entries.set(name, `${plainKey(mesh.secretKey)}00`)
      assert.include(yield* refusal, "another key")
    }),
  )

  it.effect("are in the keychain before the file names them, so that a crash in between loses none (I19)", () =>
    Effect.gen(function* () {
      const { directory, inKeychain, keychain, text } = yield* home
      const mesh = yield* owner()
      yield* choosing(undefined, keychain, directory)(adding(mesh))
      const before = text()
      const state = yield* Effect.provide(StateDb, StateDb.layerIn(directory))
      const broken = Layer.succeed(StateDb, { ...state, transaction: () => Effect.die("power cut") })
      const cutOff = choosing("keychain", keychain, directory, broken)(adding(yield* owner("other")))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(cutOff)))
      assert.strictEqual(text(), before)
      assert.strictEqual(keychain.entries.size, 4)
      assert.deepEqual(allPlain(yield* inKeychain(reading)), allPlain([mesh]))
    }),
  )

  it.effect("of a file of the first clients are moved without leaving a copy of it", () =>
    Effect.gen(function* () {
      const { directory, inKeychain, path, text } = yield* home
      const mesh = yield* owner()
      const { brokerUrl, joinedAt, memberId, meshId, name, pubkey, secretKey, slug } = plain(mesh)
      const old = { meshId, memberId, slug, name, pubkey, secretKey, brokerUrl, joinedAt }
      mkdirSync(directory, { mode: 0o700 })
      writeFileSync(path, JSON.stringify({ version: 1, meshes: [old] }), { mode: 0o600 })
      const renamed = DisplayName.make("Olga")
      yield* inKeychain((file) =>
        file.update((meshes) => Result.succeed(meshes.map((mesh) => ({ ...mesh, displayName: renamed })))),
      )
      assert.notInclude(text(), secretKey.slice(0, 64))
      assert.deepStrictEqual(
        readdirSync(directory).filter((name) => !name.startsWith("state.db")),
        ["config.json"],
      )
      assert.strictEqual(plainKey((yield* inKeychain(reading))[0]?.secretKey), secretKey)
    }),
  )

  it.effect("are nowhere else: any other choice is refused, for reading too", () =>
    Effect.gen(function* () {
      const { choosing: under, path } = yield* home
      for (const attempt of [under("vault")(adding(yield* owner())), under("Keychain")(reading)]) {
        const failed = yield* Effect.flip(attempt)
        assert.strictEqual(failed._tag, "SecretStoreUnknown")
        assert.include(failed.message, "It can be file or keychain")
      }
      assert.isFalse(existsSync(path))
    }),
  )
})
