import { readFileSync } from "node:fs"
import { join } from "node:path"
import { DisplayName, MeshId, Slug } from "@claudemesh/domain/Ids"
import { CreateMesh } from "@claudemesh/domain/wire/HttpApi"
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import { assert, layer } from "@effect/vitest"
import { Effect, Equal, Exit, FileSystem, Layer, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as HttpClient from "effect/unstable/http/HttpClient"
import * as HttpClientResponse from "effect/unstable/http/HttpClientResponse"
import { createMesh } from "../src/invite/CreateMesh.ts"
import { ConfigFile } from "../src/keys/ConfigFile.ts"
import { KeychainUnusable } from "../src/keys/Keychain.ts"
import { StateDb, type StateDbError } from "../src/local/StateDb.ts"
import { testLayer } from "./support/FakeBroker.ts"
import { brokerUrl, owner } from "./support/Invites.ts"
import { plainKey } from "./support/Plain.ts"

type Mesh = typeof CreateMesh.Type

/** A broker that makes meshes. `silent`: it makes it, and the answer is lost. */
class Maker {
  readonly meshes = new Map<MeshId, Mesh>()
  asked = 0
  answer: "makes" | "silent" | { readonly status: number; readonly error: string } = "makes"
  /** What is done when it is asked, before it answers. */
  when: Effect.Effect<void> = Effect.void

  readonly client = HttpClient.make((request) =>
    Effect.gen({ self: this }, function* () {
      this.asked += 1
      yield* this.when
      if (typeof this.answer === "object") {
        const { error, status } = this.answer
        return HttpClientResponse.fromWeb(request, Response.json({ error, message: "no" }, { status }))
      }
      const text = request.body._tag === "Uint8Array" ? Buffer.from(request.body.body).toString() : ""
      const mesh = Schema.decodeUnknownSync(Schema.fromJsonString(CreateMesh))(text)
      const { meshId, slug } = mesh
      const before = this.meshes.get(meshId)
      if (before !== undefined && !Equal.equals(before, mesh)) {
        return HttpClientResponse.fromWeb(request, Response.json({ error: "conflict", message: "no" }, { status: 409 }))
      }
      this.meshes.set(meshId, mesh)
      if (this.answer === "silent") return yield* Effect.never
      return HttpClientResponse.fromWeb(request, Response.json({ meshId, slug, created: before === undefined }))
    }),
  )
}

const slug = Slug.make("team")

const atMaker = <A, E, R>(
  body: (place: {
    readonly maker: Maker
    readonly directory: string
    readonly config: typeof ConfigFile.Service
    readonly create: (name?: string) => ReturnType<typeof createMesh>
    /** What is written down of meshes that are not made yet. */
    readonly pending: Effect.Effect<ReadonlyArray<string>, StateDbError>
  }) => Effect.Effect<A, E, R>,
) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(1_795_507_198_670)
    const directory = join(yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped(), "home")
    const maker = new Maker()
    const create = (name = "Olga") => createMesh({ slug, brokerUrl, displayName: DisplayName.make(name) })
    return yield* Effect.gen(function* () {
      const pending = (yield* StateDb).read((db) =>
        db
          .query<{ record: string }, []>("SELECT record FROM pending")
          .all()
          .map(({ record }) => record),
      )
      return yield* body({ maker, directory, config: yield* ConfigFile, create, pending })
    }).pipe(
      Effect.provide(ConfigFile.layer.pipe(Layer.provideMerge(StateDb.layerIn(directory)))),
      Effect.provideService(HttpClient.HttpClient, maker.client),
    )
  })

