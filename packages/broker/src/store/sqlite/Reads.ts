/** What is read of messages that wait: pages of an inbox, and how much there is. */
import type { Base64, Nonce } from "@claudemesh/domain/Base64"
import type { MeshId, MessageId } from "@claudemesh/domain/Ids"
import type {
  Backlog,
  DeliveryKey,
  InboxAddress,
  MeshSnapshot,
  PageRequest,
  WaitingCount,
  WaitingMessage,
} from "../MessageStore.ts"
import { type Addresses, inboxOf } from "./Addresses.ts"
import { type Handle, prepare } from "./Handle.ts"
import { messageKey, priorities, priorityOf, seqOf, waitingKey } from "./Layout.ts"
import { leasedForGood } from "../sql/Rows.ts"

interface MessageRow {
  readonly seq: number
  readonly id: MessageId
  readonly sender: number
  readonly target_spec: string
  readonly nonce: Nonce
  readonly ciphertext: Base64
  readonly reply_to: MessageId | null
  readonly content_hash: string
  readonly created_at: number
  readonly expires_at: number
  readonly sealed_key: Base64 | null
  readonly leased_at: number | null
}

const text = "coalesce(w.ciphertext, g.ciphertext)"
const ofGroup = `LEFT JOIN mesh.group_text g ON w.ciphertext IS NULL AND g.key = ${messageKey("?", seqOf("w.key"))}`
const sizes = `count(*) AS messages, coalesce(sum(octet_length(${text})), 0) AS characters`
const ofInbox = `w.key >= ${waitingKey("?", "0", "0")} AND w.key < ${waitingKey("(? + 1)", "0", "0")}`

export const readsOn = (handle: Handle, addresses: Addresses) => ({
  page: pagesOn(handle, addresses),
  ...countsOn(handle, addresses),
})

const pagesOn = (handle: Handle, addresses: Addresses) => {
  const page = prepare<MessageRow, Array<number>>(
    handle,
    `SELECT ${seqOf("w.key")} AS seq, lower(hex(a.id)) AS id, a.sender, a.content_hash, a.created_at, a.expires_at,
        w.sealed_key, w.leased_at, coalesce(w.target_spec, g.target_spec) AS target_spec, coalesce(w.nonce, g.nonce) AS nonce,
        coalesce(w.reply_to, g.reply_to) AS reply_to, ${text} AS ciphertext
      FROM mesh.waiting w CROSS JOIN mesh.accepted a ON a.key = ${messageKey("?", seqOf("w.key"))} ${ofGroup}
      WHERE w.key > ${waitingKey("?", "?", "?")} AND w.key < ${waitingKey("?", "(? + 1)", "0")}
        AND w.expires_at > ? AND ${text} <> '' ORDER BY w.key LIMIT ?`,
  )

  const messageOf = (row: MessageRow, { meshId, priority }: PageRequest): WaitingMessage => {
    const sender = addresses.numbered(row.sender)
    if (sender === undefined || sender.session === "") throw new Error("an address is kept for as long as its messages")
    return {
      sealedKey: row.sealed_key ?? undefined,
      leased: row.leased_at !== null && (row.leased_at === leasedForGood ? "for good" : "until released"),
      message: {
        meshId,
        seq: row.seq,
        messageId: row.id,
        senderMemberId: sender.memberId,
        senderSession: sender.session,
        targetSpec: row.target_spec,
        priority,
        nonce: row.nonce,
        ciphertext: row.ciphertext,
        replyTo: row.reply_to ?? undefined,
        createdAtMillis: row.created_at,
        expiresAtMillis: row.expires_at,
        contentHash: row.content_hash,
      },
    }
  }

  return (request: PageRequest): ReadonlyArray<WaitingMessage> => {
    const { afterSeq, inbox, limit, meshId, nowMillis } = request
    const mesh = addresses.meshNumber(meshId)
    const number = addresses.find(meshId, inbox)?.number
    if (mesh === undefined || number === undefined) return []
    const priority = priorities.indexOf(request.priority)
    return page
      .all(mesh, mesh, number, priority, afterSeq, number, priority, nowMillis, limit)
      .map((row) => messageOf(row, request))
  }
}

