/** What is accepted, as parts of one statement: what a resend is told, what waits for each recipient, and what the audit has of it (I6, I7). */
import { decodedBytes } from "@claudemesh/domain/Base64"
import type { Write } from "../MessageStore.ts"
import * as Rows from "../sql/Rows.ts"
import type { Arrays } from "./Arrays.ts"
import type { JournalEvent } from "./Journal.ts"

export type Accept = Extract<Write, { readonly _tag: "Accept" }>

/** Nothing is written where a mesh has a later owner. */
export const owned = "(SELECT stale FROM held) = 0"

/** `columns` of rows as arrays, and the names that they have in the statement. */
export const rowsOf = (columns: Readonly<Record<string, string>>) => {
  const names = Object.keys(columns).join(", ")
  return { names, rows: `unnest(${Object.values(columns).join(", ")}) AS r(${names})` }
}

/** `isNew`: given the rows `r` of accepted messages with their meshes and numbers, which of them are. */
export const accepting = (
  arrays: Arrays,
  accepts: ReadonlyArray<Accept>,
): { readonly steps: ReadonlyArray<string>; readonly isNew: string } => {
  const texts = (of: (accept: Accept) => string | null | undefined) => arrays.texts(accepts.map(of))
  const numbers = (of: (accept: Accept) => number) => arrays.numbers(accepts.map(of))
  const mesh_id = texts(({ message }) => message.meshId)
  const seq = numbers(({ message }) => message.seq)
  const id = texts(({ message }) => message.messageId)
  const sender_member_id = texts(({ message }) => message.senderMemberId)
  const priority = texts(({ message }) => message.priority)
  const created_at = numbers(({ message }) => message.createdAtMillis)
  const known = rowsOf({
    id,
    mesh_id,
    seq,
    sender_member_id,
    priority,
    content_hash: texts(({ message }) => message.contentHash),
    created_at,
    expires_at: numbers(({ message }) => message.expiresAtMillis),
    // An array of arrays has to be as long in each row: they are texts, which are read as arrays there.
    recipient_members: texts(({ recipients }) => arrayText(recipients.map(({ inbox }) => inbox.memberId))),
    recipient_sessions: texts(({ recipients }) => arrayText(recipients.map(({ inbox }) => Rows.sessionColumn(inbox)))),
  })
  // Nearly always all are. Behind an OR the list is looked up in a hash; else it would be gone through for each row.
  const isNew = `((SELECT count(*) FROM accepted) = ${arrays.number(accepts.length)}
    OR (r.mesh_id, r.seq) IN (SELECT mesh_id, seq FROM accepted))`
  const selected = known.names
    .replace("recipient_members", "recipient_members::text[]")
    .replace("recipient_sessions", "recipient_sessions::text[]")
  const shared = accepts.filter(({ recipients }) => recipients.length > 1)
  const steps = [
    // In the order of the sequence, so that the first of two sends with one id is the one that counts.
    `accepted AS (INSERT INTO mesh.accepted (${known.names})
      SELECT ${selected} FROM ${known.rows} WHERE ${owned} ORDER BY seq
      ON CONFLICT (id) DO NOTHING RETURNING mesh_id, seq)`,
    `put AS (${waiting(arrays, accepts)} WHERE ${isNew})`,
    ...(shared.length === 0 ? [] : [`kept AS (${sharedTexts(arrays, shared)} WHERE ${isNew})`]),
  ]
  return { steps, isNew }
}

export const acceptedEvent = ({ message, recipients }: Accept): JournalEvent => ({
  meshId: message.meshId,
  seq: message.seq,
  atMillis: message.createdAtMillis,
  event: "message_accepted",
  memberId: message.senderMemberId,
  session: message.senderSession,
  messageId: message.messageId,
  targetSpec: message.targetSpec,
  priority: message.priority,
  bytes: decodedBytes(message.ciphertext),
  recipients: recipients.length,
})

const arrayText = (values: ReadonlyArray<string>): string =>
  `{${values.map((value) => `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`).join(",")}}`

/** A row for each recipient, with the text where it is the only one. */
const waiting = (arrays: Arrays, accepts: ReadonlyArray<Accept>): string => {
  const all = accepts.flatMap(({ message, recipients }) =>
    recipients.map(({ inbox, sealedKey }) => ({
      inbox,
      sealedKey,
      message,
      own: recipients.length === 1 ? message : undefined,
    })),
  )
  type One = (typeof all)[number]
  const texts = (of: (one: One) => string | null | undefined) => arrays.texts(all.map(of))
  const numbers = (of: (one: One) => number | null) => arrays.numbers(all.map(of))
  const { names, rows } = rowsOf({
    mesh_id: texts(({ message }) => message.meshId),
    member_id: texts(({ inbox }) => inbox.memberId),
    session_id: texts(({ inbox }) => Rows.sessionColumn(inbox)),
    priority: texts(({ message }) => message.priority),
    seq: numbers(({ message }) => message.seq),
    expires_at: numbers(({ message }) => message.expiresAtMillis),
    characters: numbers(({ message }) => message.ciphertext.length),
    sealed_key: texts(({ sealedKey }) => sealedKey),
    id: texts(({ own }) => own?.messageId),
    sender_member_id: texts(({ own }) => own?.senderMemberId),
    sender_session_id: texts(({ own }) => own?.senderSession),
    target_spec: texts(({ own }) => own?.targetSpec),
    nonce: texts(({ own }) => own?.nonce),
    ciphertext: texts(({ own }) => own?.ciphertext),
    reply_to: texts(({ own }) => own?.replyTo),
    content_hash: texts(({ own }) => own?.contentHash),
    created_at: numbers(({ own }) => own?.createdAtMillis ?? null),
  })
  return `INSERT INTO mesh.waiting (${names}) SELECT ${names} FROM ${rows}`
}

/** What several wait for, once, with how many they are. */
const sharedTexts = (arrays: Arrays, accepts: ReadonlyArray<Accept>): string => {
  const texts = (of: (accept: Accept) => string | null | undefined) => arrays.texts(accepts.map(of))
  const numbers = (of: (accept: Accept) => number) => arrays.numbers(accepts.map(of))
  const { names, rows } = rowsOf({
    mesh_id: texts(({ message }) => message.meshId),
    seq: numbers(({ message }) => message.seq),
    expires_at: numbers(({ message }) => message.expiresAtMillis),
    remaining: numbers(({ recipients }) => recipients.length),
    id: texts(({ message }) => message.messageId),
    sender_member_id: texts(({ message }) => message.senderMemberId),
    sender_session_id: texts(({ message }) => message.senderSession),
    target_spec: texts(({ message }) => message.targetSpec),
    nonce: texts(({ message }) => message.nonce),
    ciphertext: texts(({ message }) => message.ciphertext),
    reply_to: texts(({ message }) => message.replyTo),
    content_hash: texts(({ message }) => message.contentHash),
    created_at: numbers(({ message }) => message.createdAtMillis),
  })
  return `INSERT INTO mesh.group_text (${names}) SELECT ${names} FROM ${rows}`
}
