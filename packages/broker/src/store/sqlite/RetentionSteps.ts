/**
 * What is kept no longer (I17). One step removes a bounded number of rows of each kind, so that no transaction of it
 * holds the others up; who calls it goes on while there is more. Each kind is found by an index on its time: a step
 * that finds nothing reads next to nothing, however much is stored.
 */
import type { Retention } from "../MessageStore.ts"
import { prepare, type SqliteHandle } from "./Handle.ts"

export const retentionOn = (handle: SqliteHandle["Service"]) => {
  const expired = "m.ciphertext <> '' AND m.expires_at <= ?"
  // When a message's time is over nobody will get it any more: its keys go, and with the last of them the text.
  const keys = prepare<never, [number, number]>(
    handle,
    `UPDATE mesh.delivery SET sealed_key = NULL WHERE (mesh_id, seq, member_id, session_id) IN (
      SELECT d.mesh_id, d.seq, d.member_id, d.session_id FROM mesh.message m CROSS JOIN mesh.delivery d
      WHERE ${expired} AND d.mesh_id = m.mesh_id AND d.seq = m.seq AND d.sealed_key IS NOT NULL LIMIT ?)`,
  )
  const texts = prepare<never, [number, number]>(
    handle,
    `UPDATE mesh.message SET ciphertext = '' WHERE (mesh_id, seq) IN (
      SELECT m.mesh_id, m.seq FROM mesh.message m WHERE ${expired} AND NOT EXISTS (
        SELECT 1 FROM mesh.delivery d WHERE d.mesh_id = m.mesh_id AND d.seq = m.seq AND d.sealed_key IS NOT NULL) LIMIT ?)`,
  )
  const old = `SELECT m.mesh_id, m.seq FROM mesh.message m
    WHERE m.created_at <= ? AND m.expires_at <= ? ORDER BY m.created_at LIMIT ?`
  // A message with many deliveries is removed in several steps, and its own row in the last of them.
  const deliveries = prepare<never, [number, number, number, number]>(
    handle,
    `DELETE FROM mesh.delivery WHERE (mesh_id, seq, member_id, session_id) IN (
      SELECT d.mesh_id, d.seq, d.member_id, d.session_id
      FROM (${old}) AS o CROSS JOIN mesh.delivery d WHERE d.mesh_id = o.mesh_id AND d.seq = o.seq LIMIT ?)`,
  )
  const messages = prepare<never, [number, number, number]>(
    handle,
    `DELETE FROM mesh.message WHERE (mesh_id, seq) IN (${old}) AND NOT EXISTS (
      SELECT 1 FROM mesh.delivery d WHERE d.mesh_id = message.mesh_id AND d.seq = message.seq)`,
  )
  const others = othersOn(handle)

  return ({ auditMillis, inviteMillis, messageRowMillis, sessionMillis }: Retention, rowsMax: number, now: number) => {
    const before = now - messageRowMillis
    const removed = [
      keys.run(now, rowsMax),
      texts.run(now, rowsMax),
      deliveries.run(before, now, rowsMax, rowsMax),
      messages.run(before, now, rowsMax),
      ...others(now - sessionMillis, now - auditMillis, now - inviteMillis, rowsMax),
    ]
    return removed.some(({ changes }) => changes >= rowsMax) ? ("more" as const) : ("done" as const)
  }
}

/** Sessions, what happened, and invites. */
const othersOn = (handle: SqliteHandle["Service"]) => {
  const away = `SELECT s.mesh_id, s.member_id, s.session_id FROM mesh.session s
    WHERE s.detached_at <= ? ORDER BY s.detached_at LIMIT ?`
  const subscriptions = prepare<never, [number, number, number]>(
    handle,
    `DELETE FROM mesh.channel_subscription WHERE (mesh_id, member_id, session_id, channel) IN (
      SELECT c.mesh_id, c.member_id, c.session_id, c.channel FROM (${away}) AS o CROSS JOIN mesh.channel_subscription c
      WHERE c.mesh_id = o.mesh_id AND c.member_id = o.member_id AND c.session_id = o.session_id LIMIT ?)`,
  )
  const sessions = prepare<never, [number, number]>(
    handle,
    `DELETE FROM mesh.session WHERE (mesh_id, member_id, session_id) IN (${away}) AND NOT EXISTS (
      SELECT 1 FROM mesh.channel_subscription c WHERE c.mesh_id = session.mesh_id
        AND c.member_id = session.member_id AND c.session_id = session.session_id)`,
  )
  // The newest row of a mesh carries its sequence: it stays however old it is.
  const audit = prepare<never, [number, number]>(
    handle,
    `DELETE FROM mesh.audit_log WHERE (mesh_id, seq) IN (
      SELECT a.mesh_id, a.seq FROM mesh.audit_log a WHERE a.at <= ?
        AND a.seq < (SELECT max(newest.seq) FROM mesh.audit_log newest WHERE newest.mesh_id = a.mesh_id)
      ORDER BY a.at LIMIT ?)`,
  )
  // One that somebody came by is part of their proof, and stays with the member. Revocations stay for ever: they are few.
  const invites = prepare<never, [number, number]>(
    handle,
    `DELETE FROM mesh.invite WHERE (mesh_id, public_key) IN (
      SELECT i.mesh_id, i.public_key FROM mesh.invite i WHERE i.used = 0 AND i.expires_millis <= ?
      ORDER BY i.expires_millis LIMIT ?)`,
  )

  return (sessionsBefore: number, auditBefore: number, invitesBefore: number, rowsMax: number) => [
    subscriptions.run(sessionsBefore, rowsMax, rowsMax),
    sessions.run(sessionsBefore, rowsMax),
    audit.run(auditBefore, rowsMax),
    invites.run(invitesBefore, rowsMax),
  ]
}
