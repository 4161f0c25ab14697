/**
 * What is inside a message to a group. A lock with a content key proves nothing of who turned it, since every
 * reader holds the key. So the sender signs the envelope, and the signature is inside: the broker learns nothing
 * from it, and no reader can put other words, or another target, under the sender's name.
 */
import { Option, Schema } from "effect"
import { type PublicKey, Signature } from "../Ids.ts"
import { type Envelope, envelopeJson, type FrameFacts, Plaintext, readEnvelope } from "./Plaintext.ts"

const header = "claudemesh-group-message-v1"

/** `envelope` is the text that is sent, byte for byte: nothing is encoded a second time to be verified. */
export const groupMessageStatement = (envelope: string, sender: PublicKey): string =>
  [header, sender, envelope].join("\n")

const Signed = Schema.fromJsonString(Schema.Struct({ envelope: Schema.String, signature: Signature }))
const encode = Schema.encodeSync(Signed)
const decode = Schema.decodeUnknownOption(Signed)

/** The plaintext: a line that says what it is, then the envelope and its signature. */
export const encodeGroupMessage = (
  envelope: Envelope,
  sender: PublicKey,
  sign: (statement: string) => Signature,
): string => {
  const json = envelopeJson(envelope)
  return `${header}\n${encode({ envelope: json, signature: sign(groupMessageStatement(json, sender)) })}`
}

export type GroupPlaintext = Exclude<Plaintext, { readonly _tag: "Bare" }> | { readonly _tag: "NotSigned" }

/** The signature comes first: what somebody else wrote is not worth comparing. `NotSigned`: not by the frame's sender. */
export const readGroupMessage = (
  opened: string,
  frame: FrameFacts,
  isSigned: (statement: string, signature: Signature, key: PublicKey) => boolean,
): GroupPlaintext => {
  if (!opened.startsWith(`${header}\n`)) return Plaintext.Mismatch({ field: "shape" })
  const signed = Option.getOrUndefined(decode(opened.slice(header.length + 1)))
  if (signed === undefined) return Plaintext.Mismatch({ field: "shape" })
  const { envelope, signature } = signed
  return isSigned(groupMessageStatement(envelope, frame.senderPubkey), signature, frame.senderPubkey)
    ? readEnvelope(envelope, frame)
    : { _tag: "NotSigned" }
}
