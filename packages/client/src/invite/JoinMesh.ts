/**
 * Joins a mesh by a link. Everything that can be checked is checked before anything is sent; then the member's key is
 * made and kept, certified with the invite's key, and brought to the broker. The broker learns no secret of it.
 */
import type { DisplayName, Slug } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { Clock, Effect } from "effect"
import { join } from "../http/BrokerHttp.ts"
import { AlreadyJoined, type Memberships } from "../keys/ConfigFile.ts"
import { type MemberKeys, newMemberKeys } from "./CreateMesh.ts"
import type { Membership } from "../keys/Membership.ts"
import { signCertificate } from "../keys/SignRecords.ts"
import { Sodium } from "../keys/Sodium.ts"
import { type InviteLink, isStillGood, verifyInviteLink } from "./InviteLink.ts"
import { forget, type PendingJoin, replace, takeUp } from "./PendingJoin.ts"

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

/** Neither of these invites will ever be good again, so a key that waits for it is of no use. */
const isOver: ReadonlySet<string> = new Set(["used_up", "expired", "revoked"])

/**
 * `keep` writes the membership down; only then is what was kept for a second try forgotten. A second try takes the key
 * and the name of the first, since the broker may have them already.
 */
export const joinMesh = Effect.fn("JoinMesh")(function* <A, E, R>(
  options: {
    readonly link: string
    readonly displayName: DisplayName
    /** One's own clients may be of v1, see `Certificate`. */
    readonly allowV1?: boolean
    /** What to call the mesh here, where its own slug is taken. */
    readonly slug?: Slug
    /** The meshes that are joined already. */
    readonly joined: Memberships
    /** Of the config file. */
    readonly directory: string
  },
  keep: (membership: Membership) => Effect.Effect<A, E, R>,
) {
  const { allowV1 = false, directory, displayName, joined, slug } = options
  const link = yield* verifyInviteLink(options.link)
  const { brokerUrl, invite } = link
  const { meshId, publicKey } = invite
  yield* isFree(joined, { meshId, slug: slug ?? invite.slug })

  const make = isStillGood(link).pipe(
    Effect.andThen(newMemberKeys(displayName)),
    Effect.flatMap((keys) => certified(link, keys, allowV1)),
  )
  const { isNew, pending } = yield* takeUp(directory, publicKey, make)
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
          yield* replace(directory, again)
          return yield* ask(again)
        }),
    ),
    Effect.tapError((error) =>
      error._tag === "BrokerRefused" && isOver.has(error.error) ? forget(directory, publicKey) : Effect.void,
    ),
  )
  const membership = membershipBy(link, joinedAs, slug)
  yield* keep(membership)
  yield* forget(directory, publicKey)
  return membership
})

const isFree = (joined: Memberships, { meshId, slug }: Pick<Membership, "meshId" | "slug">) => {
  const same = joined.find((mesh) => mesh.meshId === meshId)
  if (same !== undefined) return Effect.fail(new AlreadyJoined({ slug: same.slug, meshId, taken: "meshId" }))
  return joined.some((mesh) => mesh.slug === slug)
    ? Effect.fail(new AlreadyJoined({ slug, meshId, taken: "slug" }))
    : Effect.void
}