layer(Layer.merge(testLayer, BunFileSystem.layer))("making a mesh", (it) => {
  it.effect("gives its owner's membership, written down, with nothing of it left elsewhere", () =>
    atMaker(({ config, create, directory, maker, pending }) =>
      Effect.gen(function* () {
        const mesh = yield* create()
        const [written] = yield* config.read
        assert.strictEqual(plainKey(written?.ownerSecretKey), plainKey(mesh.ownerSecretKey))
        assert.deepInclude<unknown>(mesh, { slug, brokerUrl, displayName: "Olga" })
        assert.deepEqual(maker.meshes.get(mesh.meshId)?.members[0], mesh.certificate)
        assert.deepStrictEqual(yield* pending, [])
        const hidden = plainKey(mesh.ownerSecretKey).slice(0, 64)
        assert.include(readFileSync(config.path, "utf8"), hidden)
        for (const name of ["state.db", "state.db-wal"]) {
          assert.notInclude(readFileSync(join(directory, name)).toString("latin1"), hidden)
        }
      }),
    ),
  )

  it.effect("writes the keys down before the broker hears of it (I19)", () =>
    atMaker(({ create, maker, pending }) =>
      Effect.gen(function* () {
        let written: ReadonlyArray<string> = []
        maker.when = Effect.orDie(Effect.map(pending, (now) => void (written = now)))
        const { ownerSecretKey, secretKey } = yield* create()
        assert.lengthOf(written, 1)
        for (const key of [ownerSecretKey, secretKey]) assert.include(written[0], plainKey(key))
      }),
    ),
  )

  for (const [what, cutOff] of [
    ["before the broker was asked", "asking"],
    ["when the broker has made it, and before its answer", "answer"],
    ["before it is in the config file", "config"],
    ["before the keys are forgotten", "forget"],
  ] as const) {
    it.effect(`that was cut off ${what} is finished by the same again: one mesh, and no key is lost`, () =>
      atMaker(({ config, create, maker, pending }) =>
        Effect.gen(function* () {
          const update: typeof config.update = (change) =>
            cutOff === "config" ? Effect.die("killed") : Effect.andThen(config.update(change), Effect.die("killed"))
          maker.when =
            cutOff === "asking"
              ? Effect.die("killed")
              : cutOff === "answer"
                ? Effect.suspend(() => {
                    maker.answer = "silent"
                    return Effect.void
                  })
                : Effect.void
          const first = yield* Effect.forkChild(
            Effect.exit(create().pipe(Effect.provideService(ConfigFile, { ...config, update }))),
          )
          while (maker.asked === 0) yield* TestClock.withLive(Effect.sleep("1 millis"))
          yield* TestClock.adjust("10 seconds")
          while (first.pollUnsafe() === undefined) yield* TestClock.withLive(Effect.sleep("1 millis"))
          assert.lengthOf(yield* pending, 1)

          maker.when = Effect.void
          maker.answer = "makes"
          // Years later, and under another name: what was begun is finished.
          yield* TestClock.adjust("1000 days")
          const mesh = yield* create("Someone")
          assert.strictEqual(mesh.displayName, "Olga")
          assert.deepStrictEqual([...maker.meshes.keys()], [mesh.meshId])
          assert.strictEqual(maker.meshes.get(mesh.meshId)?.ownerPublicKey, plainKey(mesh.ownerSecretKey).slice(64))
          const meshes = yield* config.read
          assert.deepStrictEqual(
            meshes.map(({ meshId }) => meshId),
            [mesh.meshId],
          )
          assert.deepStrictEqual(yield* pending, [])
        }),
      ),
    )
  }

  it.effect("keeps nothing where the broker refuses, and what may have been made by an earlier try", () =>
    atMaker(({ create, maker, pending }) =>
      Effect.gen(function* () {
        maker.answer = { status: 401, error: "unauthorized" }
        assert.deepInclude(yield* Effect.flip(create()), { error: "unauthorized" })
        assert.deepStrictEqual(yield* pending, [])
        maker.answer = { status: 503, error: "unavailable" }
        yield* Effect.flip(create())
        assert.lengthOf(yield* pending, 1)
        maker.answer = { status: 401, error: "unauthorized" }
        yield* Effect.flip(create())
        assert.lengthOf(yield* pending, 1)
      }),
    ),
  )

  it.effect("asks nobody where the slug is taken, or the keys could not be written down later", () =>
    atMaker(({ config, create, maker, pending }) =>
      Effect.gen(function* () {
        const locked = new KeychainUnusable({ doing: "write", reason: "it is locked" })
        const reading = Effect.provideService(ConfigFile, { ...config, read: Effect.fail(locked) })
        assert.strictEqual(yield* Effect.flip(reading(create())), locked)
        const other = yield* owner()
        yield* config.update(() => Result.succeed([other]))
        assert.deepInclude(yield* Effect.flip(create()), { _tag: "AlreadyJoined", taken: "slug" })
        assert.strictEqual(maker.asked, 0)
        assert.deepStrictEqual(yield* pending, [])
      }),
    ),
  )

  it.effect("is one mesh however often it is asked for at once", () =>
    atMaker(({ config, create, maker, pending }) =>
      Effect.gen(function* () {
        const exits = yield* Effect.all(
          Array.from({ length: 5 }, () => Effect.exit(create())),
          { concurrency: "unbounded" },
        )
        assert.isTrue(exits.some(Exit.isSuccess))
        assert.strictEqual(maker.meshes.size, 1)
        assert.lengthOf(yield* config.read, 1)
        assert.deepStrictEqual(yield* pending, [])
      }),
    ),
  )
})
