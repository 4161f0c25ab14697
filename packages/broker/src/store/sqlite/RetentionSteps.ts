/**
 * What is kept no longer (I17). One step removes a bounded number of rows of each kind, so that no transaction of it
 * holds the others up; who calls it goes on while there is more. Each kind is found by an index on its time: a step
 * that finds nothing reads next to nothing, however much is stored.
 */
import type { MeshId, MessageId } from "@claudemesh/domain/Ids"
import { expiredEvent } from "../AuditEvents.ts"
import type { Retention } from "../MessageStore.ts"
import { type Addresses, usedEveryMillis } from "./Addresses.ts"
import { type Handle, prepare } from "./Handle.ts"
import type { Journal } from "./Journal.ts"
import { addressOf, meshNumberOf, messageKey, seqOf, waitingKey } from "./Layout.ts"
import type { MessageIds } from "./MessageIds.ts"

type Steps = Array<{ readonly changes: number }>

export const retentionOn = (handle: Handle, addresses: Addresses, ids: MessageIds, journal: Journal) => {
  const messages = messagesOn(handle, ids, journal)
  const others = othersOn(handle, addresses)
  return (
    { auditMillis, inviteMillis, messageRowMillis, sessionMillis }: Retention,
    rowsMax: number,
    nowMillis: number,
  ) => {
    const removed = [
      ...messages(nowMillis - messageRowMillis, nowMillis, rowsMax),
      ...others(nowMillis - sessionMillis, nowMillis - auditMillis, nowMillis - inviteMillis, nowMillis, rowsMax),
    ]
    return removed.some(({ changes }) => changes >= rowsMax) ? ("more" as const) : ("done" as const)
  }
}

const messagesOn = (handle: Handle, ids: MessageIds, journal: Journal) => {
  const expired = expiredOn(handle, journal)
  // When a message's time is over nobody will get it any more: its keys go, and with the last of them the text.
  const keys = prepare<Expired, [number, number]>(
    handle,
    `UPDATE mesh.waiting SET sealed_key = NULL, ciphertext = iif(ciphertext IS NULL, NULL, '') WHERE key IN (
      SELECT key FROM mesh.waiting WHERE (ciphertext <> '' OR sealed_key IS NOT NULL) AND expires_at <= ? LIMIT ?)
      RETURNING ${addressOf("key")} AS address, ${seqOf("key")} AS seq, ciphertext IS NOT NULL AS is_whole`,
  )
  const texts = prepare<Expired, [number, number]>(
    handle,
    `UPDATE mesh.group_text SET ciphertext = '' WHERE key IN (
      SELECT key FROM mesh.group_text WHERE ciphertext <> '' AND expires_at <= ? LIMIT ?)
      RETURNING ${meshNumberOf("key")} AS address, ${seqOf("key")} AS seq, true AS is_whole`,
  )
  const old = `SELECT key, priority, recipients FROM mesh.accepted
    WHERE created_at <= ? AND expires_at <= ? ORDER BY created_at LIMIT ?`
  // Where it was sent to, and, if it was moved since, at its member's.
  const deliveriesOf = (message: string): string => `json_each(${message}.recipients) r
    CROSS JOIN mesh.address i ON i.number = r.value CROSS JOIN mesh.waiting w ON w.key IN (
      ${waitingKey("i.number", `${message}.priority`, seqOf(`${message}.key`))},
      ${waitingKey("coalesce(i.own, i.number)", `${message}.priority`, seqOf(`${message}.key`))})`
  const acks = prepare<never, [number, number, number, number]>(
    handle,
    `DELETE FROM mesh.consumed WHERE (message, address) IN (
      SELECT c.message, c.address FROM (${old}) AS o CROSS JOIN mesh.consumed c WHERE c.message = o.key LIMIT ?)`,
  )
  // A message with many deliveries is removed in several steps, and its own row in the last of them.
  const deliveries = prepare<never, [number, number, number, number]>(
    handle,
    `DELETE FROM mesh.waiting WHERE key IN (
      SELECT w.key FROM (${old}) AS o CROSS JOIN ${deliveriesOf("o")} LIMIT ?)`,
  )
  const done = `SELECT key FROM (${old}) AS o
    WHERE NOT EXISTS (SELECT 1 FROM mesh.consumed c WHERE c.message = o.key) AND NOT EXISTS (SELECT 1 FROM ${deliveriesOf("o")})`
  const groupTexts = prepare<never, [number, number, number]>(
    handle,
    `DELETE FROM mesh.group_text WHERE key IN (${done})`,
  )
  const idsOf = prepare<{ readonly id: MessageId }, [number, number, number]>(
    handle,
    `SELECT lower(hex(id)) AS id FROM mesh.accepted WHERE key IN (${done})`,
  )
  const accepted = prepare<never, [number, number, number]>(handle, `DELETE FROM mesh.accepted WHERE key IN (${done})`)

  return (before: number, now: number, rowsMax: number): Steps => {
    const erased = keys.all(now, rowsMax)
    const shared = erased.length < rowsMax ? texts.all(now, rowsMax) : []
    expired([...erased, ...shared], now)
    const steps = [
      { changes: erased.length },
      { changes: shared.length },
      acks.run(before, now, rowsMax, rowsMax),
      deliveries.run(before, now, rowsMax, rowsMax),
      groupTexts.run(before, now, rowsMax),
    ]
    for (const { id } of idsOf.all(before, now, rowsMax)) ids.remove(id)
    return [...steps, accepted.run(before, now, rowsMax)]
  }
}

