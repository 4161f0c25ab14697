/**
 * A direct message as it leaves: sealed from our key to the recipient's. To a v2 recipient the text goes in an
 * envelope that binds it to everything the broker could change; a v1 recipient shows what it opens as it
 * stands, so it gets the bare text.
 */
import { Base64, decodedBytes, Nonce } from "@claudemesh/domain/Base64"
import type { ClientMessageId, MeshId, MessageId, SecretKey, SessionId } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { type DirectTarget, formatTarget } from "@claudemesh/domain/routing/Target"
import { encodeEnvelope } from "@claudemesh/domain/trust/Plaintext"
import { Clock, Effect, Schema } from "effect"
import { randomBytes } from "../keys/RandomBytes.ts"
import { Sodium, type TrustedKey } from "../keys/Sodium.ts"
import type { Roster } from "../roster/Roster.ts"

export class MessageTooLarge extends Schema.TaggedError<MessageTooLarge>()("MessageTooLarge", {
  bytes: Schema.Int,
  maxBytes: Schema.Int,
}) {
  override get message() {
    return `the sealed message has ${this.bytes} bytes, the broker takes ${this.maxBytes}`
  }
}

export interface Sealed {
  readonly nonce: Nonce
  readonly ciphertext: Base64
}

export const sealMessage = Effect.fnUntraced(function* (message: {
  readonly text: string
  readonly target: DirectTarget
  readonly recipient: TrustedKey
  readonly bare: boolean
  readonly priority: Priority
  readonly replyTo?: MessageId | undefined
  readonly id: ClientMessageId
  readonly from: { readonly meshId: MeshId; readonly sessionId: SessionId; readonly secretKey: SecretKey }
  readonly maxBytes: number
}) {
  const { bare, from, id, maxBytes, priority, recipient, replyTo, target, text } = message
  const plaintext = bare
    ? text
    : encodeEnvelope({
        text,
        meshId: from.meshId,
        senderSessionId: from.sessionId,
        targetSpec: formatTarget(target),
        priority,
        ...(replyTo && { replyTo }),
        id,
        sentAt: isoFromMillis(yield* Clock.currentTimeMillis),
      })
  const nonce = yield* randomBytes(24)
  const ciphertext = (yield* Sodium).seal(plaintext, nonce, recipient, from.secretKey)
  const bytes = decodedBytes(ciphertext)
  if (bytes > maxBytes) return yield* new MessageTooLarge({ bytes, maxBytes })
  return { nonce: Nonce.make(Buffer.from(nonce).toString("base64")), ciphertext } satisfies Sealed
})

/** Whether a session that would show an envelope as text may get the message. */
export const recipientSpeaksV1 = (target: DirectTarget, { members, peers }: Roster): boolean => {
  const attached = peers.filter((peer) => peer.pubkey === target.key)
  if (target._tag === "Session") return attached.some((p) => p.sessionId === target.session && p.protocol === 1)
  if (attached.length > 0) return attached.some((peer) => peer.protocol === 1)
  return members.some((member) => member.pubkey === target.key && member.protocol === 1)
}
