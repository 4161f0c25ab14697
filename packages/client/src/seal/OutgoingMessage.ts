/** What an agent wants to say, made into a frame: whom it means, found in the roster, and the text sealed to them. */
import { ClientMessageId, type MessageId } from "@claudemesh/domain/Ids"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { type DirectTarget, formatTarget, isDirect, type Target } from "@claudemesh/domain/routing/Target"
import { encodeClientFrame } from "@claudemesh/domain/wire/ClientFrame"
import { Crypto, Effect, Result } from "effect"
import { type Directory, type ResolveError, memberCalled, untrusted } from "../roster/ResolveMember.ts"
import { resolveTarget } from "../roster/ResolveTarget.ts"
import type { Roster } from "../roster/Roster.ts"
import type { TrustBook, VerifiedMember } from "../trust/TrustBook.ts"
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
  mesh: {
    readonly roster: Roster
    readonly directory: Directory
    readonly book: TrustBook
    readonly maxMessageBytes: number
  },
) {
  const { priority, replyTo, text, to } = message
  const target = typeof to === "string" ? yield* Effect.fromResult(resolveTarget(to, mesh.directory)) : to
  const id = ClientMessageId.make(yield* Effect.orDie((yield* Crypto.Crypto).randomUUIDv7))
  const { book, maxMessageBytes: maxBytes, roster } = mesh
  const unsealed = { text, priority, replyTo, id, from, maxBytes, revocations: book.version }
  const sealed = isDirect(target)
    ? yield* Effect.flatMap(recipientOf(target, mesh), (recipient) =>
        sealMessage({ ...unsealed, target }, { recipient, bare: recipientSpeaksV1(target, recipient, roster) }),
      )
    : yield* sealGroupMessage({ ...unsealed, target }, verifiedMembers(roster, book))
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

/** Of those that the broker shows. */
export const verifiedMembers = ({ members }: Roster, book: TrustBook): ReadonlyArray<VerifiedMember> =>
  members.flatMap(({ memberId, pubkey }) => {
    const member = book.verified(pubkey, memberId)
    return Result.isSuccess(member) ? [member.success] : []
  })

const recipientOf = (
  target: DirectTarget,
  { book, directory }: { readonly book: TrustBook; readonly directory: Directory },
): Effect.Effect<VerifiedMember, ResolveError> => {
  const to = formatTarget(target)
  return Effect.fromResult(
    Result.flatMap(memberCalled(target.key, directory), (member) =>
      Result.mapError(book.verified(target.key), (standing) => untrusted(to, { ...member, standing })),
    ),
  )
}
