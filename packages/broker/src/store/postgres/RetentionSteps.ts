/**
 * What is kept no longer (I17). One step removes a bounded number of rows of each kind, so that no transaction of it
 * holds the others up; who calls it goes on while there is more. Each kind is found by an index on its time: a step
 * that finds nothing reads next to nothing, however much is stored. What somebody is writing just now stays for the next
 * sweep: a step waits for nobody, so no batch can be in a deadlock with it.
 */
import { Effect } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import type { Retention } from "../MessageStore.ts"
import { passingBy } from "../sql/Dialect.ts"
import type { Transaction } from "./Transaction.ts"

export const retentionWith =
  (sql: SqlClient.SqlClient, transaction: Transaction) => (retention: Retention, rowsMax: number, nowMillis: number) =>
    transaction(
      Effect.gen(function* () {
        const removed = [
          ...(yield* eraseTexts(sql, rowsMax, nowMillis)),
          ...(yield* removeMessages(sql, rowsMax, nowMillis - retention.messageRowMillis, nowMillis)),
          ...(yield* removeSessions(sql, rowsMax, nowMillis - retention.sessionMillis)),
          yield* removeAudit(sql, rowsMax, nowMillis - retention.auditMillis),
          yield* removeInvites(sql, rowsMax, nowMillis - retention.inviteMillis),
        ]
        return removed.some((rows) => rows.length >= rowsMax) ? ("more" as const) : ("done" as const)
      }),
    )

/** When a message's time is over nobody will get it any more: its keys go, and with the last of them the text. */
const eraseTexts = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, rowsMax: number, nowMillis: number) {
  const expired = sql`m.ciphertext <> '' AND m.expires_at <= ${nowMillis}`
  const keys = yield* sql`UPDATE mesh.delivery SET sealed_key = NULL
    WHERE (mesh_id, seq, member_id, session_id) IN (
      SELECT d.mesh_id, d.seq, d.member_id, d.session_id
      FROM mesh.message m CROSS JOIN mesh.delivery d
      WHERE ${expired} AND d.mesh_id = m.mesh_id AND d.seq = m.seq AND d.sealed_key IS NOT NULL
      LIMIT ${rowsMax} ${passingBy(sql, "d")}) RETURNING seq`
  const texts = yield* sql`UPDATE mesh.message SET ciphertext = '' WHERE (mesh_id, seq) IN (
    SELECT m.mesh_id, m.seq FROM mesh.message m WHERE ${expired} AND NOT EXISTS (
      SELECT 1 FROM mesh.delivery d WHERE d.mesh_id = m.mesh_id AND d.seq = m.seq AND d.sealed_key IS NOT NULL)
    LIMIT ${rowsMax} ${passingBy(sql, "m")}) RETURNING seq`
  return [keys, texts]
})

/** A message with many deliveries is removed in several steps, and its own row in the last of them. */
const removeMessages = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  rowsMax: number,
  beforeMillis: number,
  nowMillis: number,
) {
  const old = sql`SELECT m.mesh_id, m.seq FROM mesh.message m
    WHERE m.created_at <= ${beforeMillis} AND m.expires_at <= ${nowMillis} ORDER BY m.created_at LIMIT ${rowsMax}`
  const deliveries = yield* sql`DELETE FROM mesh.delivery WHERE (mesh_id, seq, member_id, session_id) IN (
    SELECT d.mesh_id, d.seq, d.member_id, d.session_id
    FROM (${old}) AS o CROSS JOIN mesh.delivery d WHERE d.mesh_id = o.mesh_id AND d.seq = o.seq
    LIMIT ${rowsMax} ${passingBy(sql, "d")}) RETURNING seq`
  const messages =
    yield* sql`DELETE FROM mesh.message WHERE (mesh_id, seq) IN (${old} ${passingBy(sql, "m")}) AND NOT EXISTS (
    SELECT 1 FROM mesh.delivery d WHERE d.mesh_id = message.mesh_id AND d.seq = message.seq) RETURNING seq`
  return [deliveries, messages]
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

/** The newest row of a mesh carries its sequence: it stays however old it is. */
const removeAudit = (sql: SqlClient.SqlClient, rowsMax: number, beforeMillis: number) =>
  sql`DELETE FROM mesh.audit_log WHERE (mesh_id, seq) IN (
    SELECT a.mesh_id, a.seq FROM mesh.audit_log a WHERE a.at <= ${beforeMillis}
      AND a.seq < (SELECT max(newest.seq) FROM mesh.audit_log newest WHERE newest.mesh_id = a.mesh_id)
    ORDER BY a.at LIMIT ${rowsMax} ${passingBy(sql, "a")}) RETURNING seq`

/** One that somebody came by is part of their proof, and stays with the member. Revocations stay for ever: they are few. */
const removeInvites = (sql: SqlClient.SqlClient, rowsMax: number, beforeMillis: number) =>
  sql`DELETE FROM mesh.invite WHERE (mesh_id, public_key) IN (
    SELECT i.mesh_id, i.public_key FROM mesh.invite i WHERE i.used = 0 AND i.expires_millis <= ${beforeMillis}
    ORDER BY i.expires_millis LIMIT ${rowsMax} ${passingBy(sql, "i")}) RETURNING public_key`
