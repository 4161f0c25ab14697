/** What is read of messages: pages of an inbox, how much waits, and what became of one. */
import type { Base64, Nonce } from "@claudemesh/domain/Base64"
import type { MemberId, MeshId, MessageId, SessionId } from "@claudemesh/domain/Ids"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { Option } from "effect"
import type {
  Backlog,
  DeliveryKey,
  DeliveryReport,
  InboxAddress,
  PageRequest,
  WaitingCount,
  WaitingMessage,
} from "../MessageStore.ts"
import * as Rows from "../sql/Rows.ts"
import { prepare, type SqliteHandle } from "./Handle.ts"
import { type ReportRow, reportOf } from "./Reports.ts"

interface MessageRow {
  readonly mesh_id: MeshId
  readonly seq: number
  readonly id: MessageId
  readonly sender_member_id: MemberId
  readonly sender_session_id: SessionId
  readonly target_spec: string
  readonly priority: Priority
  readonly nonce: Nonce
  readonly ciphertext: Base64
  readonly reply_to: MessageId | null
  readonly content_hash: string
  readonly created_at: number
  readonly expires_at: number
  readonly sealed_key: Base64 | null
  readonly leased_at: number | null
}

const waits = "m.mesh_id = d.mesh_id AND m.seq = d.seq AND m.expires_at > ? AND m.ciphertext <> ''"

export const readsOn = (handle: SqliteHandle["Service"]) => {
  const page = prepare<MessageRow, [string, string, string, string, number, number, number]>(
    handle,
    `SELECT m.*, d.sealed_key, d.leased_at FROM mesh.delivery d CROSS JOIN mesh.message m
      WHERE d.mesh_id = ? AND d.member_id = ? AND d.session_id = ? AND d.priority = ? AND d.seq > ? AND d.consumed_at IS NULL
        AND ${waits} ORDER BY d.seq LIMIT ?`,
  )
  const backlog = prepare<Backlog, [string, string, string, number]>(
    handle,
    `SELECT count(*) AS messages, coalesce(sum(octet_length(m.ciphertext)), 0) AS characters
      FROM mesh.delivery d CROSS JOIN mesh.message m
      WHERE d.mesh_id = ? AND d.member_id = ? AND d.session_id = ? AND d.consumed_at IS NULL AND ${waits}`,
  )
  const isWaiting = prepare<unknown, [string, number, string, string, number]>(
    handle,
    `SELECT 1 FROM mesh.delivery d CROSS JOIN mesh.message m
      WHERE d.mesh_id = ? AND d.seq = ? AND d.member_id = ? AND d.session_id = ? AND d.consumed_at IS NULL AND ${waits}`,
  )
  const report = prepare<ReportRow, [string, string]>(
    handle,
    `SELECT m.seq, m.sender_member_id, m.priority, m.expires_at, d.member_id, d.session_id, d.consumed_at
      FROM mesh.message m LEFT JOIN mesh.delivery d ON d.mesh_id = m.mesh_id AND d.seq = m.seq
      WHERE m.id = ? AND m.mesh_id = ? ORDER BY d.member_id, d.session_id`,
  )

  const backlogOf = (meshId: MeshId, inbox: InboxAddress, nowMillis: number): Backlog =>
    backlog.get(meshId, inbox.memberId, Rows.sessionColumn(inbox), nowMillis) ?? { messages: 0, characters: 0 }

  return {
    page: ({ afterSeq, inbox, limit, meshId, nowMillis, priority }: PageRequest): ReadonlyArray<WaitingMessage> =>
      page
        .all(meshId, inbox.memberId, Rows.sessionColumn(inbox), priority, afterSeq, nowMillis, limit)
        .map(waitingMessage),

    backlog: (meshId: MeshId, inboxes: ReadonlyArray<InboxAddress>, nowMillis: number): Backlog =>
      inboxes
        .map((inbox) => backlogOf(meshId, inbox, nowMillis))
        .reduce(
          (sum, one) => ({
            messages: sum.messages + one.messages,
            characters: sum.characters + one.characters,
          }),
          { messages: 0, characters: 0 },
        ),

    countWaiting: (
      meshId: MeshId,
      inboxes: ReadonlyArray<InboxAddress>,
      except: ReadonlyArray<DeliveryKey>,
      nowMillis: number,
    ): ReadonlyArray<WaitingCount> =>
      inboxes.flatMap((inbox) => {
        const session = Rows.sessionColumn(inbox)
        const left = except.filter(
          (one) =>
            one.inbox.memberId === inbox.memberId &&
            one.inbox.session === inbox.session &&
            isWaiting.get(meshId, one.seq, inbox.memberId, session, nowMillis) !== null,
        )
        const messages = backlogOf(meshId, inbox, nowMillis).messages - left.length
        return messages > 0 ? [{ inbox, messages }] : []
      }),

    deliveryReportOf: (meshId: MeshId, messageId: MessageId): Option.Option<DeliveryReport> =>
      Option.fromUndefinedOr(reportOf(report.all(messageId, meshId))),
  }
}

const waitingMessage = (row: MessageRow): WaitingMessage => ({
  sealedKey: row.sealed_key ?? undefined,
  leased: row.leased_at !== null && (row.leased_at === Rows.leasedForGood ? "for good" : "until released"),
  message: {
    meshId: row.mesh_id,
    seq: row.seq,
    messageId: row.id,
    senderMemberId: row.sender_member_id,
    senderSession: row.sender_session_id,
    targetSpec: row.target_spec,
    priority: row.priority,
    nonce: row.nonce,
    ciphertext: row.ciphertext,
    replyTo: row.reply_to ?? undefined,
    createdAtMillis: row.created_at,
    expiresAtMillis: row.expires_at,
    contentHash: row.content_hash,
  },
})
