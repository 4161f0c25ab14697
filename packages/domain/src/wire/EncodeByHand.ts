/**
 * `push` and `ack` put together from texts: they are nearly all that a broker says, and a message's text, which is most of a push, has
 * nothing in it that would have to be escaped. What a push to many has in common is put together once. The schemas in `BrokerFrame.ts`
 * stay the definition (I20): a property test holds this against their encoding.
 */
import type { Ack, Push } from "./BrokerFrame.ts"

/** Nothing that JSON escapes, which are quotes, backslashes, control characters, and surrogates where they stand alone. */
const isPlain = /^[ !#-[\]-\ud7ff\ue000-\uffff]*$/

/** Of ids, Base64 and times nothing is escaped; this is for other texts. */
const quoted = (text: string): string => (isPlain.test(text) ? `"${text}"` : JSON.stringify(text))

/** Everything up to what is each recipient's own. */
const commonOf = (push: Push): string =>
  `{"type":"push","messageId":"${push.messageId}","meshId":"${push.meshId}","senderPubkey":"${push.senderPubkey}","priority":"${push.priority}","nonce":"${push.nonce}","ciphertext":"${push.ciphertext}","createdAt":"${push.createdAt}"` +
  (push.senderSessionId === undefined ? "" : `,"senderSessionId":"${push.senderSessionId}"`) +
  (push.senderName === undefined ? "" : `,"senderName":${quoted(push.senderName)}`) +
  (push.targetSpec === undefined ? "" : `,"targetSpec":${quoted(push.targetSpec)}`)

const haveInCommon = (one: Push, other: Push): boolean =>
  one.messageId === other.messageId &&
  one.meshId === other.meshId &&
  one.senderPubkey === other.senderPubkey &&
  one.priority === other.priority &&
  one.nonce === other.nonce &&
  one.createdAt === other.createdAt &&
  one.senderSessionId === other.senderSessionId &&
  one.senderName === other.senderName &&
  one.targetSpec === other.targetSpec &&
  one.ciphertext === other.ciphertext

/** The pushes of one message follow each other. */
let last: { readonly push: Push; readonly common: string } | undefined

export const pushByHand = (push: Push): string => {
  const common = last !== undefined && haveInCommon(last.push, push) ? last.common : commonOf(push)
  if (last?.common !== common) last = { push, common }
  return (
    common +
    (push.sealedKey === undefined ? "" : `,"sealedKey":"${push.sealedKey}"`) +
    (push.replyTo === undefined ? "" : `,"replyTo":"${push.replyTo}"`) +
    (push.redelivered === undefined ? "}" : `,"redelivered":${push.redelivered}}`)
  )
}

export const ackByHand = (ack: Ack): string =>
  `{"type":"ack","id":${quoted(ack.id)},"messageId":"${ack.messageId}","queued":true` +
  (ack.duplicate === undefined ? "" : `,"duplicate":${ack.duplicate}`) +
  (ack.recipients === undefined
    ? ""
    : `,"recipients":[${ack.recipients.map(({ pubkey, state }) => `{"pubkey":"${pubkey}","state":"${state}"}`).join(",")}]`) +
  (ack.unsealed === undefined ? "}" : `,"unsealed":[${ack.unsealed.map((pubkey) => `"${pubkey}"`).join(",")}]}`)
