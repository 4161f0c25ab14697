/**
 * The invites of a mesh: those that the broker lists, and those that this machine knows without it. A label is the word of
 * who signed the invite, so it counts only where that is the mesh's owner or an admin; how often one was used, and
 * whether it lets anybody in, is the broker's word.
 */
import { DisplayName, PublicKey } from "@claudemesh/domain/Ids"
import type { Invite } from "@claudemesh/domain/trust/Invite"
import type { Revocation } from "@claudemesh/domain/trust/Revocation"
import type { Doubt } from "@claudemesh/domain/trust/ChainVerifier"
import type { InviteState } from "@claudemesh/domain/wire/HttpApi"
import { Result, Schema } from "effect"
import { candidatesMax } from "../Limits.ts"
import type { TrustStore } from "../trust/TrustStore.ts"
import { beginning, findNamed, isPublicKey, type Named } from "./FindNamed.ts"

export interface InviteView {
  readonly invite: Invite
  /** Why it is nobody's word; undefined where the owner or an admin of this mesh signed it. */
  readonly doubt: Doubt | undefined
  /** Of itself, or of who signed it. */
  readonly revocation: Revocation | undefined
  /** By the broker's word; undefined where it does not list it. */
  readonly listed: Pick<InviteState, "state" | "used"> | undefined
}

export const judgeInvites = (
  listed: ReadonlyArray<InviteState>,
  store: Pick<TrustStore, "inviteStanding" | "invites">,
): ReadonlyArray<InviteView> => {
  const views = listed.map(({ invite, state, used }): InviteView => ({
    invite,
    ...store.inviteStanding(invite),
    listed: { state, used },
  }))
  const genuine = new Set(views.flatMap(({ doubt, invite }) => (doubt === undefined ? [invite.publicKey] : [])))
  const hidden = store.invites
    .filter(({ publicKey }) => !genuine.has(publicKey))
    .map((invite): InviteView => ({ invite, ...store.inviteStanding(invite), listed: undefined }))
  return [...views, ...hidden.filter(({ doubt }) => doubt === undefined)]
}

const Candidate = Schema.Struct({ name: DisplayName, key: PublicKey })

const named = (candidates: ReadonlyArray<typeof Candidate.Type>, more = 0): string => {
  const keys = candidates.map(({ key }) => key)
  const labels = candidates.map(({ key, name }) => `${name} (${beginning(key, keys)})`).join(", ")
  return more === 0 ? labels : `${labels}, and ${more} more`
}

export class UnknownInvite extends Schema.TaggedError<UnknownInvite>()("UnknownInvite", {
  asked: Schema.String,
  candidates: Schema.Array(Candidate),
  more: Schema.Int,
}) {
  override get message() {
    const invites = this.candidates.length === 0 ? "There are none." : `Invites: ${named(this.candidates, this.more)}.`
    return `There is no invite ${JSON.stringify(this.asked)}. ${invites}`
  }
}

export class AmbiguousInvite extends Schema.TaggedError<AmbiguousInvite>()("AmbiguousInvite", {
  asked: Schema.String,
  candidates: Schema.Array(Candidate),
}) {
  override get message() {
    return `${JSON.stringify(this.asked)} may be any of: ${named(this.candidates)}. Write the key instead.`
  }
}

const asNamed = ({ invite, revocation }: InviteView): Named => ({
  key: invite.publicKey,
  name: invite.label,
  isEnded: revocation !== undefined,
})

const candidate = ({ invite }: InviteView) => ({ name: invite.label, key: invite.publicKey })

/** A key alone: no invite of this mesh that is known here has it. */
export type ResolvedInvite = InviteView | PublicKey

/** By its label, its key or the beginning of that, and a whole key whatever it is. Only a signed invite is found by less. */
export const resolveInvite = (
  asked: string,
  all: ReadonlyArray<InviteView>,
): Result.Result<ResolvedInvite, UnknownInvite | AmbiguousInvite> => {
  // A broker may list one twice.
  const byKey = new Map(
    all.flatMap((view) => (view.doubt === undefined ? [[view.invite.publicKey, view] as const] : [])),
  )
  const genuine = [...byKey.values()]
  const [only, ...others] = findNamed(asked, genuine, asNamed)
  if (only !== undefined && others.length === 0) return Result.succeed(only)
  if (only !== undefined) {
    return Result.fail(new AmbiguousInvite({ asked, candidates: [only, ...others].map(candidate) }))
  }
  if (isPublicKey(asked)) return Result.succeed(asked)
  const open = genuine.filter(({ revocation }) => revocation === undefined)
  return Result.fail(
    new UnknownInvite({
      asked,
      candidates: open.slice(0, candidatesMax).map(candidate),
      more: Math.max(0, open.length - candidatesMax),
    }),
  )
}
