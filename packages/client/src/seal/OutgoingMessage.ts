/** What an agent wants to say to a target, made into a frame: the text sealed to those who may read it. */
import { ClientMessageId, type MessageId } from "@claudemesh/domain/Ids"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { type DirectTarget, formatTarget, isDirect, type Target } from "@claudemesh/domain/routing/Target"
import type { Send } from "@claudemesh/domain/wire/ClientFrame"
import { Clock, Crypto, Effect, Result, Schema } from "effect"
import type { PublicMembership } from "../keys/Membership.ts"
import { type Directory, type ResolveError, resolveCertified, untrusted } from "../roster/ResolveMember.ts"
import type { Roster } from "../roster/Roster.ts"
import { doubtWords } from "../trust/MemberStanding.ts"
import type { TrustStore, CertifiedMember } from "../trust/TrustStore.ts"
import { recipientSpeaksV1, sealGroupMessage, sealMessage, type Unsealed } from "./SealMessage.ts"

/** To a group, where nobody is certified: it could be sealed to nobody. */
export class NobodyCertified extends Schema.TaggedError<NobodyCertified>()("NobodyCertified", {
  target: Schema.String,
  knowsOwner: Schema.Boolean,
}) {
  override get message() {
    const why = this.knowsOwner ? "the broker shows no member who is certified" : doubtWords.no_owner_key
    return `Nothing is sent to ${JSON.stringify(this.target)}: ${why}`
  }
}

export interface OutgoingMessage {
  /** As the agent wrote it, or resolved. */
  readonly to: string | Target
  readonly text: string
  readonly priority: Priority
  readonly replyTo?: MessageId
  /** After so long it is erased where it still waits. */
  readonly ttlSeconds?: number
}

/** The frame is made once: a resend says the same, under the same id (I7). */
export const composeSend = Effect.fnUntraced(function* (
  message: Omit<OutgoingMessage, "to"> & { readonly target: Target },
  from: Unsealed<Target>["from"] & Pick<PublicMembership, "ownerPublicKey">,
  mesh: {
    readonly roster: Roster
    readonly directory: Directory
    readonly store: TrustStore
    readonly maxMessageBytes: number
  },
) {
  const { priority, replyTo, target, text, ttlSeconds } = message
  const id = ClientMessageId.make(yield* Effect.orDie((yield* Crypto.Crypto).randomUUIDv7))
  const { store, maxMessageBytes: maxBytes, roster } = mesh
  const readersOf = (group: Target) => {
    const readers = certifiedMembers(roster, store)
    const knowsOwner = from.ownerPublicKey !== undefined
    return readers.length > 0
      ? Effect.succeed(readers)
      : Effect.fail(new NobodyCertified({ target: formatTarget(group), knowsOwner }))
  }
  const sealedAtMillis = yield* Clock.currentTimeMillis
  const unsealed = { text, priority, replyTo, id, from, maxBytes, revocations: store.version }
  const sealed = isDirect(target)
    ? yield* Effect.flatMap(recipientOf(target, mesh), (recipient) =>
        sealMessage({ ...unsealed, target }, { recipient, bare: recipientSpeaksV1(target, recipient, roster) }),
      )
    : yield* Effect.flatMap(readersOf(target), (readers) => sealGroupMessage({ ...unsealed, target }, readers))
  const frame: Send = {
    type: "send",
    id,
    targetSpec: target,
    priority,
    ...sealed,
    ...(replyTo && { replyTo }),
    ...(ttlSeconds !== undefined && { ttlSeconds }),
  }
  return { id, frame, sealedAtMillis }
})

/** Of those that the broker shows. */
export const certifiedMembers = ({ members }: Roster, store: TrustStore): ReadonlyArray<CertifiedMember> =>
  members.flatMap(({ memberId, pubkey }) => {
    const member = store.certified(pubkey, memberId)
    return Result.isSuccess(member) ? [member.success] : []
  })

const recipientOf = (
  target: DirectTarget,
  { store, directory }: { readonly store: TrustStore; readonly directory: Directory },
): Effect.Effect<CertifiedMember, ResolveError> => {
  const to = formatTarget(target)
  return Effect.fromResult(
    Result.flatMap(resolveCertified(target.key, directory), (member) =>
      Result.mapError(store.certified(target.key), (standing) => untrusted(to, { ...member, standing })),
    ),
  )
}
