/**
 * What is kept no longer (I17). One step removes a bounded number of rows of each kind, so that no transaction of it
 * holds the others up; who calls it goes on while there is more. Each kind is found by an index on its time: a step
 * that finds nothing reads next to nothing, however much is stored. What somebody is writing just now stays for the next
 * sweep: a step waits for nobody, so no batch can be in a deadlock with it.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import type { Retention } from "../MessageStore.ts"
import { expiredEvent } from "../AuditEvents.ts"
import { meshLocks, passingBy } from "../sql/Dialect.ts"
import * as Rows from "../sql/Rows.ts"
import { lowering } from "./Acking.ts"
import { Arrays } from "./Arrays.ts"
import { journalEntries } from "./Journal.ts"
import type { Transaction } from "./Transaction.ts"

export const retentionWith =
  (sql: SqlClient.SqlClient, transaction: Transaction) => (retention: Retention, rowsMax: number, nowMillis: number) =>
    transaction(
      Effect.gen(function* () {
        const messagesBefore = nowMillis - retention.messageRowMillis
        const removed = [
          ...(yield* eraseTexts(sql, rowsMax, nowMillis)),
          ...(yield* removeMessages(sql, rowsMax, messagesBefore, nowMillis)),
          ...(yield* removeSessions(sql, rowsMax, nowMillis - retention.sessionMillis)),
          ...(yield* removeAudit(sql, rowsMax, nowMillis - retention.auditMillis)),
          yield* removeInvites(sql, rowsMax, nowMillis - retention.inviteMillis),
        ]
        return removed.some((rows) => rows.length >= rowsMax) ? ("more" as const) : ("done" as const)
      }),
    )

/**
 * When a message's time is over nobody will get it any more: it waits no more, and with the last of those its shared text goes. That it expired is
 * recorded, so a mesh whose owner is writing just now is passed by: it would have to wait for that.
 */
const eraseTexts = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, rowsMax: number, nowMillis: number) {
  const meshes = yield* Rows.meshIds(
    yield* sql.unsafe(
      `WITH over AS MATERIALIZED (
          SELECT mesh_id FROM (SELECT mesh_id FROM mesh.waiting WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) w
          UNION SELECT mesh_id FROM (SELECT mesh_id FROM mesh.group_text WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) t)
        SELECT mesh_id FROM over WHERE pg_try_advisory_xact_lock(hashtextextended(mesh_id, ${meshLocks}))`,
      [nowMillis, rowsMax],
    ),
  )
  if (meshes.length === 0) return []
  const arrays = new Arrays()
  const free = arrays.texts(meshes)
  const waiting = yield* Rows.expired(
    yield* sql.unsafe(
      `WITH gone AS (DELETE FROM mesh.waiting WHERE ctid = ANY (ARRAY(
          SELECT ctid FROM mesh.waiting WHERE expires_at <= ${arrays.number(nowMillis)} AND mesh_id = ANY (${free})
          ORDER BY expires_at LIMIT ${arrays.number(rowsMax)} FOR UPDATE SKIP LOCKED))
        RETURNING mesh_id, seq, ciphertext IS NULL AS is_shared), ${lowering("gone").join(",\n")}
        SELECT mesh_id, seq, CASE WHEN is_shared THEN 'part' ELSE 'whole' END AS what FROM gone
        UNION ALL SELECT mesh_id, seq, 'text' FROM ended`,
      arrays.parameters,
    ),
  )
  // Nobody waits for it now, or will be given it.
  const others = new Arrays()
  const texts = yield* Rows.expired(
    yield* sql.unsafe(
      `DELETE FROM mesh.group_text WHERE ctid = ANY (ARRAY(
        SELECT t.ctid FROM mesh.group_text t WHERE t.expires_at <= ${others.number(nowMillis)} AND t.mesh_id = ANY (${others.texts(meshes)})
          AND NOT EXISTS (SELECT 1 FROM mesh.accepted a CROSS JOIN LATERAL unnest(a.recipient_members, a.recipient_sessions) r(member_id, session_id)
            JOIN mesh.waiting w ON w.mesh_id = t.mesh_id AND w.member_id = r.member_id AND w.session_id = r.session_id
              AND w.priority = a.priority AND w.seq = t.seq WHERE a.id = t.id)
        ORDER BY t.expires_at LIMIT ${others.number(rowsMax)} FOR UPDATE SKIP LOCKED)) RETURNING mesh_id, seq, 'text' AS what`,
      others.parameters,
    ),
  )
  yield* recordExpired(sql, [...waiting, ...texts], nowMillis)
  return [waiting.filter(({ what }) => what !== "text"), texts]
})

