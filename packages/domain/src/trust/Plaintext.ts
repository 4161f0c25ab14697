/**
 * What is inside a sealed message. v2 seals the text together with what the broker could otherwise change
 * unseen: mesh, sender session, target, priority, what it answers, id and time. v1 seals the bare text, and so does v2 to a v1 peer, which
 * shows what it opens as it stands.
 */
import { Data, Option, Result, Schema } from "effect"
import { ClientMessageId, DisplayName, MeshId, MessageId, type PublicKey, SessionId } from "../Ids.ts"
import { IsoTime } from "../IsoTime.ts"
import { Priority } from "../routing/Status.ts"
import type { Push } from "../wire/BrokerFrame.ts"
import { messageIdOf } from "./MessageIdentity.ts"

export const Envelope = Schema.Struct({
  text: Schema.String,
  meshId: MeshId,
  senderSessionId: SessionId,
  targetSpec: Schema.String,
  priority: Priority,
  replyTo: Schema.optionalKey(MessageId),
  /** The sender's idempotency key. */
  id: ClientMessageId,
  sentAt: IsoTime,
  /** How many revocations the sender knows of: a broker that shows the recipient fewer hides one. */
  revocations: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
})
export type Envelope = typeof Envelope.Type

/** No text a v1 client seals begins with this line by accident; one that does is checked like any envelope. */
const header = "claudemesh-message-v2\n"

const encode = Schema.encodeSync(Schema.fromJsonString(Envelope))
const decode = Schema.decodeUnknownResult(Schema.fromJsonString(Envelope))

/** The envelope's JSON alone, as a group message signs it. */
export const envelopeJson: (envelope: Envelope) => string = encode

export const encodeEnvelope = (envelope: Envelope): string => header + encode(envelope)

export type Plaintext = Data.TaggedEnum<{
  /** Text and its bindings, each found to agree with the frame that carried it. */
  Bound: { readonly text: string; readonly envelope: Envelope }
  /** A v1 text: the sender is proved by the seal, the rest is the broker's word. */
  Bare: { readonly text: string }
  /** It opened, and says something else than its frame: `field` names the first difference. */
  Mismatch: {
    readonly field:
      | "meshId"
      | "senderSessionId"
      | "targetSpec"
      | "priority"
      | "replyTo"
      | "messageId"
      | "createdAt"
      | "shape"
  }
}>
export const Plaintext = Data.taggedEnum<Plaintext>()

/** How far the broker's `createdAt` may be before, and how long after, the sender's `sentAt`. */
export const backdateMillis = 5 * 60_000

export type FrameFacts = Omit<Push, "type" | "nonce" | "ciphertext" | "senderName" | "sealedKey" | "redelivered">

export const readPlaintext = (opened: string, frame: FrameFacts): Plaintext => {
  if (!opened.startsWith(header)) return Plaintext.Bare({ text: opened })
  return readEnvelope(opened.slice(header.length), frame)
}

/** Never `Bare`: an envelope's JSON is one, or it is broken. */
export const readEnvelope = (json: string, frame: FrameFacts): Exclude<Plaintext, { readonly _tag: "Bare" }> => {
  const envelope = Option.getOrUndefined(Result.getSuccess(decode(json)))
  if (envelope === undefined) return Plaintext.Mismatch({ field: "shape" })
  const field = firstDifference(envelope, frame)
  return field === undefined ? Plaintext.Bound({ text: envelope.text, envelope }) : Plaintext.Mismatch({ field })
}

const firstDifference = (envelope: Envelope, frame: FrameFacts) => {
  if (envelope.meshId !== frame.meshId) return "meshId"
  if (envelope.senderSessionId !== frame.senderSessionId) return "senderSessionId"
  if (envelope.targetSpec !== frame.targetSpec) return "targetSpec"
  if (envelope.priority !== frame.priority) return "priority"
  if (envelope.replyTo !== frame.replyTo) return "replyTo"
  if (messageIdOf(frame.meshId, frame.senderPubkey, envelope.id) !== frame.messageId) return "messageId"
  // A message may wait in an outbox before the broker first sees it; it cannot be accepted before it was sent.
  if (Date.parse(frame.createdAt) < Date.parse(envelope.sentAt) - backdateMillis) return "createdAt"
  return undefined
}

/** One line that a person reads, such as a folder. */
const line = (charactersMax: number) =>
  Schema.String.check(
    Schema.isMaxLength(charactersMax),
    Schema.isPattern(/^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+$/u, { expected: "one line of text" }),
  )

/** What a session says of itself. It is signed inside its seal: every member holds the content key. */
export const Profile = Schema.Struct({
  meshId: MeshId,
  sessionId: SessionId,
  summary: Schema.String,
  at: IsoTime,
  /** The session's own, where it has one. What a broker calls a session is no name of it. */
  name: Schema.optionalKey(DisplayName),
  cwd: Schema.optionalKey(line(1_024)),
  host: Schema.optionalKey(line(255)),
  branch: Schema.optionalKey(line(255)),
})
export type Profile = typeof Profile.Type

/** Where a session runs. */
export const ProfileFacts = Schema.Struct({
  cwd: Profile.fields.cwd,
  host: Profile.fields.host,
  branch: Profile.fields.branch,
})
export type ProfileFacts = typeof ProfileFacts.Type

/** Texts are written as JSON, and what is left out as nothing: no line can be read two ways. */
export const profileStatement = (profile: Profile, key: PublicKey): string => {
  const { at, branch, cwd, host, meshId, name, sessionId, summary } = profile
  const texts = [summary, name, cwd, host, branch].map((text) => (text === undefined ? "" : JSON.stringify(text)))
  return ["claudemesh-profile-v2", meshId, sessionId, key, at, ...texts].join("\n")
}
