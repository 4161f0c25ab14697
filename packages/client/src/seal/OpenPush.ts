/**
 * A push opened. What does not open, or says something else than its frame, is data and never text (I16): the
 * agent is told that something came, from whom the broker says it came, and why it cannot be read.
 */
import { isDirect, parseTarget, type Target } from "@claudemesh/domain/routing/Target"
import { type GroupPlaintext, readGroupMessage } from "@claudemesh/domain/trust/GroupMessage"
import { type Envelope, Plaintext, readPlaintext } from "@claudemesh/domain/trust/Plaintext"
import type { Base64 } from "@claudemesh/domain/Base64"
import type { Push } from "@claudemesh/domain/wire/BrokerFrame"
import type { SessionId } from "@claudemesh/domain/Ids"
import type { IsoTime } from "@claudemesh/domain/IsoTime"
import { Data, Option, Result } from "effect"
import type { Membership } from "../keys/Membership.ts"
import type { Sodium } from "../keys/Sodium.ts"
import { openAsReader } from "./SealToMany.ts"

export type Content = Data.TaggedEnum<{
  /**
   * `bound`: everything the broker could change is proved, too. `bare`: the sender's key and the text only.
   * `clear`: nothing at all is proved, and the broker may have read it, or written it.
   */
  Opened: {
    readonly text: string
    readonly binding: "bound" | "bare" | "clear"
    /** Of what is bound: the sender's time, and how many revocations it knew of. */
    readonly sentAt?: IsoTime
    readonly revocations?: number
  }
  /**
   * The sender sealed it for something else than what the broker delivers it as. `sentAt`: so long ago that this is a copy
   * that was kept. `downgraded`: bare text, which the sender's clients never seal to us.
   */
  Mismatch: { readonly field: Extract<Plaintext, { readonly _tag: "Mismatch" }>["field"] | "sentAt" | "downgraded" }
  /**
   * `not_signed`: a group's content key opened it, and another than its sender wrote it. `unsealed`: it came in clear, and
   * this mesh takes sealed messages only.
   */
  Undecryptable: { readonly reason: "bad_key" | "not_sealed_to_us" | "not_text" | "not_signed" | "unsealed" }
}>
export const Content = Data.taggedEnum<Content>()

type Reader = Pick<Membership, "meshId" | "pubkey" | "secretKey" | "allowUnsealed"> & { readonly sessionId: SessionId }

/** Whether it was sealed to one or to many has to be what its target says. */
export const openPush = (push: Push, to: Reader, sodium: typeof Sodium.Service): Content => {
  const target = Option.getOrUndefined(Option.flatMap(Option.fromUndefinedOr(push.targetSpec), parseTarget))
  const isGroup = target !== undefined && !isDirect(target)
  if (push.sealedKey !== undefined) {
    return isGroup ? openGroup(push, push.sealedKey, to, sodium) : Content.Mismatch({ field: "targetSpec" })
  }
  const opened = openDirect(push, target, to, sodium)
  // In a group, what was sealed to us alone is a direct message that was moved there.
  if (!isGroup || opened._tag === "Opened" || opened._tag === "Mismatch") return opened
  return to.allowUnsealed === true ? readClear(push, to) : Content.Undecryptable({ reason: "unsealed" })
}

const openDirect = (push: Push, target: Target | undefined, to: Reader, sodium: typeof Sodium.Service): Content => {
  const sender = sodium.trust(push.senderPubkey)
  if (Result.isFailure(sender)) return Content.Undecryptable({ reason: "bad_key" })
  const bytes = sodium.open(push.ciphertext, push.nonce, sender.success, to.secretKey)
  if (Option.isNone(bytes)) return Content.Undecryptable({ reason: "not_sealed_to_us" })
  const text = decodeText(bytes.value)
  if (Option.isNone(text)) return Content.Undecryptable({ reason: "not_text" })
  // The frame agrees with the envelope; both must agree with where they arrived.
  if (push.meshId !== to.meshId) return Content.Mismatch({ field: "meshId" })
  return Plaintext.$match(readPlaintext(text.value, push), {
    // It names no target; one sealed to us alone was not said to a group.
    Bare: ({ text }) =>
      target !== undefined && !isDirect(target)
        ? Content.Mismatch({ field: "targetSpec" })
        : Content.Opened({ text, binding: "bare" }),
    Bound: ({ envelope }) =>
      target !== undefined && isForUs(target, to) ? bound(envelope) : Content.Mismatch({ field: "targetSpec" }),
    Mismatch: ({ field }) => Content.Mismatch({ field }),
  })
}

/** Who is in a group is not sealed: that we were meant is the broker's word, that it was said to this group is not. */
const openGroup = (push: Push, sealedKey: Base64, to: Reader, sodium: typeof Sodium.Service): Content => {
  const bytes = openAsReader({ nonce: push.nonce, ciphertext: push.ciphertext, sealedKey }, to, sodium)
  if (Option.isNone(bytes)) return Content.Undecryptable({ reason: "not_sealed_to_us" })
  const text = decodeText(bytes.value)
  if (Option.isNone(text)) return Content.Undecryptable({ reason: "not_text" })
  if (push.meshId !== to.meshId) return Content.Mismatch({ field: "meshId" })
  return groupContent(readGroupMessage(text.value, push, sodium.verify))
}

const groupContent = (read: GroupPlaintext): Content => {
  switch (read._tag) {
    case "Bound":
      return bound(read.envelope)
    case "Mismatch":
      return Content.Mismatch({ field: read.field })
    case "NotSigned":
      return Content.Undecryptable({ reason: "not_signed" })
  }
}

const bound = ({ revocations, sentAt, text }: Envelope): Content =>
  Content.Opened({ text, binding: "bound", sentAt, ...(revocations !== undefined && { revocations }) })

const readClear = (push: Push, to: Reader): Content => {
  if (push.meshId !== to.meshId) return Content.Mismatch({ field: "meshId" })
  return Option.match(decodeText(Buffer.from(push.ciphertext, "base64")), {
    onNone: () => Content.Undecryptable({ reason: "not_text" }),
    onSome: (text) => Content.Opened({ text, binding: "clear" }),
  })
}

const isForUs = (target: Target, to: Pick<Membership, "pubkey"> & { readonly sessionId: SessionId }): boolean => {
  if (target._tag === "Member") return target.key === to.pubkey
  return target._tag === "Session" && target.key === to.pubkey && target.session === to.sessionId
}

const decodeText = Option.liftThrowable((bytes: Uint8Array) =>
  new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
)
