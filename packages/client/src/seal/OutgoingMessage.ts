/** What an agent wants to say, made into a frame: whom it means, found in the roster, and the text sealed to them. */
import { ClientMessageId, type MessageId, type SessionId } from "@claudemesh/domain/Ids"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { formatTarget, isDirect, type Target } from "@claudemesh/domain/routing/Target"
import { encodeClientFrame } from "@claudemesh/domain/wire/ClientFrame"
import { Crypto, Effect, Schema } from "effect"
import type { Membership } from "../keys/Membership.ts"
import { resolveTarget } from "../roster/ResolveTarget.ts"
import type { Roster } from "../roster/Roster.ts"
import type { TrustedKeys } from "../roster/TrustedKeys.ts"
import { recipientSpeaksV1, sealMessage } from "./SealMessage.ts"

/** Channels, tags and `*` cannot be sealed to yet. */
export class UnsupportedTarget extends Schema.TaggedError<UnsupportedTarget>()("UnsupportedTarget", {
  target: Schema.String,
}) {
  override get message() {
    return `${this.target} is a group; messages go to one member or session for now`
  }
}

export interface OutgoingMessage {
  /** As the agent wrote it, or resolved. */
  readonly to: string | Target
  readonly text: string
  readonly priority: Priority
  readonly replyTo?: MessageId
}

/** The frame's text is made once: a resend says the same, under the same id (I7). */
export const composeSend = Effect.fnUntraced(function* (
  message: OutgoingMessage,
  from: Pick<Membership, "meshId" | "secretKey"> & { readonly sessionId: SessionId },
  mesh: { readonly roster: Roster; readonly keys: TrustedKeys; readonly maxMessageBytes: number },
) {
  const { priority, replyTo, text, to } = message
  const target = typeof to === "string" ? yield* Effect.fromResult(resolveTarget(to, mesh.roster)) : to
  if (!isDirect(target)) return yield* new UnsupportedTarget({ target: formatTarget(target) })
  const recipient = yield* Effect.fromResult(mesh.keys.of(target.key))
  const id = ClientMessageId.make(yield* Effect.orDie((yield* Crypto.Crypto).randomUUIDv7))
  const bare = recipientSpeaksV1(target, mesh.roster)
  const sealed = yield* sealMessage({
    text,
    target,
    recipient,
    bare,
    priority,
    replyTo,
    id,
    from,
    maxBytes: mesh.maxMessageBytes,
  })
  const frame = encodeClientFrame({
    type: "send",
    id,
    targetSpec: target,
    priority,
    ...sealed,
    ...(replyTo && { replyTo }),
  })
  return { id, target, frame }
})