/** A row of what somebody waited for still. A message is recorded where its text is: of a group once, with that. */
interface Expired {
  /** Of its inbox, or of its mesh. */
  readonly address: number
  readonly seq: number
  readonly is_whole: number
}

const expiredOn = (handle: Handle, journal: Journal) => {
  const meshOf = prepare<{ readonly mesh_id: MeshId }, [number]>(
    handle,
    "SELECT mesh_id FROM mesh.address WHERE number = ?",
  )
  return (rows: ReadonlyArray<Expired>, at: number): void => {
    const messages = new Map<MeshId, Array<number>>()
    for (const { address, is_whole, seq } of rows) {
      const meshId = is_whole === 1 ? meshOf.get(address)?.mesh_id : undefined
      if (meshId !== undefined) messages.set(meshId, [...(messages.get(meshId) ?? []), seq])
    }
    journal.begin()
    for (const [meshId, all] of messages) journal.add(meshId, { at, ...expiredEvent(all) })
    journal.write()
  }
}

/** Sessions, what happened, invites, and the numbers of sessions that nothing names any more. */
const othersOn = (handle: Handle, addresses: Addresses) => {
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
  // The newest block of a mesh carries its sequence: it stays however old it is. Any other goes once it is signed as removed.
  const ofMesh = `${messageKey(`(${meshNumberOf("j.key")} + 1)`, "0")}`
  const blocks = prepare<never, [number, number]>(
    handle,
    `DELETE FROM mesh.audit_block WHERE key IN (
      SELECT j.key FROM mesh.audit_block j WHERE j.at <= ?
      AND EXISTS (SELECT 1 FROM mesh.audit_block n WHERE n.key > j.key AND n.key < ${ofMesh})
      AND EXISTS (SELECT 1 FROM mesh.address a
        JOIN mesh.audit_checkpoint c ON c.mesh_id = a.mesh_id AND c.kind = 'removed' AND c.number >= j.number
        WHERE a.number = ${meshNumberOf("j.key")})
      ORDER BY j.at LIMIT ?)`,
  )
  // From before there was a chain. Where no block has come since, its newest row is the one that carries the sequence.
  const journal = prepare<never, [number, number]>(
    handle,
    `DELETE FROM mesh.journal WHERE key IN (
      SELECT j.key FROM mesh.journal j WHERE j.at <= ? AND (
        EXISTS (SELECT 1 FROM mesh.journal n WHERE n.key > j.key AND n.key < ${ofMesh})
        OR EXISTS (SELECT 1 FROM mesh.audit_block b
          WHERE b.key >= ${messageKey(meshNumberOf("j.key"), "0")} AND b.key < ${ofMesh}))
      ORDER BY j.at LIMIT ?)`,
  )
  // One that somebody came by is part of their proof, and stays with the member. Revocations stay for ever: they are few.
  const invites = prepare<never, [number, number]>(
    handle,
    `DELETE FROM mesh.invite WHERE (mesh_id, public_key) IN (
      SELECT i.mesh_id, i.public_key FROM mesh.invite i WHERE i.used = 0 AND i.expires_millis <= ?
      ORDER BY i.expires_millis LIMIT ?)`,
  )
  // Whatever names an address is of a message that is no older than the oldest, and was written down as used a day late at most.
  const numbers = prepare<never, [now: number, unused: number, rowsMax: number]>(
    handle,
    `DELETE FROM mesh.address WHERE number IN (SELECT number FROM mesh.address
      WHERE session_id <> '' AND used_at < coalesce((SELECT min(created_at) FROM mesh.accepted), ?) - ?
      ORDER BY used_at LIMIT ?)`,
  )

  return (sessionsBefore: number, auditBefore: number, invitesBefore: number, now: number, rowsMax: number): Steps => {
    const unused = numbers.run(now, usedEveryMillis, rowsMax)
    if (unused.changes > 0) addresses.forget()
    return [
      unused,
      subscriptions.run(sessionsBefore, rowsMax, rowsMax),
      sessions.run(sessionsBefore, rowsMax),
      blocks.run(auditBefore, rowsMax),
      journal.run(auditBefore, rowsMax),
      invites.run(invitesBefore, rowsMax),
    ]
  }
}
