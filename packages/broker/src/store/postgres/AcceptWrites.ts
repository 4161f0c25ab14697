/** What is accepted, as statements of a batch: messages whose id is new, each with its deliveries and its audit row (I6, I7). */
import { decodedBytes } from "@claudemesh/domain/Base64"
import { Effect } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import { type Write, Written } from "../MessageStore.ts"
import { auditColumns, deliveryColumns, messageColumns } from "../sql/Columns.ts"
import { insertInto, namesOf, records } from "../sql/Dialect.ts"
import * as Rows from "../sql/Rows.ts"

type Accept = Extract<Write, { readonly _tag: "Accept" }>

/** Inserts the messages whose id is new, each with its deliveries and its audit row. */
export const accept = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, accepts: ReadonlyArray<Accept>) {
  const messages = accepts.map(messageRowOf)
  const columns = namesOf(sql, messageColumns)
  // Inserting in sequence order makes the first of two sends with one id the one that counts.
  const inserted = yield* Rows.seqs(
    yield* sql`INSERT INTO mesh.message (${columns})
      SELECT ${columns} FROM ${records(sql, messages, messageColumns)} WHERE true ORDER BY seq
      ON CONFLICT (id) DO NOTHING RETURNING mesh_id, seq`,
  )
  const isNew = (accept: Accept) => inserted.has(Rows.seqKey(accept.message.meshId, accept.message.seq))
  const fresh = accepts.filter(isNew)
  if (fresh.length > 0) {
    yield* insertInto(sql, "delivery", deliveryColumns, fresh.flatMap(deliveryRowsOf))
    yield* insertInto(sql, "audit_log", auditColumns, fresh.map(auditRowOf))
  }
  const duplicates =
    fresh.length === accepts.length
      ? new Map<string, Written>()
      : yield* firstResults(sql, new Set(accepts.filter((one) => !isNew(one)).map((one) => one.message.messageId)))
  // Of several with one id in the batch the first is new, and only the others are duplicates.
  return (one: Accept): Written =>
    isNew(one) ? Written.Done() : (duplicates.get(one.message.messageId) ?? Written.Done())
})

export const firstResults = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, messageIds: ReadonlySet<string>) {
  const found = yield* Rows.accepted(
    yield* sql`SELECT m.id, m.content_hash, m.seq, m.sender_member_id, m.priority, m.expires_at,
        d.member_id, d.session_id, d.consumed_at
      FROM ${records(
        sql,
        [...messageIds].map((id) => ({ id })),
        { id: "text" },
      )}
      JOIN mesh.message m ON m.id = r.id
      LEFT JOIN mesh.delivery d ON d.mesh_id = m.mesh_id AND d.seq = m.seq`,
  )
  return new Map([...found].map(([id, first]) => [id, Written.Duplicate(first)]))
})

const messageRowOf = ({ message, recipients }: Accept) => ({
  mesh_id: message.meshId,
  seq: message.seq,
  id: message.messageId,
  sender_member_id: message.senderMemberId,
  sender_session_id: message.senderSession,
  target_spec: message.targetSpec,
  priority: message.priority,
  nonce: message.nonce,
  // Nobody would ever erase what nobody gets.
  ciphertext: recipients.length === 0 ? "" : message.ciphertext,
  reply_to: message.replyTo ?? null,
  content_hash: message.contentHash,
  created_at: message.createdAtMillis,
  expires_at: message.expiresAtMillis,
})

const deliveryRowsOf = ({ message, recipients }: Accept) =>
  recipients.map(({ inbox, sealedKey }) => ({
    mesh_id: message.meshId,
    seq: message.seq,
    member_id: inbox.memberId,
    session_id: Rows.sessionColumn(inbox),
    priority: message.priority,
    sealed_key: sealedKey ?? null,
  }))

const auditRowOf = ({ message, recipients }: Accept) => ({
  mesh_id: message.meshId,
  seq: message.seq,
  event: "message_accepted",
  at: message.createdAtMillis,
  actor_member_id: message.senderMemberId,
  actor_session_id: message.senderSession,
  message_id: message.messageId,
  target_spec: message.targetSpec,
  priority: message.priority,
  ciphertext_bytes: decodedBytes(message.ciphertext),
  recipients: recipients.length,
})