/** A message is recorded where its text is: of a group once, with that. */
const recordExpired = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  rows: ReadonlyArray<Rows.Expired>,
  atMillis: number,
) {
  const messages = new Map<MeshId, Array<number>>()
  for (const { meshId, seq, what } of rows)
    if (what !== "part") messages.set(meshId, [...(messages.get(meshId) ?? []), seq])
  const entries = [...messages].map(([meshId, seqs]) => ({
    meshId,
    memberId: undefined,
    atMillis,
    ...expiredEvent(seqs),
  }))
  if (entries.length > 0) yield* journalEntries(sql, entries)
})

/** What a resend is told, once nobody may send it again, and the receipts of that time. */
const removeMessages = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  rowsMax: number,
  beforeMillis: number,
  nowMillis: number,
) {
  const messages = yield* sql`DELETE FROM mesh.accepted WHERE ctid = ANY (ARRAY(
    SELECT a.ctid FROM mesh.accepted a WHERE a.created_at <= ${beforeMillis} AND a.expires_at <= ${nowMillis}
      AND NOT EXISTS (SELECT 1 FROM unnest(a.recipient_members, a.recipient_sessions) r(member_id, session_id)
        JOIN mesh.waiting w ON w.mesh_id = a.mesh_id AND w.member_id = r.member_id AND w.session_id = r.session_id
          AND w.priority = a.priority AND w.seq = a.seq)
    ORDER BY a.created_at LIMIT ${rowsMax} FOR UPDATE OF a SKIP LOCKED)) RETURNING seq`
  // An ack is younger than its message.
  const receipts = yield* sql`DELETE FROM mesh.consumed WHERE ctid = ANY (ARRAY(
    SELECT p.ctid FROM mesh.consumed p WHERE p.at <= ${beforeMillis} AND p.expires_at <= ${nowMillis}
    ORDER BY p.at LIMIT ${rowsMax} FOR UPDATE SKIP LOCKED)) RETURNING bucket`
  return [messages, receipts]
})

const removeSessions = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, rowsMax: number, beforeMillis: number) {
  const old = sql`SELECT s.mesh_id, s.member_id, s.session_id FROM mesh.session s
    WHERE s.detached_at <= ${beforeMillis} ORDER BY s.detached_at LIMIT ${rowsMax}`
  const subscriptions = yield* sql`DELETE FROM mesh.channel_subscription
    WHERE (mesh_id, member_id, session_id, channel) IN (
      SELECT c.mesh_id, c.member_id, c.session_id, c.channel
      FROM (${old}) AS o CROSS JOIN mesh.channel_subscription c
      WHERE c.mesh_id = o.mesh_id AND c.member_id = o.member_id AND c.session_id = o.session_id
      LIMIT ${rowsMax} ${passingBy(sql, "c")}) RETURNING channel`
  const sessions = yield* sql`DELETE FROM mesh.session
    WHERE (mesh_id, member_id, session_id) IN (${old} ${passingBy(sql, "s")}) AND NOT EXISTS (
      SELECT 1 FROM mesh.channel_subscription c WHERE c.mesh_id = session.mesh_id
        AND c.member_id = session.member_id AND c.session_id = session.session_id) RETURNING session_id`
  return [subscriptions, sessions]
})

/** Of blocks what was signed as removed, and of what such a word covers no checkpoint says anything any more; and rows from before there was a chain. */
const removeAudit = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, rowsMax: number, beforeMillis: number) {
  const blocks = yield* sql`DELETE FROM mesh.audit_block WHERE ctid = ANY (ARRAY(
    SELECT b.ctid FROM mesh.audit_block b WHERE b.at <= ${beforeMillis} AND EXISTS (
      SELECT 1 FROM mesh.audit_checkpoint c WHERE c.mesh_id = b.mesh_id AND c.kind = 'removed' AND c.number >= b.number)
    ORDER BY b.at LIMIT ${rowsMax} FOR UPDATE OF b SKIP LOCKED)) RETURNING number`
  const unchained = yield* sql`DELETE FROM mesh.journal WHERE ctid = ANY (ARRAY(
    SELECT j.ctid FROM mesh.journal j WHERE j.at <= ${beforeMillis} ORDER BY j.at LIMIT ${rowsMax} FOR UPDATE OF j SKIP LOCKED)) RETURNING last_seq`
  return [blocks, unchained]
})

/** One that somebody came by is part of their proof, and stays with the member. Revocations stay for ever: they are few. */
const removeInvites = (sql: SqlClient.SqlClient, rowsMax: number, beforeMillis: number) =>
  sql`DELETE FROM mesh.invite WHERE (mesh_id, public_key) IN (
    SELECT i.mesh_id, i.public_key FROM mesh.invite i WHERE i.used = 0 AND i.expires_millis <= ${beforeMillis}
    ORDER BY i.expires_millis LIMIT ${rowsMax} ${passingBy(sql, "i")}) RETURNING public_key`
