/** What becomes of deliveries, as statements of a batch: leased, consumed, or moved from a session's inbox to its member's. */
import type { MeshId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import type { Write } from "../MessageStore.ts"
import { consumeColumns, leaseColumns } from "../sql/Columns.ts"
import { records } from "../sql/Dialect.ts"
import * as Rows from "../sql/Rows.ts"
import { sessionKeyOf } from "./SessionWrites.ts"

/** What is accepted later in the batch has a higher sequence number, and is not moved. */
interface Moved {
  readonly write: Extract<Write, { readonly _tag: "InboxMoved" }>
  readonly belowSeq: number
}

export const movesOf = (batch: ReadonlyArray<Write>): ReadonlyArray<Moved> => {
  const moves: Array<Moved> = []
  const lowestLater = new Map<MeshId, number>()
  for (const write of batch.toReversed()) {
    if (write._tag === "Accept") {
      const { meshId, seq } = write.message
      lowestLater.set(meshId, Math.min(seq, lowestLater.get(meshId) ?? seq))
    } else if (write._tag === "InboxMoved") {
      moves.push({ write, belowSeq: lowestLater.get(write.meshId) ?? Number.MAX_SAFE_INTEGER })
    }
  }
  return moves
}

export const isOfLease = (write: Write): write is Extract<Write, { readonly _tag: "Lease" | "Release" }> =>
  write._tag === "Lease" || write._tag === "Release"

export const consume = (
  sql: SqlClient.SqlClient,
  values: ReadonlyArray<Extract<Write, { readonly _tag: "Consume" }>>,
) =>
  sql`UPDATE mesh.delivery SET consumed_at = r.at, sealed_key = NULL
    FROM ${records(
      sql,
      values.map((one) => ({
        mesh_id: one.meshId,
        seq: one.seq,
        member_id: one.inbox.memberId,
        session_id: Rows.sessionColumn(one.inbox),
        at: one.atMillis,
      })),
      consumeColumns,
    )}
    WHERE delivery.mesh_id = r.mesh_id AND delivery.seq = r.seq AND delivery.member_id = r.member_id
      AND delivery.session_id = r.session_id AND delivery.consumed_at IS NULL`

/** Leased at a time, or no more: what was said last of each delivery. */
export const lastWords = (values: ReadonlyArray<Extract<Write, { readonly _tag: "Lease" | "Release" }>>) => {
  const last = new Map(
    values.flatMap((one) =>
      one.deliveries.map(({ inbox, seq }) => {
        const session = Rows.sessionColumn(inbox)
        const at = one._tag === "Lease" ? one.atMillis : null
        const row = { mesh_id: one.meshId, seq, member_id: inbox.memberId, session_id: session, at }
        return [`${Rows.seqKey(one.meshId, seq)}/${inbox.memberId}/${session}`, row] as const
      }),
    ),
  )
  return [...last.values()]
}

/** A mark that is for good stays. */
export const lease = (
  sql: SqlClient.SqlClient,
  values: ReadonlyArray<Extract<Write, { readonly _tag: "Lease" | "Release" }>>,
) =>
  sql`UPDATE mesh.delivery SET leased_at = r.at FROM ${records(sql, lastWords(values), leaseColumns)}
    WHERE delivery.mesh_id = r.mesh_id AND delivery.seq = r.seq AND delivery.member_id = r.member_id
      AND delivery.session_id = r.session_id AND delivery.consumed_at IS NULL
      AND (delivery.leased_at IS NULL OR delivery.leased_at <> ${Rows.leasedForGood})`

/** With its last recipient a message's ciphertext goes; what is left is its metadata. */
export const eraseConsumed = (
  sql: SqlClient.SqlClient,
  messages: ReadonlyArray<Readonly<{ meshId: MeshId; seq: number }>>,
) => {
  // A group message is consumed by many in one batch: it is looked at once.
  const once = new Map(messages.map(({ meshId, seq }) => [Rows.seqKey(meshId, seq), { mesh_id: meshId, seq }]))
  return sql`UPDATE mesh.message SET ciphertext = ''
    FROM ${records(sql, [...once.values()], { mesh_id: "text", seq: "bigint" })}
    WHERE message.mesh_id = r.mesh_id AND message.seq = r.seq AND NOT EXISTS (
      SELECT 1 FROM mesh.delivery d WHERE d.mesh_id = r.mesh_id AND d.seq = r.seq AND d.consumed_at IS NULL)`
}

/** Moves each inbox, and gives the messages of which the member turned out to have another delivery. */
export const moveInboxes = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, values: ReadonlyArray<Moved>) {
  const moved = records(
    sql,
    values.map(({ belowSeq, write }) => ({
      ...sessionKeyOf(write),
      only_groups: write.what === "groups" ? 1 : 0,
      below: belowSeq,
    })),
    { mesh_id: "text", member_id: "text", session_id: "text", only_groups: "bigint", below: "bigint" },
  )
  const toGroup = sql.literal("(m.target_spec = '*' OR m.target_spec LIKE '#%' OR m.target_spec LIKE 'tag:%')")
  // CROSS JOIN has SQLite begin with the inboxes that move, and the sum look at them by the index of what waits.
  const moving = sql`SELECT d.mesh_id, d.seq, d.member_id, d.session_id
    FROM ${moved} CROSS JOIN mesh.delivery d CROSS JOIN mesh.message m
    WHERE d.mesh_id = r.mesh_id AND d.member_id = r.member_id AND d.session_id = r.session_id
      AND d.consumed_at IS NULL AND d.seq + 0 < r.below AND m.mesh_id = d.mesh_id AND m.seq = d.seq
      AND (r.only_groups = 0 OR ${toGroup})`
  // What the member has already: it sent it, or another of its inboxes has it. Of two that move, one stays.
  const dropped = yield* Rows.dropped(
    yield* sql`DELETE FROM mesh.delivery WHERE (mesh_id, seq, member_id, session_id) IN (${moving}
      AND ((m.sender_member_id = d.member_id AND ${toGroup}) OR EXISTS (
        SELECT 1 FROM mesh.delivery o
        WHERE o.mesh_id = d.mesh_id AND o.seq = d.seq AND o.member_id = d.member_id AND o.session_id <> d.session_id
          AND (o.consumed_at IS NOT NULL OR o.session_id < d.session_id OR NOT EXISTS (
            SELECT 1 FROM ${moved} WHERE r.mesh_id = o.mesh_id AND r.member_id = o.member_id
              AND r.session_id = o.session_id AND o.seq < r.below AND (r.only_groups = 0 OR ${toGroup}))))))
      RETURNING mesh_id, seq, member_id, leased_at`,
  )
  yield* markStaying(sql, dropped)
  yield* sql`UPDATE mesh.delivery SET session_id = ''
    WHERE (mesh_id, seq, member_id, session_id) IN (${moving})`
  return dropped
})

/** What was dropped may have been shown: so may what its member has instead, whatever becomes of a lease of that one. */
const markStaying = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, dropped: ReadonlyArray<Rows.Dropped>) {
  const marks = dropped.flatMap(({ leasedAtMillis, memberId, meshId, seq }) =>
    leasedAtMillis === null ? [] : [{ mesh_id: meshId, seq, member_id: memberId }],
  )
  if (marks.length === 0) return
  yield* sql`UPDATE mesh.delivery SET leased_at = ${Rows.leasedForGood} FROM ${records(sql, marks, {
    mesh_id: "text",
    seq: "bigint",
    member_id: "text",
  })}
    WHERE delivery.mesh_id = r.mesh_id AND delivery.seq = r.seq AND delivery.member_id = r.member_id
      AND delivery.consumed_at IS NULL`
})
