/**
 * Joins a mesh by a link. Everything that can be checked is checked before anything is sent; then the member's key is
 * made and kept, certified with the invite's key, and brought to the broker. The broker learns no secret of it.
 */
import type { DisplayName, Slug } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { Clock, Effect, Result } from "effect"
import { join } from "../http/BrokerHttp.ts"
import { ConfigFile, joinedAlready, withMembership } from "../keys/ConfigFile.ts"
import { type MemberKeys, newMemberKeys } from "./NewMesh.ts"
import type { Membership } from "../keys/Membership.ts"
import { signCertificate } from "../keys/SignRecords.ts"
import { Sodium } from "../keys/Sodium.ts"
import { type InviteLink, isStillGood, verifyInviteLink } from "./InviteLink.ts"
import { type PendingJoin, pendingJoins } from "./Pending.ts"

const certified = Effect.fnUntraced(function* (
  { invite, secretKey: inviteSecretKey }: InviteLink,
  { displayName, memberId, publicKey, secretKey }: MemberKeys,
  allowV1: boolean,
) {
  const joinedAt = isoFromMillis(yield* Clock.currentTimeMillis)
  const unsigned = { invite: invite.publicKey, memberId, publicKey, displayName, allowV1, joinedAt }
  const secretKeys = { invite: inviteSecretKey, member: secretKey }
  const certificate = signCertificate(yield* Sodium, invite.meshId, unsigned, secretKeys)
  return { certificate, secretKey } satisfies PendingJoin
})

/** How the mesh is written down by the one who joins it. */
export const membershipBy = (
  { brokerUrl, invite }: InviteLink,
  { certificate, secretKey }: PendingJoin,
  slug: Slug = invite.slug,
): Membership => ({
  meshId: invite.meshId,
  memberId: certificate.memberId,
  slug,
  name: invite.meshName,
  displayName: certificate.displayName,
  pubkey: certificate.publicKey,
  secretKey,
  brokerUrl,
  joinedAt: certificate.joinedAt,
  ownerPublicKey: invite.ownerPublicKey,
  certificate,
  invite,
  ...(invite.allowUnsealed && { allowUnsealed: true }),
})

/**
 * Neither of these invites will ever be good again, so a key that waits for it is of no use; nor is one that is certified under a name
 * that somebody has.
 */
const isOver: ReadonlySet<string> = new Set(["used_up", "expired", "revoked", "name_taken"])

/** What shows that a key is a member's. */
export type MemberProof = Required<Pick<Membership, "certificate" | "invite">>

/**
 * The key is written down before it is sent, and forgotten once the membership is in the config file. A second try takes
 * the key and the name of the first, since the broker may have them already; also one that comes when all was done.
 */
export const joinMesh = Effect.fn("JoinMesh")(function* <E = never, R = never, E2 = never, R2 = never>(options: {
  readonly link: string
  readonly displayName: DisplayName
  /** One's own clients may be of v1, see `Certificate`. */
  readonly allowV1?: boolean
  /** What to call the mesh here, where its own slug is taken. */
  readonly slug?: Slug
  /** Asks the broker of a mesh that a first client joined whether the key has been certified there since. */
  readonly proofOf?: (membership: Membership) => Effect.Effect<MemberProof | undefined, E, R>
  /** Asks the person, who sees what the link says, before anything is sent. It fails where they do not want to. */
  readonly agree?: (link: InviteLink) => Effect.Effect<void, E2, R2>
}) {
  const { agree = () => Effect.void, allowV1 = false, displayName, proofOf = () => Effect.undefined } = options
  const link = yield* verifyInviteLink(options.link)
  const { brokerUrl, invite } = link
  const { meshId, ownerPublicKey, publicKey: key } = invite
  const config = yield* ConfigFile
  const isIn = (yield* config.read).some((mesh) => mesh.meshId === meshId && mesh.ownerPublicKey !== undefined)
  const isGood = yield* Effect.isSuccess(isStillGood(link))
  // Of what fails anyway nobody is asked.
  if (!isIn && isGood) yield* agree(link)
  // A first client was here: its key is kept, and proved by the owner that the link names.
  const earlier = (yield* config.read).find((mesh) => mesh.meshId === meshId && mesh.ownerPublicKey === undefined)
  const slug = options.slug ?? earlier?.slug
  const wanted = { meshId, slug: slug ?? invite.slug }
  if (earlier !== undefined) {
    const proof = yield* proofOf({ ...earlier, brokerUrl, ownerPublicKey })
    if (proof !== undefined) {
      const { certificate, invite } = proof
      const membership = membershipBy({ ...link, invite }, { certificate, secretKey: earlier.secretKey }, wanted.slug)
      yield* config.update((meshes) => Result.succeed(withMembership(meshes, membership)))
      return membership
    }
  }
  const keys =
    earlier === undefined ? newMemberKeys(displayName) : Effect.succeed({ ...earlier, publicKey: earlier.pubkey })

  yield* pendingJoins.takeOver(key, `${key.slice(0, 32)}.json`)
  const make = Effect.gen(function* () {
    yield* joinedAlready(yield* config.read, wanted)
    yield* isStillGood(link)
    return yield* certified(link, yield* keys, allowV1)
  })
  const { isNew, pending } = yield* pendingJoins.takeUp(key, make)
  // Read again: another process may have finished the same join, and forgotten it, before we made this one.
  const there = yield* joinedAlready(yield* config.read, wanted, pending.certificate.publicKey).pipe(
    Effect.tapError(() => (isNew ? pendingJoins.forgetIfAlone(key) : Effect.void)),
  )
  if (there !== undefined) return yield* Effect.as(pendingJoins.forget(key), there)

  const ask = (from: PendingJoin) => {
    const { certificate, secretKey } = from
    return Effect.as(join(brokerUrl, meshId, certificate, { publicKey: certificate.publicKey, secretKey }), from)
  }
  const joinedAs = yield* ask(pending).pipe(
    // What was made a while ago, and never arrived, is too old now: the same key is certified anew.
    Effect.catchIf(
      (error) => !isNew && error._tag === "BrokerRefused" && error.error === "bad_certificate",
      () =>
        Effect.gen(function* () {
          const { memberId, publicKey } = pending.certificate
          const keys = { memberId, displayName, publicKey, secretKey: pending.secretKey }
          const again = yield* certified(link, keys, allowV1)
          return yield* ask(yield* pendingJoins.replace(key, pending, again))
        }),
    ),
    Effect.tapError((error) => {
      if (error._tag === "BrokerUnreachable" && error.neverSent === true) return pendingJoins.forgetIfAlone(key)
      return error._tag === "BrokerRefused" && isOver.has(error.error) ? pendingJoins.forget(key) : Effect.void
    }),
  )
  const membership = membershipBy(link, joinedAs, slug)
  yield* config.update((meshes) => Result.succeed(withMembership(meshes, membership)))
  yield* pendingJoins.forget(key)
  return membership
})
