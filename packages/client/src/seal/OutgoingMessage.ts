/** What an agent wants to say, made into a frame: whom it means, found in the roster, and the text sealed to them. */
import { ClientMessageId, type MessageId } from "@claudemesh/domain/Ids"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { isDirect, type Target } from "@claudemesh/domain/routing/Target"
import { encodeClientFrame } from "@claudemesh/domain/wire/ClientFrame"
import { Crypto, Effect } from "effect"
import { resolveTarget } from "../roster/ResolveTarget.ts"
import type { Roster } from "../roster/Roster.ts"
import type { TrustedKeys } from "../roster/TrustedKeys.ts"
import { recipientSpeaksV1, sealGroupMessage, sealMessage, type Unsealed } from "./SealMessage.ts"

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
  from: Unsealed<Target>["from"],
  mesh: { readonly roster: Roster; readonly keys: TrustedKeys; readonly maxMessageBytes: number },
) {
  const { priority, replyTo, text, to } = message
  const target = typeof to === "string" ? yield* Effect.fromResult(resolveTarget(to, mesh.roster)) : to
  const id = ClientMessageId.make(yield* Effect.orDie((yield* Crypto.Crypto).randomUUIDv7))
  const unsealed = { text, priority, replyTo, id, from, maxBytes: mesh.maxMessageBytes }
  const sealed = isDirect(target)
    ? yield* sealMessage(
        { ...unsealed, target },
        {
          recipient: yield* Effect.fromResult(mesh.keys.of(target.key)),
          bare: recipientSpeaksV1(target, mesh.roster),
        },
      )
    : yield* sealGroupMessage({ ...unsealed, target }, mesh.keys.usable(mesh.roster.members))
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
