import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { MeshId, MessageId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import * as BunServices from "@effect/platform-bun/BunServices"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer } from "effect"
import { SeenMessages } from "../../src/inbox/SeenMessages.ts"
import { forgetMesh } from "../../src/local/ForgetMesh.ts"
import { type Database, StateDb } from "../../src/local/StateDb.ts"
import { KnownMembers, nothingKnown } from "../../src/trust/KnownMembers.ts"

const [left, kept] = [MeshId.make("mesh-left"), MeshId.make("mesh-kept")]

const rowsOf = (meshId: MeshId) => (db: Database) =>
  db
    .query<{ name: string }, []>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all()
    .flatMap(({ name }) => db.query<Record<string, unknown>, []>(`SELECT * FROM "${name}"`).all())
    .filter((row) => row["mesh_id"] === meshId).length

layer(BunServices.layer)("a mesh that is left", (it) => {
  it.effect("is in no table any more, nor in a file of an earlier version; the others stay", () =>
    Effect.gen(function* () {
      const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      yield* Effect.gen(function* () {
        const { read } = yield* StateDb
        for (const meshId of [left, kept]) {
          const publicKey = PublicKey.make("ab".repeat(32))
          const byVoice = [{ publicKey, at: IsoTime.make("2026-11-24T07:59:58.670Z") }]
          yield* (yield* KnownMembers).add(meshId, { ...nothingKnown, byVoice })
          const seen = yield* (yield* SeenMessages).open(meshId, SessionId.make("here"))
          yield* seen.add([MessageId.make("5e".repeat(16))])
          assert.strictEqual(yield* read(rowsOf(meshId)), 3)
        }
        for (const [folder, name] of [
          ["seen", `${left}.log`],
          ["known", `${left}.json`],
        ] as const) {
          mkdirSync(join(directory, folder))
          writeFileSync(join(directory, folder, name), "", { mode: 0o600 })
        }
        yield* forgetMesh(left)
        assert.strictEqual(yield* read(rowsOf(left)), 0)
        assert.strictEqual(yield* read(rowsOf(kept)), 3)
        assert.isFalse(existsSync(join(directory, "seen", `${left}.log`)))
        assert.isFalse(existsSync(join(directory, "known", `${left}.json`)))
        for (const name of ["state.db", "state.db-wal"]) {
          assert.notInclude(readFileSync(join(directory, name)).toString("latin1"), left)
        }
        assert.deepStrictEqual(yield* (yield* KnownMembers).read(left), nothingKnown)
      }).pipe(
        Effect.provide(
          Layer.merge(KnownMembers.layer, SeenMessages.layer).pipe(Layer.provideMerge(StateDb.layerIn(directory))),
        ),
      )
    }),
  )
})
