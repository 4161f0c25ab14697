/**
 * Makes a new mesh: its id, the owner's keys, the members' keys, and the request that a broker takes. Its first members
 * come by an invite like everybody after them, one of the owner's, so that their proof is of the same kind. The secret
 * half of that invite is dropped as soon as they are certified.
 */
import { type DisplayName, MemberId, MeshId, type Slug } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import type { Certificate } from "@claudemesh/domain/trust/Certificate"
import type { Role } from "@claudemesh/domain/trust/Invite"
import type { CreateMesh } from "@claudemesh/domain/wire/HttpApi"
import { Clock, Effect } from "effect"
import type { BrokerUrl } from "../keys/BrokerUrl.ts"
import { firstInviteMillis } from "../Limits.ts"
import type { Membership } from "../keys/Membership.ts"
import { randomBytes, randomHex } from "../keys/RandomBytes.ts"
import { signCertificate, signInvite } from "../keys/SignRecords.ts"
import { type KeyPair, Sodium } from "../keys/Sodium.ts"

/** Who is to be a member, with the keys that it has there. */
export interface MemberKeys extends KeyPair {
  readonly memberId: MemberId
  readonly displayName: DisplayName
}

export interface NewMesh {
  readonly request: CreateMesh
  readonly brokerUrl: BrokerUrl
  readonly owner: KeyPair
  /** In the order that they were given in. */
  readonly members: ReadonlyArray<MemberKeys & { readonly certificate: Certificate }>
}

/** A new mesh as one of its members joins it. */
export const membershipIn = (
  { brokerUrl, request }: Pick<NewMesh, "brokerUrl" | "request">,
  { certificate, displayName, memberId, publicKey, secretKey }: NewMesh["members"][number],
): Membership => ({
  meshId: request.meshId,
  memberId,
  slug: request.slug,
  name: request.name,
  displayName,
  pubkey: publicKey,
  secretKey,
  brokerUrl,
  joinedAt: certificate.joinedAt,
  ownerPublicKey: request.ownerPublicKey,
  certificate,
  invite: request.invite,
  ...(request.invite.allowUnsealed && { allowUnsealed: true }),
})

export const newKeyPair = Effect.gen(function* () {
  return (yield* Sodium).keyPairFromSeed(yield* randomBytes(32))
})

export const newMemberKeys = Effect.fnUntraced(function* (displayName: DisplayName) {
  return { memberId: MemberId.make(yield* randomHex(8)), displayName, ...(yield* newKeyPair) } satisfies MemberKeys
})

export const newMesh = Effect.fnUntraced(function* (options: {
  readonly slug: Slug
  readonly name: DisplayName
  readonly brokerUrl: BrokerUrl
  /** A name of somebody new, or the keys of who has some already. */
  readonly members: ReadonlyArray<DisplayName | MemberKeys>
  /** What the first members are: the one who makes a mesh is its owner, and test members are members. */
  readonly role: Role
  /** The first members may use clients of v1, see `Certificate`. */
  readonly allowV1: boolean
  readonly allowUnsealed?: boolean
}) {
  const sodium = yield* Sodium
  const { allowUnsealed = false, allowV1, brokerUrl, name, role, slug } = options
  const nowMillis = yield* Clock.currentTimeMillis
  const joinedAt = isoFromMillis(nowMillis)
  const meshId = MeshId.make(yield* randomHex(16))
  const owner = yield* newKeyPair
  const { publicKey, secretKey } = yield* newKeyPair
  const keys = yield* Effect.forEach(options.members, (member) =>
    typeof member === "string" ? newMemberKeys(member) : Effect.succeed(member),
  )
  const invite = signInvite(
    sodium,
    {
      meshId,
      slug,
      meshName: name,
      allowUnsealed,
      ownerPublicKey: owner.publicKey,
      brokerUrl,
      publicKey,
      role,
      uses: Math.max(1, keys.length),
      expiresAt: isoFromMillis(nowMillis + firstInviteMillis),
      label: name,
      issuer: owner.publicKey,
    },
    owner.secretKey,
  )
  const members = keys.map((member) => {
    const { displayName, memberId } = member
    const certificate = { invite: publicKey, memberId, publicKey: member.publicKey, displayName, allowV1, joinedAt }
    return {
      ...member,
      certificate: signCertificate(sodium, meshId, certificate, { invite: secretKey, member: member.secretKey }),
    }
  })
  const request: CreateMesh = {
    meshId,
    slug,
    name,
    ownerPublicKey: owner.publicKey,
    allowUnsealed,
    invite,
    members: members.map(({ certificate }) => certificate),
  }
  return { request, brokerUrl, owner, members } satisfies NewMesh
})
