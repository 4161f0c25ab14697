/** What is accepted: messages whose id is new, each with a row in every inbox that it goes to, and its line of the audit (I6, I7). */
import { decodedBytes } from "@claudemesh/domain/Base64"
import { type Write, Written } from "../MessageStore.ts"
import type { Addresses } from "./Addresses.ts"
import { type Handle, prepare } from "./Handle.ts"
import type { Journal } from "./Journal.ts"
import type { MessageIds } from "./MessageIds.ts"
import { messageKey, priorities, waitingKey } from "./Layout.ts"
import type { Reports } from "./Reports.ts"

export type Accept = Extract<Write, { readonly _tag: "Accept" }>

type Value = string | number | null

const statementsOn = (handle: Handle) => ({
  insertAccepted: prepare<never, Array<Value>>(
    handle,
    `INSERT INTO mesh.accepted (key, id, sender, priority, created_at, expires_at, content_hash, recipients)
      VALUES (${messageKey("?", "?")}, unhex(?), ?, ?, ?, ?, ?, ?)`,
  ),
  insertWaiting: prepare<never, Array<Value>>(
    handle,
    `INSERT INTO mesh.waiting (key, expires_at, sealed_key, nonce, target_spec, reply_to, ciphertext)
      VALUES (${waitingKey("?", "?", "?")}, ?, ?, ?, ?, ?, ?)`,
  ),
  insertGroupText: prepare<never, Array<Value>>(
    handle,
    `INSERT INTO mesh.group_text (key, waits, expires_at, nonce, target_spec, reply_to, ciphertext)
      VALUES (${messageKey("?", "?")}, ?, ?, ?, ?, ?, ?)`,
  ),
})

interface Parts {
  readonly addresses: Addresses
  readonly ids: MessageIds
  readonly journal: Journal
  readonly reports: Reports
}

export const acceptWritesOn = (handle: Handle, { addresses, ids, journal, reports }: Parts) => {
  const { insertAccepted, insertGroupText, insertWaiting } = statementsOn(handle)

  const insertText = ({ message, recipients }: Accept, mesh: number, inboxes: ReadonlyArray<number>): void => {
    const priority = priorities.indexOf(message.priority)
    const { ciphertext, expiresAtMillis, nonce, replyTo, seq, targetSpec } = message
    const text = [nonce, targetSpec, replyTo ?? null, ciphertext]
    const isGroup = inboxes.length > 1
    if (isGroup) insertGroupText.run(mesh, seq, inboxes.length, expiresAtMillis, ...text)
    for (const [index, number] of inboxes.entries()) {
      const sealedKey = recipients[index]?.sealedKey ?? null
      insertWaiting.run(number, priority, seq, expiresAtMillis, sealedKey, ...(isGroup ? noText : text))
    }
  }

  const insert = (accept: Accept): boolean => {
    const { message, recipients } = accept
    const { createdAtMillis, meshId, senderMemberId, senderSession, seq } = message
    if (ids.find(message.messageId) !== undefined) return false
    const mesh = addresses.newMeshNumber(meshId)
    const sender = addresses.used(meshId, { memberId: senderMemberId, session: senderSession }, createdAtMillis)
    const inboxes = recipients.map(({ inbox }) => addresses.used(meshId, inbox, createdAtMillis).number)
    insertAccepted.run(
      mesh,
      seq,
      message.messageId,
      sender.number,
      priorities.indexOf(message.priority),
      createdAtMillis,
      message.expiresAtMillis,
      message.contentHash,
      `[${inboxes.join(",")}]`,
    )
    ids.add(message.messageId, { mesh, seq }, createdAtMillis)
    insertText(accept, mesh, inboxes)
    journal.add(meshId, {
      seq,
      at: createdAtMillis,
      event: "message_accepted",
      actor: senderMemberId,
      session: senderSession,
      messageId: message.messageId,
      targetSpec: message.targetSpec,
      priority: message.priority,
      bytes: decodedBytes(message.ciphertext),
      recipients: recipients.length,
    })
    return true
  }

  /** In the order of their numbers, so that of two sends with one id the first is the one that counts. */
  return (accepts: ReadonlyArray<Accept>): ReadonlyMap<Accept, Written> => {
    const known = accepts
      .toSorted((left, right) => left.message.seq - right.message.seq)
      .filter((accept) => !insert(accept))
    return new Map(
      known.map((accept) => {
        const first = reports(accept.message.meshId, accept.message.messageId)
        return [accept, first === undefined ? Written.Done() : Written.Duplicate(first)]
      }),
    )
  }
}

const noText = [null, null, null, null]
