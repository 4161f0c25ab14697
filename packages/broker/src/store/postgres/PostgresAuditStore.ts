/** The audit's chains on Postgres. */
import type { Checkpoint } from "@claudemesh/domain/audit/Checkpoint"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { AuditStore } from "../AuditStore.ts"
import * as AuditRows from "../sql/AuditRows.ts"
import { Arrays } from "./Arrays.ts"
import { storeError, transactionOn } from "./Transaction.ts"

export const postgresAuditStore = Layer.effect(
  AuditStore,
  Effect.map(SqlClient.SqlClient, (sql) => {
    const transaction = transactionOn(sql)
    return AuditStore.of({
      keys: Effect.mapError(
        Effect.flatMap(
          sql`SELECT public_key, secret_key FROM mesh.audit_key ORDER BY created_at DESC, public_key`,
          AuditRows.keys,
        ),
        storeError,
      ),
      addKey: ({ publicKey, secretKey }, nowMillis) =>
        Effect.mapError(
          Effect.asVoid(sql`INSERT INTO mesh.audit_key VALUES (${publicKey}, ${secretKey}, ${nowMillis})`),
          storeError,
        ),
      rotations: Effect.mapError(
        Effect.flatMap(sql`SELECT * FROM mesh.audit_rotation ORDER BY at, key`, AuditRows.rotations),
        storeError,
      ),
      rotateKey: ({ publicKey, secretKey }, { atMillis, key, next, signature }) =>
        transaction(
          Effect.gen(function* () {
            yield* sql`INSERT INTO mesh.audit_rotation VALUES (${key}, ${next}, ${atMillis}, ${signature})`
            yield* sql`INSERT INTO mesh.audit_key VALUES (${publicKey}, ${secretKey}, ${atMillis})`
            yield* sql`UPDATE mesh.audit_key SET secret_key = '' WHERE public_key = ${key}`
          }),
        ),
      meshes: (after, limit) =>
        Effect.mapError(
          Effect.flatMap(
            sql`SELECT id FROM mesh.mesh WHERE id > ${after} ORDER BY id LIMIT ${limit}`,
            AuditRows.meshes,
          ),
          storeError,
        ),
      ...placesWith(sql),
      addCheckpoints: (checkpoints) =>
        transaction(Effect.forEach(checkpoints, (one) => addCheckpoint(sql, one), { discard: true })),
      checkpoints: (mesh) =>
        Effect.mapError(
          Effect.flatMap(
            sql`SELECT * FROM mesh.audit_checkpoint WHERE mesh_id = ${mesh} AND kind IN ('head', 'removed') ORDER BY number, kind`,
            AuditRows.checkpoints,
          ),
          storeError,
        ),
      blocks: (mesh, after, limit) =>
        Effect.mapError(
          Effect.flatMap(
            sql`SELECT number AS cursor, mesh_id, number, previous, hash, at, total, actors, events FROM mesh.audit_block
              WHERE mesh_id = ${mesh} AND number > ${after} ORDER BY number LIMIT ${limit}`,
            AuditRows.blocks,
          ),
          storeError,
        ),
    })
  }),
)

const placesWith = (
  sql: SqlClient.SqlClient,
): Pick<AuditStore["Service"], "lastBlocks" | "unsignedHeads" | "removable"> => {
  const lastOf = (meshes: ReadonlyArray<string>, where: string) => {
    const arrays = new Arrays()
    return Effect.mapError(
      Effect.flatMap(
        sql.unsafe(
          `SELECT h.mesh_id, h.number, h.hash, h.total FROM unnest(${arrays.texts(meshes)}) AS r(mesh_id)
            CROSS JOIN LATERAL (SELECT * FROM mesh.audit_block b WHERE b.mesh_id = r.mesh_id ORDER BY b.number DESC LIMIT 1) h ${where}`,
          arrays.parameters,
        ),
        AuditRows.places,
      ),
      storeError,
    )
  }
  return {
    lastBlocks: (meshes) => lastOf(meshes, ""),
    unsignedHeads: (meshes) =>
      lastOf(
        meshes,
        // A subquery, and no join: that would read the checkpoints whole where they were few when it was planned.
        `WHERE (SELECT c.number FROM mesh.audit_checkpoint c
          WHERE c.mesh_id = h.mesh_id AND c.kind = 'head' AND c.number = h.number LIMIT 1) IS NULL`,
      ),
    removable: (beforeMillis, rowsMax) =>
      Effect.mapError(
        Effect.flatMap(
          sql`SELECT DISTINCT ON (o.mesh_id) o.mesh_id, o.number, o.hash, o.total
          FROM (SELECT b.mesh_id, b.number, b.hash, b.total FROM mesh.audit_block b
            WHERE b.at <= ${beforeMillis}
              AND b.number < (SELECT max(n.number) FROM mesh.audit_block n WHERE n.mesh_id = b.mesh_id)
            ORDER BY b.at LIMIT ${rowsMax}) o
          WHERE NOT EXISTS (SELECT 1 FROM mesh.audit_checkpoint c
            WHERE c.mesh_id = o.mesh_id AND c.kind = 'removed' AND c.number >= o.number)
          ORDER BY o.mesh_id, o.number DESC`,
          AuditRows.places,
        ),
        storeError,
      ),
  }
}

const addCheckpoint = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, one: Checkpoint) {
  yield* sql`INSERT INTO mesh.audit_checkpoint (mesh_id, kind, number, hash, total, at, key, signature)
    VALUES (${one.mesh}, ${one.kind}, ${one.number}, ${one.hash}, ${one.total}, ${one.atMillis}, ${one.key}, ${one.signature})
    ON CONFLICT DO NOTHING`
  if (one.kind === "removed") {
    yield* sql`DELETE FROM mesh.audit_checkpoint WHERE mesh_id = ${one.mesh} AND number < ${one.number}`
  }
})
