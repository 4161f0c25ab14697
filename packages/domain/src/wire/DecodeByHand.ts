/**
 * `send` and `client_ack` decoded without the schema's machinery: they are nearly all that a broker reads, and the machinery cost
 * more than the rest of their way to the mesh. The schemas in `ClientFrame.ts` stay the definition (I20): what is not
 * taken here is given to them, so they alone refuse, and a property test holds that what is taken here is what they give.
 */
import { Option } from "effect"
import { type Base64, digitsAndPadding, type Nonce, nonceDigits } from "../Base64.ts"
import { idPatterns } from "../IdPatterns.ts"
import { type ClientMessageId, type MessageId, type PublicKey, type SessionId } from "../Ids.ts"
import { ackBatchMax, sealedKeyCharactersMax, ttlSecondsMax } from "../Limits.ts"
import type { Priority } from "../routing/Status.ts"
import { parseTarget } from "../routing/Target.ts"
import type { ClientAck, SealedKey, Send } from "./ClientFrame.ts"

type Fields = Readonly<Record<string, unknown>>

const matching =
  <Brand extends string>(pattern: RegExp) =>
  (value: unknown): value is Brand =>
    typeof value === "string" && pattern.test(value)

const isClientMessageId = matching<ClientMessageId>(idPatterns.clientMessageId)
const isMessageId = matching<MessageId>(idPatterns.messageId)
const isPublicKey = matching<PublicKey>(idPatterns.publicKey)
const isSessionId = matching<SessionId>(idPatterns.sessionId)
const isNonce = matching<Nonce>(nonceDigits)
const isBase64 = (value: unknown): value is Base64 =>
  typeof value === "string" && value.length % 4 === 0 && digitsAndPadding.test(value)
const isPriority = (value: unknown): value is Priority => value === "now" || value === "next" || value === "low"
const isSeconds = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value > 0 && value <= ttlSecondsMax

/** Undefined where the schema has to look. */
export const sendByHand = (fields: Fields): Send | undefined => {
  const { ciphertext, id, nonce, priority, replyTo, sessionId, targetSpec, ttlSeconds } = fields
  if (!isPriority(priority) || !isNonce(nonce) || typeof targetSpec !== "string") return undefined
  if (!isBase64(ciphertext) || ciphertext.length < 4) return undefined
  if (id !== undefined && !isClientMessageId(id)) return undefined
  if (replyTo !== undefined && !isMessageId(replyTo)) return undefined
  if (ttlSeconds !== undefined && !isSeconds(ttlSeconds)) return undefined
  if (sessionId !== undefined && !isSessionId(sessionId)) return undefined
  const target = parseTarget(targetSpec)
  if (Option.isNone(target)) return undefined
  const keys = fields["sealedKeys"]
  const sealedKeys = keys === undefined ? undefined : sealedKeysByHand(keys)
  if (keys !== undefined && sealedKeys === undefined) return undefined
  return {
    type: "send",
    ...(id !== undefined && { id }),
    targetSpec: target.value,
    priority,
    nonce,
    ciphertext,
    ...(sealedKeys !== undefined && { sealedKeys }),
    ...(replyTo !== undefined && { replyTo }),
    ...(ttlSeconds !== undefined && { ttlSeconds }),
    ...(sessionId !== undefined && { sessionId }),
  }
}

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const sealedKeysByHand = (value: unknown): ReadonlyArray<SealedKey> | undefined => {
  if (!Array.isArray(value)) return undefined
  const sealedKeys: Array<SealedKey> = []
  for (const one of value as ReadonlyArray<unknown>) {
    if (!isFields(one)) return undefined
    const { key, pubkey } = one
    if (!isPublicKey(pubkey) || !isBase64(key) || key.length > sealedKeyCharactersMax) return undefined
    sealedKeys.push({ pubkey, key })
  }
  return sealedKeys
}

export const clientAckByHand = ({ messageIds }: Fields): ClientAck | undefined =>
  Array.isArray(messageIds) && messageIds.length <= ackBatchMax && messageIds.every(isMessageId)
    ? { type: "client_ack", messageIds: messageIds.slice() }
    : undefined
