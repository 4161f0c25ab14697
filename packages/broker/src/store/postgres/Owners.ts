/**
 * Whose a mesh is. Each owner that loads a mesh raises the epoch in the mesh's row, and every batch is written in the
 * epochs of its owners: what an earlier owner writes is refused whole, whatever kind of write it is. A batch holds its
 * meshes' rows until its transaction has ended, and a load waits for that: so what it reads has no commit on its way,
 * also none of a broker that was killed.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/unstable/sql"
import { meshOf, type OwnedWrite, StoreError, type Write } from "../MessageStore.ts"
import { aloneWith, holding, meshLocks } from "../sql/Dialect.ts"
import { Arrays } from "./Arrays.ts"
import * as Rows from "../sql/Rows.ts"

interface Asked {
  /** The earliest in which anything of a batch is written. */
  epoch: number
  /** Of the numbers that messages have in it. */
  first: number
  last: number
}

const askedOf = (batch: ReadonlyArray<OwnedWrite>): ReadonlyMap<MeshId, Asked> => {
  const asked = new Map<MeshId, Asked>()
  for (const { epoch, write } of batch) {
    const meshId = meshOf(write)
    const of = asked.get(meshId) ?? { epoch, first: Number.MAX_SAFE_INTEGER, last: 0 }
    of.epoch = Math.min(of.epoch, epoch)
    if (write._tag === "Accept") {
      of.first = Math.min(of.first, write.message.seq)
      of.last = Math.max(of.last, write.message.seq)
    }
    asked.set(meshId, of)
  }
  return asked
}

/** No number of a mesh is there twice. */
export const arePastEach = (accepts: ReadonlyArray<Extract<Write, { readonly _tag: "Accept" }>>): boolean =>
  new Set(accepts.map(({ message }) => Rows.seqKey(message.meshId, message.seq))).size === accepts.length

/** As a part of a statement: holds the meshes, and counts those that have a later owner. */
export const holdMeshes = (arrays: Arrays, batch: ReadonlyArray<OwnedWrite>): string => {
  const asked = askedOf(batch)
  const meshes = arrays.texts([...asked.keys()])
  const epochs = arrays.numbers([...asked.values()].map(({ epoch }) => epoch))
  return `owners AS MATERIALIZED (SELECT id, owner_epoch FROM mesh.mesh WHERE id = ANY (${meshes}) AND ${holding}),
    held AS MATERIALIZED (SELECT count(*) AS stale FROM unnest(${meshes}, ${epochs}) AS r(id, epoch)
      JOIN owners ON owners.id = r.id AND owners.owner_epoch > r.epoch)`
}

/** The same where messages take numbers: writes down the last of each mesh, and fails where one has a later owner, or such a number already. */
export const raiseMeshes = (arrays: Arrays, batch: ReadonlyArray<OwnedWrite>): string => {
  const asked = askedOf(batch)
  const meshes = arrays.texts([...asked.keys()])
  const numbers = (of: (one: Asked) => number) => arrays.numbers([...asked.values()].map(of))
  const rows = `unnest(${meshes}, ${numbers(({ epoch }) => epoch)}, ${numbers(({ first }) => first)}, ${numbers(({ last }) => last)})`
  // The row is the last one also where another transaction has just written it.
  return `locked AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(hashtextextended(id, ${meshLocks})) FROM unnest(${meshes}) AS r(id)),
    raised AS (UPDATE mesh.mesh m SET last_seq = CASE WHEN m.owner_epoch <= r.epoch AND m.last_seq < r.first
        THEN greatest(m.last_seq, r.last) ELSE mesh.fenced() END
      FROM ${rows} AS r(id, epoch, first, last) WHERE (SELECT count(*) FROM locked) > 0 AND m.id = r.id RETURNING 1),
    held AS MATERIALIZED (SELECT count(*) * 0 AS stale FROM raised)`
}

/** In a transaction that holds them already. */
export const isHeld = "held AS MATERIALIZED (SELECT 0 AS stale)"

export const ownersWith = (sql: SqlClient.SqlClient) => {
  /** First in a transaction of several statements; gives the last number of each mesh. */
  const hold = Effect.fnUntraced(function* (batch: ReadonlyArray<OwnedWrite>) {
    const asked = askedOf(batch)
    const arrays = new Arrays()
    const meshes = arrays.texts([...asked.keys()])
    yield* sql.unsafe(
      `SELECT pg_advisory_xact_lock_shared(hashtextextended(id, ${meshLocks})) FROM unnest(${meshes}) AS r(id)`,
      arrays.parameters,
    )
    const owners = yield* Rows.owners(
      yield* sql.unsafe(
        `SELECT id, owner_epoch, last_seq FROM mesh.mesh WHERE id = ANY (${meshes}) ORDER BY id FOR UPDATE`,
        arrays.parameters,
      ),
    )
    for (const { epoch, lastSeq, meshId } of owners) {
      const of = asked.get(meshId)
      if (of !== undefined && (epoch > of.epoch || of.first <= lastSeq)) return yield* Effect.fail(fenced(meshId))
    }
    return new Map(owners.map(({ lastSeq, meshId }) => [meshId, lastSeq]))
  })

  /** Last in such a transaction: those numbers are taken now. */
  const raise = Effect.fnUntraced(function* (numbers: ReadonlyMap<MeshId, number>) {
    if (numbers.size === 0) return
    const arrays = new Arrays()
    const rows = `unnest(${arrays.texts([...numbers.keys()])}, ${arrays.numbers([...numbers.values()])})`
    yield* sql.unsafe(
      `UPDATE mesh.mesh m SET last_seq = greatest(m.last_seq, r.last) FROM ${rows} AS r(id, last) WHERE m.id = r.id`,
      arrays.parameters,
    )
  })

  /** First in the transaction that loads it. */
  const takeOver = (meshId: MeshId): Effect.Effect<void, SqlError.SqlError> =>
    Effect.andThen(
      aloneWith(sql, meshId),
      Effect.asVoid(sql`UPDATE mesh.mesh SET owner_epoch = owner_epoch + 1 WHERE id = ${meshId}`),
    )

  return { hold, raise, takeOver }
}

export const fenced = (meshId: string): StoreError =>
  new StoreError({ reason: "fenced", cause: `mesh ${meshId} has a later owner` })
