/**
 * Whose a mesh is. Each owner that loads a mesh raises the epoch in the mesh's row, and every batch is written in the
 * epochs of its owners: what an earlier owner writes is refused whole, whatever kind of write it is. A batch holds its
 * meshes' rows until its transaction has ended, and a load waits for that: so what it reads has no commit on its way,
 * also none of a broker that was killed.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/unstable/sql"
import { meshOf, type OwnedWrite, StoreError } from "../MessageStore.ts"
import { aloneWith, heldMeshes, holding, records } from "../sql/Dialect.ts"
import type { Arrays } from "./Arrays.ts"
import * as Rows from "../sql/Rows.ts"

/** The earliest in which anything of a batch is written, of each of its meshes. */
export const epochsOf = (batch: ReadonlyArray<OwnedWrite>): ReadonlyMap<MeshId, number> => {
  const epochs = new Map<MeshId, number>()
  for (const { epoch, write } of batch) {
    const meshId = meshOf(write)
    epochs.set(meshId, Math.min(epoch, epochs.get(meshId) ?? epoch))
  }
  return epochs
}

/** As a part of a statement: holds the meshes, and counts those that have a later owner. */
export const holdMeshes = (arrays: Arrays, epochs: ReadonlyMap<MeshId, number>): string => {
  const meshes = arrays.texts([...epochs.keys()])
  const given = arrays.numbers([...epochs.values()])
  return `owners AS MATERIALIZED (SELECT id, owner_epoch FROM mesh.mesh WHERE id = ANY (${meshes}) AND ${holding}),
    held AS MATERIALIZED (SELECT count(*) AS stale FROM unnest(${meshes}, ${given}) AS r(id, epoch)
      JOIN owners ON owners.id = r.id AND owners.owner_epoch > r.epoch)`
}

export const fencedUnless = (isOurs: boolean, epochs: ReadonlyMap<MeshId, number>): Effect.Effect<void, StoreError> =>
  isOurs ? Effect.void : Effect.fail(fenced([...epochs.keys()].join(", ")))

export const ownersWith = (sql: SqlClient.SqlClient) => {
  const raise = (meshId: MeshId) => sql`UPDATE mesh.mesh SET owner_epoch = owner_epoch + 1 WHERE id = ${meshId}`

  /** First in the transaction of a batch. */
  const hold = Effect.fnUntraced(function* (batch: ReadonlyArray<OwnedWrite>) {
    const epochs = epochsOf(batch)
    const asked = records(
      sql,
      [...epochs.keys()].map((meshId) => ({ mesh_id: meshId })),
      { mesh_id: "text" },
    )
    const owners = yield* Rows.owners(
      yield* sql`SELECT id, owner_epoch FROM mesh.mesh WHERE id IN (SELECT r.mesh_id FROM ${asked}) AND ${heldMeshes(sql)}`,
    )
    for (const { epoch, meshId } of owners) {
      if (epoch > (epochs.get(meshId) ?? 0)) return yield* Effect.fail(fenced(meshId))
    }
  })

  /** An SQLite file has one broker, whose group commits keep the order: where the disk is full, what is stored can still be read. */
  const beforeLoad = (meshId: MeshId): Effect.Effect<void> =>
    sql.onDialectOrElse({ sqlite: () => Effect.ignore(raise(meshId)), orElse: () => Effect.void })

  /** First in the transaction that loads it. */
  const takeOver = (meshId: MeshId): Effect.Effect<void, SqlError.SqlError> =>
    sql.onDialectOrElse({
      sqlite: () => Effect.void,
      orElse: () => Effect.andThen(aloneWith(sql, meshId), Effect.asVoid(raise(meshId))),
    })

  return { hold, beforeLoad, takeOver }
}

const fenced = (meshId: string): StoreError =>
  new StoreError({ reason: "fenced", cause: `mesh ${meshId} has a later owner` })
