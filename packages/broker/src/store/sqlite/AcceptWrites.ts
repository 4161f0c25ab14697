/** What is accepted: messages whose id is new, each with its deliveries and its audit row (I6, I7). */
import type { MessageId } from "@claudemesh/domain/Ids"
import { type Write, Written } from "../MessageStore.ts"
import * as Rows from "../sql/Rows.ts"
import type { AuditWrites } from "./AuditWrites.ts"
import { prepare, type SqliteHandle } from "./Handle.ts"
import { type ReportRow, reportOf } from "./Reports.ts"

export type Accept = Extract<Write, { readonly _tag: "Accept" }>

type Value = string | number | null

export const acceptWritesOn = (handle: SqliteHandle["Service"], audit: AuditWrites) => {
  const insertMessage = prepare<never, Array<Value>>(
    handle,
    `INSERT INTO mesh.message (mesh_id, seq, id, sender_member_id, sender_session_id, target_spec, priority, nonce, ciphertext,
      reply_to, content_hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
  )
  const insertDelivery = prepare<never, Array<Value>>(
    handle,
    "INSERT INTO mesh.delivery (mesh_id, seq, member_id, session_id, priority, sealed_key) VALUES (?, ?, ?, ?, ?, ?)",
  )
  const first = prepare<ReportRow & { readonly content_hash: string }, [string]>(
    handle,
    `SELECT m.content_hash, m.seq, m.sender_member_id, m.priority, m.expires_at, d.member_id, d.session_id, d.consumed_at
      FROM mesh.message m LEFT JOIN mesh.delivery d ON d.mesh_id = m.mesh_id AND d.seq = m.seq WHERE m.id = ?`,
  )

  const insert = (accept: Accept): boolean => {
    const { message, recipients } = accept
    const { changes } = insertMessage.run(
      message.meshId,
      message.seq,
      message.messageId,
      message.senderMemberId,
      message.senderSession,
      message.targetSpec,
      message.priority,
      message.nonce,
      // Nobody would ever erase what nobody gets.
      recipients.length === 0 ? "" : message.ciphertext,
      message.replyTo ?? null,
      message.contentHash,
      message.createdAtMillis,
      message.expiresAtMillis,
    )
    if (changes === 0) return false
    for (const { inbox, sealedKey } of recipients) {
      const { meshId, priority, seq } = message
      insertDelivery.run(meshId, seq, inbox.memberId, Rows.sessionColumn(inbox), priority, sealedKey ?? null)
    }
    audit.accepted(accept)
    return true
  }

  const firstResult = (messageId: MessageId): Written => {
    const rows = first.all(messageId)
    const [row] = rows
    const deliveryReport = reportOf(rows)
    return row === undefined || deliveryReport === undefined
      ? Written.Done()
      : Written.Duplicate({ contentHash: row.content_hash, deliveryReport })
  }

  /** In the order of their numbers, so that of two sends with one id the first is the one that counts. */
  return (accepts: ReadonlyArray<Accept>): ReadonlyMap<Accept, Written> => {
    const known = accepts
      .toSorted((left, right) => left.message.seq - right.message.seq)
      .filter((accept) => !insert(accept))
    return new Map(known.map((accept) => [accept, firstResult(accept.message.messageId)]))
  }
}
