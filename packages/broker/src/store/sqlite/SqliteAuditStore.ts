/** The audit's chains in the embedded database. */
import type { SQLQueryBindings } from "bun:sqlite"
import { Effect, Layer } from "effect"
import { AuditStore } from "../AuditStore.ts"
import type { StoreError } from "../MessageStore.ts"
import * as AuditRows from "../sql/AuditRows.ts"
import { type Handle, inTransaction, prepare, reading, SqliteHandle } from "./Handle.ts"
import { headOf } from "./Journal.ts"
import { messageKey, meshNumberOf, seqOf } from "./Layout.ts"

const meshNumber = "(SELECT number FROM mesh.address WHERE mesh_id = ? AND member_id = '' AND session_id = '')"

/** SQLite keeps a value of any kind in any column: what somebody put there is to be named, and not to end whoever reads it. */
const whole = (column: string): string => `CAST(coalesce(${column}, 0) AS INTEGER) AS ${column}`
const text = (column: string): string => `CAST(coalesce(${column}, '') AS TEXT) AS ${column}`

/** What a statement finds, decoded. */
const readOn =
  (handle: Handle) =>
  <A>(text: string, decode: (rows: unknown) => Effect.Effect<A>) => {
    const statement = prepare<unknown, Array<SQLQueryBindings>>(handle, text)
    return (...values: Array<SQLQueryBindings>): Effect.Effect<A, StoreError> =>
      Effect.flatMap(
        reading(() => statement.all(...values)),
        decode,
      )
  }

export const sqliteAuditStore = Layer.effect(
  AuditStore,
  Effect.map(SqliteHandle, (handle) => {
    const read = readOn(handle)
    const keys = read(
      "SELECT public_key, secret_key FROM mesh.audit_key ORDER BY created_at DESC, public_key",
      AuditRows.keys,
    )
    const meshes = read("SELECT id FROM mesh.mesh WHERE id > ? ORDER BY id LIMIT ?", AuditRows.meshes)
    const checkpoints = read(
      `SELECT mesh_id, kind, ${whole("number")}, ${text("hash")}, ${whole("total")}, ${whole("at")}, ${text("key")}, ${text("signature")}
        FROM mesh.audit_checkpoint WHERE mesh_id = ? AND kind IN ('head', 'removed') ORDER BY number, kind`,
      AuditRows.checkpoints,
    )
    const blocks = read(
      `SELECT ${seqOf("key")} AS cursor, ? AS mesh_id, ${whole("number")}, lower(hex(previous)) AS previous, lower(hex(hash)) AS hash,
          ${whole("at")}, ${whole("total")}, ${text("actors")}, ${text("events")}
        FROM mesh.audit_block WHERE key > ${messageKey(meshNumber, "?")} AND key < ${messageKey(`(${meshNumber} + 1)`, "0")} ORDER BY key LIMIT ?`,
      AuditRows.blocks,
    )
    const rotations = read(
      "SELECT key, next, at, signature FROM mesh.audit_rotation ORDER BY at, key",
      AuditRows.rotations,
    )
    const addRotation = prepare<never, [string, string, number, string]>(
      handle,
      "INSERT INTO mesh.audit_rotation VALUES (?, ?, ?, ?)",
    )
    const eraseKey = prepare<never, [string]>(handle, "UPDATE mesh.audit_key SET secret_key = '' WHERE public_key = ?")
    const addKey = prepare<never, [string, string, number]>(handle, "INSERT INTO mesh.audit_key VALUES (?, ?, ?)")

    return AuditStore.of({
      keys: Effect.suspend(() => keys()),
      addKey: ({ publicKey, secretKey }, nowMillis) =>
        inTransaction(handle, () => void addKey.run(publicKey, secretKey, nowMillis)),
      rotations: Effect.suspend(() => rotations()),
      rotateKey: ({ publicKey, secretKey }, { atMillis, key, next, signature }) =>
        inTransaction(handle, () => {
          addRotation.run(key, next, atMillis, signature)
          addKey.run(publicKey, secretKey, atMillis)
          eraseKey.run(key)
        }),
      meshes: (after, limit) => meshes(after, limit),
      ...placesOn(handle),
      addCheckpoints: addCheckpointsOn(handle),
      checkpoints: (mesh) => checkpoints(mesh),
      blocks: (mesh, after, limit) => blocks(mesh, mesh, after, mesh, limit),
    })
  }),
)

const placesOn = (handle: Handle): Pick<AuditStore["Service"], "lastBlocks" | "unsignedHeads" | "removable"> => {
  const read = readOn(handle)
  const last = read(
    `SELECT ? AS mesh_id, o.number, o.hash, o.total FROM (${headOf(meshNumber)}) AS o`,
    AuditRows.places,
  )
  const head = read(
    `SELECT ? AS mesh_id, o.number, o.hash, o.total FROM (${headOf(meshNumber)}) AS o WHERE NOT EXISTS (SELECT 1 FROM mesh.audit_checkpoint c
      WHERE c.mesh_id = ? AND c.kind = 'head' AND c.number = o.number)`,
    AuditRows.places,
  )
  // Beside a max() stand the columns of its row.
  const removable = read(
    `SELECT o.mesh_id, max(o.number) AS number, lower(hex(o.hash)) AS hash, o.total
      FROM (SELECT a.mesh_id, j.number, j.hash, j.total FROM mesh.audit_block j
        JOIN mesh.address a ON a.number = ${meshNumberOf("j.key")}
        WHERE j.at <= ? AND EXISTS (SELECT 1 FROM mesh.audit_block n
          WHERE n.key > j.key AND n.key < ${messageKey(`(${meshNumberOf("j.key")} + 1)`, "0")})
        ORDER BY j.at LIMIT ?) AS o
      WHERE NOT EXISTS (SELECT 1 FROM mesh.audit_checkpoint c
        WHERE c.mesh_id = o.mesh_id AND c.kind = 'removed' AND c.number >= o.number)
      GROUP BY o.mesh_id`,
    AuditRows.places,
  )
  return {
    lastBlocks: (asked) =>
      Effect.map(
        Effect.forEach(asked, (mesh) => last(mesh, mesh, mesh)),
        (found) => found.flat(),
      ),
    unsignedHeads: (asked) =>
      Effect.map(
        Effect.forEach(asked, (mesh) => head(mesh, mesh, mesh, mesh)),
        (found) => found.flat(),
      ),
    removable: (beforeMillis, rowsMax) => removable(beforeMillis, rowsMax),
  }
}

const addCheckpointsOn = (handle: Handle): AuditStore["Service"]["addCheckpoints"] => {
  const add = prepare<never, Array<string | number>>(
    handle,
    `INSERT INTO mesh.audit_checkpoint (mesh_id, kind, number, hash, total, at, key, signature)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  )
  const removeBefore = prepare<never, [string, number]>(
    handle,
    "DELETE FROM mesh.audit_checkpoint WHERE mesh_id = ? AND number < ?",
  )
  return (checkpoints) =>
    inTransaction(handle, () => {
      for (const { atMillis, hash, key, kind, mesh, number, signature, total } of checkpoints) {
        add.run(mesh, kind, number, hash, total, atMillis, key, signature)
        if (kind === "removed") removeBefore.run(mesh, number)
      }
    })
}
