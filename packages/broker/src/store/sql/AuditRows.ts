/** Rows of the audit, decoded. */
import { Effect, Schema } from "effect"
import type { Checkpoint } from "@claudemesh/domain/audit/Checkpoint"
import type { KeyRotation } from "@claudemesh/domain/audit/KeyRotation"
import type { ChainPlace, StoredAuditKey, StoredBlock } from "../AuditStore.ts"
import { Int8 } from "./Tables.ts"

const decoder = <Row extends Schema.Decoder<unknown>>(row: Row) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(row))
  return (rows: unknown) => Effect.orDie(decode(rows))
}

const place = { mesh_id: Schema.String, number: Int8, hash: Schema.String, total: Int8 }

const decodePlaces = decoder(Schema.Struct(place))

export const places = (rows: unknown): Effect.Effect<ReadonlyArray<ChainPlace>> =>
  Effect.map(decodePlaces(rows), (found) => found.map(({ mesh_id, ...row }) => ({ mesh: mesh_id, ...row })))

const decodeKeys = decoder(Schema.Struct({ public_key: Schema.String, secret_key: Schema.String }))

export const keys = (rows: unknown): Effect.Effect<ReadonlyArray<StoredAuditKey>> =>
  Effect.map(decodeKeys(rows), (found) =>
    found.map(({ public_key, secret_key }) => ({ publicKey: public_key, secretKey: secret_key })),
  )

const decodeRotations = decoder(
  Schema.Struct({ key: Schema.String, next: Schema.String, at: Int8, signature: Schema.String }),
)

export const rotations = (rows: unknown): Effect.Effect<ReadonlyArray<KeyRotation>> =>
  Effect.map(decodeRotations(rows), (found) => found.map(({ at, ...row }) => ({ ...row, atMillis: at })))

const decodeMeshes = decoder(Schema.Struct({ id: Schema.String }))

export const meshes = (rows: unknown): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(decodeMeshes(rows), (found) => found.map(({ id }) => id))

const decodeCheckpoints = decoder(
  Schema.Struct({
    ...place,
    kind: Schema.Literals(["head", "removed"]),
    at: Int8,
    key: Schema.String,
    signature: Schema.String,
  }),
)

export const checkpoints = (rows: unknown): Effect.Effect<ReadonlyArray<Checkpoint>> =>
  Effect.map(decodeCheckpoints(rows), (found) =>
    found.map(({ at, hash, key, kind, mesh_id, number, signature, total }) => ({
      mesh: mesh_id,
      kind,
      number,
      hash,
      total,
      atMillis: at,
      key,
      signature,
    })),
  )

const decodeBlocks = decoder(
  Schema.Struct({
    cursor: Int8,
    ...place,
    previous: Schema.String,
    at: Int8,
    actors: Schema.String,
    events: Schema.String,
  }),
)

export const blocks = (rows: unknown): Effect.Effect<ReadonlyArray<StoredBlock>> =>
  Effect.map(decodeBlocks(rows), (found) =>
    found.map(({ actors, at, cursor, events, hash, mesh_id, number, previous, total }) => ({
      cursor,
      block: { mesh: mesh_id, number, previous, hash, atMillis: at, total, actors, events },
    })),
  )
