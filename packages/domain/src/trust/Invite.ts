/**
 * What an owner or an admin signs so that others may join. Whoever holds the invite's secret key, which only the link
 * carries, can certify members with it: as many as it has uses, until it expires, in the role it gives. Uses are
 * counted by the broker; everything else is checked by every client (`ChainVerifier.ts`).
 */
import { Schema } from "effect"
import { DisplayName, MeshId, PublicKey, Signature, Slug } from "../Ids.ts"
import { IsoTime } from "../IsoTime.ts"

/** `owner`: the mesh's maker. An admin may invite members and revoke; only the owner's key makes admins. */
export const Role = Schema.Literals(["owner", "admin", "member"])
export type Role = typeof Role.Type

export const inviteUsesMax = 1_000

export const Invite = Schema.Struct({
  meshId: MeshId,
  slug: Slug,
  meshName: DisplayName,
  /** The mesh takes group messages in clear, as the first clients send them. */
  allowUnsealed: Schema.Boolean,
  ownerPublicKey: PublicKey,
  /** Where to join, such as `wss://mesh.example.com/ws`. It is signed so that no link can lead elsewhere. */
  brokerUrl: Schema.String.check(Schema.isPattern(/^wss?:\/\/[!-~]{1,256}$/, { expected: "a broker's URL" })),
  publicKey: PublicKey,
  role: Role,
  uses: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: inviteUsesMax })),
  expiresAt: IsoTime,
  /** What the inviter calls it in lists. */
  label: DisplayName,
  /** The owner's key, or an admin's member key. */
  issuer: PublicKey,
  signature: Signature,
})
export type Invite = typeof Invite.Type

/** No field can hold a newline, so the lines cannot be read two ways. */
export const inviteStatement = (invite: Omit<Invite, "signature">): string =>
  [
    "claudemesh-invite-v1",
    invite.meshId,
    invite.slug,
    invite.meshName,
    invite.allowUnsealed ? "allow-unsealed" : "sealed-only",
    invite.ownerPublicKey,
    invite.brokerUrl,
    invite.publicKey,
    invite.role,
    invite.uses,
    invite.expiresAt,
    invite.label,
    invite.issuer,
  ].join("\n")
