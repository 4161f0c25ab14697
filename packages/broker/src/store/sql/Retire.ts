/**
 * What is kept no longer (I17). One step removes a bounded number of rows of each kind, so that no transaction of it
 * holds the others up; who calls it goes on while there is more.
 */
import { Effect } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import type { Retention } from "../MessageStore.ts"
import type { Transaction } from "./Transaction.ts"

export const retireWith = (sql: SqlClient.SqlClient, transaction: Transaction) => {
  /** The text goes when nobody will get it any more: its time is over, or nobody is left who has not had it. */
  const eraseTexts = (rowsMax: number, nowMillis: number) =>
    sql`UPDATE mesh.message SET ciphertext = '' WHERE id IN (
      SELECT m.id FROM mesh.message m WHERE m.ciphertext <> '' AND (m.expires_at <= ${nowMillis} OR NOT EXISTS (
        SELECT 1 FROM mesh.delivery d WHERE d.mesh_id = m.mesh_id AND d.seq = m.seq AND d.consumed_at IS NULL))
      LIMIT ${rowsMax}) RETURNING id`

  const removeMessages = (rowsMax: number, beforeMillis: number, nowMillis: number) => {
    const old = sql`SELECT id FROM mesh.message
      WHERE created_at <= ${beforeMillis} AND expires_at <= ${nowMillis} ORDER BY id LIMIT ${rowsMax}`
    return Effect.andThen(
      sql`DELETE FROM mesh.delivery WHERE EXISTS (
        SELECT 1 FROM mesh.message m WHERE m.mesh_id = delivery.mesh_id AND m.seq = delivery.seq AND m.id IN (${old}))`,
      sql`DELETE FROM mesh.message WHERE id IN (${old}) RETURNING id`,
    )
  }

  const removeSessions = (rowsMax: number, beforeMillis: number) => {
    const old = sql`SELECT s.mesh_id, s.member_id, s.session_id FROM mesh.session s
      WHERE s.detached_at <= ${beforeMillis} ORDER BY s.mesh_id, s.member_id, s.session_id LIMIT ${rowsMax}`
    return Effect.andThen(
      sql`DELETE FROM mesh.channel_subscription WHERE (mesh_id, member_id, session_id) IN (${old})`,
      sql`DELETE FROM mesh.session WHERE (mesh_id, member_id, session_id) IN (${old}) RETURNING session_id`,
    )
  }

  /** The newest row of a mesh carries its sequence: it stays however old it is. */
  const removeAudit = (rowsMax: number, beforeMillis: number) =>
    sql`DELETE FROM mesh.audit_log WHERE (mesh_id, seq) IN (
      SELECT a.mesh_id, a.seq FROM mesh.audit_log a WHERE a.at <= ${beforeMillis}
        AND a.seq < (SELECT max(newest.seq) FROM mesh.audit_log newest WHERE newest.mesh_id = a.mesh_id)
      LIMIT ${rowsMax}) RETURNING seq`

  return (retention: Retention, rowsMax: number, nowMillis: number) =>
    transaction(
      Effect.gen(function* () {
        const removed = [
          yield* eraseTexts(rowsMax, nowMillis),
          yield* removeMessages(rowsMax, nowMillis - retention.messageRowMillis, nowMillis),
          yield* removeSessions(rowsMax, nowMillis - retention.sessionMillis),
          yield* removeAudit(rowsMax, nowMillis - retention.auditMillis),
        ]
        return removed.some((rows) => rows.length >= rowsMax) ? ("more" as const) : ("done" as const)
      }),
    )
}
