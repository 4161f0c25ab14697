/** Meshes and their members as they come to be, without a broker: made by an owner, and joined by links. */
import { hash } from "node:crypto"
import { DisplayName, Slug } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { Clock, Effect } from "effect"
import { BrokerUrl } from "../../src/keys/BrokerUrl.ts"
import { parseInviteLink } from "../../src/invite/InviteLink.ts"
import { membershipBy } from "../../src/invite/JoinMesh.ts"
import { newInvite } from "../../src/invite/NewInvite.ts"
import { membershipIn, newMemberKeys, newMesh } from "../../src/invite/NewMesh.ts"
import type { Membership } from "../../src/keys/Membership.ts"
import { signCertificate } from "../../src/keys/SignRecords.ts"
import { Sodium } from "../../src/keys/Sodium.ts"

export const brokerUrl = BrokerUrl.make("wss://mesh.example.com/team/ws")

/** The one who made the mesh, with the owner's key. */
export const owner = Effect.fnUntraced(function* (slug = "team") {
  const mesh = yield* newMesh({
    slug: Slug.make(slug),
    name: DisplayName.make(`The mesh “${slug}”`),
    brokerUrl,
    members: [DisplayName.make("Olga")],
    role: "owner",
    allowV1: false,
  })
  const [self] = mesh.members
  if (self === undefined) return yield* Effect.die("a mesh without members")
  return { ...membershipIn(mesh, self), ownerSecretKey: mesh.owner.secretKey } satisfies Membership
})

export const hourMillis = 3_600_000
export const forMembers = { role: "member", uses: 3, validMillis: hourMillis } as const
export const forAdmins = { role: "admin", uses: 1, validMillis: hourMillis } as const

/** Whoever the link lets in, with keys of their own. */
export const joinedBy = Effect.fnUntraced(function* (text: string, name: string) {
  const sodium = yield* Sodium
  const link = yield* parseInviteLink(text)
  const { displayName, memberId, publicKey, secretKey } = yield* newMemberKeys(DisplayName.make(name))
  const joinedAt = isoFromMillis(yield* Clock.currentTimeMillis)
  const unsigned = { invite: link.invite.publicKey, memberId, publicKey, displayName, allowV1: false, joinedAt }
  const certificate = signCertificate(sodium, link.invite.meshId, unsigned, {
    invite: link.secretKey,
    member: secretKey,
  })
  return membershipBy(link, { certificate, secretKey })
})

export const adminOf = Effect.fnUntraced(function* (of: Membership, name = "Ada") {
  return yield* joinedBy((yield* newInvite(of, forAdmins)).link, name)
})

/** What somebody does who changes a link on purpose. */
export const withChecksum = (link: string): string => {
  const text = link.slice(0, link.lastIndexOf("."))
  const checksum = hash("sha256", `claudemesh-invite-link\n${text}`, "hex").slice(0, 12)
  return `${text}.${Buffer.from(checksum, "hex").toString("base64url")}`
}
