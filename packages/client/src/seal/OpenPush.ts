/**
 * A push opened. What does not open, or says something else than its frame, is data and never text (I16): the
 * agent is told that something came, from whom the broker says it came, and why it cannot be read.
 */
import { parseTarget } from "@claudemesh/domain/routing/Target"
import { Plaintext, readPlaintext } from "@claudemesh/domain/trust/Plaintext"
import type { Push } from "@claudemesh/domain/wire/BrokerFrame"
import type { SessionId } from "@claudemesh/domain/Ids"
import { Data, Option, Result } from "effect"
import type { Membership } from "../keys/Membership.ts"
import type { Sodium } from "../keys/Sodium.ts"

export type Content = Data.TaggedEnum<{
  /** `bound`: everything the broker could change is proved, too. `bare`: the sender's key and the text only. */
  Opened: { readonly text: string; readonly binding: "bound" | "bare" }
  /** The sender sealed it for something else than what the broker delivers it as. */
  Mismatch: { readonly field: Extract<Plaintext, { readonly _tag: "Mismatch" }>["field"] }
  Undecryptable: { readonly reason: "bad_key" | "not_sealed_to_us" | "not_text" | "group" }
}>
export const Content = Data.taggedEnum<Content>()

export const openPush = (
  push: Push,
  to: Pick<Membership, "meshId" | "pubkey" | "secretKey"> & { readonly sessionId: SessionId },
  sodium: typeof Sodium.Service,
): Content => {
  if (push.sealedKey !== undefined) return Content.Undecryptable({ reason: "group" })
  const sender = sodium.trust(push.senderPubkey)
  if (Result.isFailure(sender)) return Content.Undecryptable({ reason: "bad_key" })
  const bytes = sodium.open(push.ciphertext, push.nonce, sender.success, to.secretKey)
  if (Option.isNone(bytes)) return Content.Undecryptable({ reason: "not_sealed_to_us" })
  const text = decodeText(bytes.value)
  if (Option.isNone(text)) return Content.Undecryptable({ reason: "not_text" })

  // The frame agrees with the envelope; both must agree with where they arrived.
  if (push.meshId !== to.meshId) return Content.Mismatch({ field: "meshId" })
  return Plaintext.$match(readPlaintext(text.value, push), {
    Bare: ({ text }) => Content.Opened({ text, binding: "bare" }),
    Bound: ({ envelope, text }) =>
      isForUs(envelope.targetSpec, to)
        ? Content.Opened({ text, binding: "bound" })
        : Content.Mismatch({ field: "targetSpec" }),
    Mismatch: ({ field }) => Content.Mismatch({ field }),
  })
}

const isForUs = (spec: string, to: Pick<Membership, "pubkey"> & { readonly sessionId: SessionId }): boolean => {
  const target = Option.getOrUndefined(parseTarget(spec))
  if (target?._tag === "Member") return target.key === to.pubkey
  return target?._tag === "Session" && target.key === to.pubkey && target.session === to.sessionId
}

const decodeText = Option.liftThrowable((bytes: Uint8Array) =>
  new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
)