const countsOn = (handle: Handle, addresses: Addresses) => {
  const backlog = prepare<Backlog, [mesh: number, address: number, next: number, now: number]>(
    handle,
    `SELECT ${sizes} FROM mesh.waiting w ${ofGroup} WHERE ${ofInbox} AND w.expires_at > ? AND ${text} <> ''`,
  )
  const isWaiting = prepare<unknown, [mesh: number, address: number, priority: number, seq: number, now: number]>(
    handle,
    `SELECT 1 FROM mesh.waiting w ${ofGroup} WHERE w.key = ${waitingKey("?", "?", "?")} AND w.expires_at > ? AND ${text} <> ''`,
  )
  const waiting = prepare<Backlog & { readonly number: number; readonly priority: number }, [number, string]>(
    handle,
    `SELECT i.number, ${priorityOf("w.key")} AS priority, ${sizes}
      FROM mesh.address i CROSS JOIN mesh.waiting w ON w.key >= ${waitingKey("i.number", "0", "0")}
        AND w.key < ${waitingKey("(i.number + 1)", "0", "0")} ${ofGroup}
      WHERE i.mesh_id = ? AND ${text} <> '' GROUP BY i.member_id, i.session_id, ${priorityOf("w.key")}
      ORDER BY i.member_id, i.session_id, ${priorityOf("w.key")}`,
  )

  const backlogOf = (meshId: MeshId, inbox: InboxAddress, nowMillis: number): Backlog => {
    const mesh = addresses.meshNumber(meshId)
    const number = addresses.find(meshId, inbox)?.number
    const found = mesh === undefined || number === undefined ? null : backlog.get(mesh, number, number, nowMillis)
    return found ?? { messages: 0, characters: 0 }
  }

  const waits = (meshId: MeshId, { inbox, seq }: DeliveryKey, nowMillis: number): boolean => {
    const mesh = addresses.meshNumber(meshId)
    const number = addresses.find(meshId, inbox)?.number
    if (mesh === undefined || number === undefined) return false
    return priorities.some((_, priority) => isWaiting.get(mesh, number, priority, seq, nowMillis) !== null)
  }

  return {
    backlog: (meshId: MeshId, inboxes: ReadonlyArray<InboxAddress>, nowMillis: number): Backlog =>
      inboxes
        .map((inbox) => backlogOf(meshId, inbox, nowMillis))
        .reduce(
          (sum, one) => ({ messages: sum.messages + one.messages, characters: sum.characters + one.characters }),
          { messages: 0, characters: 0 },
        ),

    countWaiting: (
      meshId: MeshId,
      inboxes: ReadonlyArray<InboxAddress>,
      except: ReadonlyArray<DeliveryKey>,
      nowMillis: number,
    ): ReadonlyArray<WaitingCount> =>
      inboxes.flatMap((inbox) => {
        const isLeft = (one: DeliveryKey) =>
          one.inbox.memberId === inbox.memberId && one.inbox.session === inbox.session && waits(meshId, one, nowMillis)
        const messages = backlogOf(meshId, inbox, nowMillis).messages - except.filter(isLeft).length
        return messages > 0 ? [{ inbox, messages }] : []
      }),

    /** Also what has expired and has its text still. */
    waiting: (meshId: MeshId): MeshSnapshot["waiting"] => {
      const mesh = addresses.meshNumber(meshId)
      const rows = mesh === undefined ? [] : waiting.all(mesh, meshId)
      return rows.flatMap(({ characters, messages, number, priority: place }) => {
        const [address, priority] = [addresses.numbered(number), priorities[place]]
        return address === undefined || priority === undefined
          ? []
          : [{ inbox: inboxOf(address), priority, backlog: { messages, characters } }]
      })
    },
  }
}
