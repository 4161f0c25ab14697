/**
 * What `leave` erases: everything that this machine knows of a mesh but its entry in the config file. A table with a
 * `mesh_id` holds what is a mesh's, whichever part of the program it belongs to.
 */
import { join } from "node:path"
import type { MeshId } from "@claudemesh/domain/Ids"
import { Effect, FileSystem } from "effect"
import { type Database, StateDb } from "./StateDb.ts"

const tablesOfMeshes = (db: Database): ReadonlyArray<string> =>
  db
    .query<{ name: string }, []>(
      `SELECT t.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
       WHERE t.type = 'table' AND c.name = 'mesh_id'`,
    )
    .all()
    .map(({ name }) => name)

export const forgetMesh = Effect.fn("ForgetMesh")(function* (meshId: MeshId) {
  const { directory, transaction } = yield* StateDb
  const fs = yield* FileSystem.FileSystem
  yield* transaction(
    (db) => {
      for (const table of tablesOfMeshes(db)) db.query(`DELETE FROM "${table}" WHERE mesh_id = ?`).run(meshId)
    },
    { durable: true, erase: true },
  )
  if (directory === undefined) return
  // Of an earlier version, and not taken over yet: it would be, if the mesh was joined again.
  for (const file of [join("seen", `${meshId}.log`), join("known", `${meshId}.json`)]) {
    yield* Effect.ignore(fs.remove(join(directory, file)))
  }
})
