/**
 * A message as it leaves. A direct one is sealed from our key to the recipient's. To a v2 recipient the text goes
 * in an envelope that binds it to everything the broker could change; a v1 recipient shows what it opens as it
 * stands, so it gets the bare text, if its certificate says that it may. One to a group is such an envelope, signed, and sealed to every verified member: who
 * of them is in the group is the broker's to say, and it passes on no key but the recipient's own.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import { Base64, decodedBytes, Nonce } from "@claudemesh/domain/Base64"
import type { ClientMessageId, MessageId, SessionId } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { type DirectTarget, formatTarget, type Target } from "@claudemesh/domain/routing/Target"
import { encodeGroupMessage } from "@claudemesh/domain/trust/GroupMessage"
import { encodeEnvelope, type Envelope } from "@claudemesh/domain/trust/Plaintext"
import { Clock, Effect, Schema } from "effect"
import type { Membership } from "../keys/Membership.ts"
import { randomBytes } from "../keys/RandomBytes.ts"
import { Sodium } from "../keys/Sodium.ts"
import type { Roster } from "../roster/Roster.ts"
import type { CertifiedMember } from "../trust/TrustStore.ts"
import { sealToMany } from "./SealToMany.ts"

export class MessageTooLarge extends Schema.TaggedError<MessageTooLarge>()("MessageTooLarge", {
  bytes: Schema.Int,
  maxBytes: Schema.Int,
}) {
  get what() {
    return `The message is too large: it has ${this.bytes} bytes once it is encrypted, and the broker takes ${this.maxBytes}. Nothing was sent.`
  }
  get hint() {
    return "Shorten it, or send it in parts."
  }
  override get message() {
    return withHint(this)
  }
}

export interface Sealed {
  readonly nonce: Nonce
  readonly ciphertext: Base64
}

/** What is sealed, and from whom. */
export interface Unsealed<To extends Target> {
  readonly text: string
  readonly target: To
  readonly priority: Priority
  readonly replyTo?: MessageId | undefined
  readonly id: ClientMessageId
  readonly from: Pick<Membership, "meshId" | "pubkey" | "secretKey"> & { readonly sessionId: SessionId }
  readonly maxBytes: number
  /** How many revocations we know of. */
  readonly revocations?: number | undefined
}

export const sealMessage = Effect.fnUntraced(function* (
  message: Unsealed<DirectTarget>,
  to: { readonly recipient: CertifiedMember; readonly bare: boolean },
) {
  const plaintext = to.bare ? message.text : encodeEnvelope(yield* envelopeOf(message))
  const nonce = yield* randomBytes(24)
  const ciphertext = (yield* Sodium).seal(plaintext, nonce, to.recipient.key, message.from.secretKey)
  yield* fits(ciphertext, message.maxBytes)
  return { nonce: Nonce.make(Buffer.from(nonce).toString("base64")), ciphertext } satisfies Sealed
})

export const sealGroupMessage = Effect.fnUntraced(function* (
  message: Unsealed<Target>,
  readers: ReadonlyArray<CertifiedMember>,
) {
  const { pubkey, secretKey } = message.from
  const { sign } = yield* Sodium
  const plaintext = encodeGroupMessage(yield* envelopeOf(message), pubkey, (statement) => sign(statement, secretKey))
  const { ciphertext, nonce, sealedKeys } = yield* sealToMany(plaintext, readers)
  yield* fits(ciphertext, message.maxBytes)
  return { nonce, ciphertext, sealedKeys }
})

const envelopeOf = ({
  from,
  id,
  priority,
  replyTo,
  revocations,
  target,
  text,
}: Unsealed<Target>): Effect.Effect<Envelope> =>
  Effect.map(Clock.currentTimeMillis, (now) => ({
    text,
    meshId: from.meshId,
    senderSessionId: from.sessionId,
    targetSpec: formatTarget(target),
    priority,
    ...(replyTo && { replyTo }),
    id,
    sentAt: isoFromMillis(now),
    ...(revocations !== undefined && { revocations }),
  }))

const fits = (ciphertext: Base64, maxBytes: number): Effect.Effect<void, MessageTooLarge> => {
  const bytes = decodedBytes(ciphertext)
  return bytes > maxBytes ? Effect.fail(new MessageTooLarge({ bytes, maxBytes })) : Effect.void
}

/**
 * Whether a session that would show an envelope as text may get the message. That there is one is the broker's word, so
 * it counts only for a member who has said, when it joined, that it uses such clients.
 */
export const recipientSpeaksV1 = (
  target: DirectTarget,
  { certificate }: Pick<CertifiedMember, "certificate">,
  { members, peers }: Roster,
): boolean => {
  if (!certificate.allowV1) return false
  const attached = peers.filter((peer) => peer.pubkey === target.key)
  if (target._tag === "Session") return attached.some((p) => p.sessionId === target.session && p.protocol === 1)
  if (attached.length > 0) return attached.some((peer) => peer.protocol === 1)
  return members.some((member) => member.pubkey === target.key && member.protocol === 1)
}
