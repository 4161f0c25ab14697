/** Makes an invite of a mesh that we own, or are an admin of: its keys, its signature and its link. Nothing is sent. */
import { withHint } from "@claudemesh/domain/WithHint"
import { DisplayName } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import type { Invite, Role } from "@claudemesh/domain/trust/Invite"
import { Clock, Effect, Schema } from "effect"
import { newKeyPair } from "./NewMesh.ts"
import type { Membership } from "../keys/Membership.ts"
import { signInvite } from "../keys/SignRecords.ts"
import { type KeyPair, Sodium } from "../keys/Sodium.ts"
import { formatInviteLink, type Issuer } from "./InviteLink.ts"

/** Neither owner nor admin, or not known to be one: nobody would believe the invite. */
export class MayNotInvite extends Schema.TaggedError<MayNotInvite>()("MayNotInvite", { slug: Schema.String }) {
  get what() {
    return `only the owner of ${this.slug} and its admins may invite and revoke.`
  }
  get hint() {
    return "Ask one of them."
  }
  override get message() {
    return withHint(this)
  }
}

export class OnlyOwnerMakesAdmins extends Schema.TaggedError<OnlyOwnerMakesAdmins>()("OnlyOwnerMakesAdmins", {
  slug: Schema.String,
}) {
  override get message() {
    return `an admin can invite members only; the owner of ${this.slug} makes admins, on the machine that has the owner's key`
  }
}

export interface NewInvite {
  readonly invite: Invite
  readonly link: string
  /** Whose signature the invite bears, and the request that brings it to the broker. */
  readonly signer: KeyPair
}

/** With which key we may sign invites, and revocations of others, and what proves that we may. */
export const authorityIn = Effect.fnUntraced(function* (membership: Membership) {
  const { certificate, invite, ownerPublicKey, ownerSecretKey, pubkey, secretKey, slug } = membership
  if (ownerPublicKey !== undefined && ownerSecretKey !== undefined) {
    return { as: "owner", ownerPublicKey, signer: { publicKey: ownerPublicKey, secretKey: ownerSecretKey } } as const
  }
  if (certificate !== undefined && invite !== undefined && ownerPublicKey !== undefined && invite.role !== "member") {
    const issuer: Issuer = { certificate, invite }
    return { as: "admin", ownerPublicKey, signer: { publicKey: pubkey, secretKey }, issuer } as const
  }
  return yield* new MayNotInvite({ slug })
})

export const newInvite = Effect.fn("NewInvite.make")(function* (
  membership: Membership,
  options: {
    readonly role: Exclude<Role, "owner">
    readonly uses: number
    readonly validMillis: number
    /** What it is called in lists; the mesh's name where it is called nothing. */
    readonly label?: DisplayName
  },
) {
  const { allowUnsealed = false, brokerUrl, invite: own, meshId, name, slug } = membership
  const authority = yield* authorityIn(membership)
  if (authority.as === "admin" && options.role !== "member") return yield* new OnlyOwnerMakesAdmins({ slug })
  const { publicKey, secretKey } = yield* newKeyPair
  const nowMillis = yield* Clock.currentTimeMillis
  const invite = signInvite(
    yield* Sodium,
    {
      meshId,
      // What we call a mesh ourselves may be another name than its own.
      slug: own?.slug ?? slug,
      meshName: own?.meshName ?? name,
      allowUnsealed: own?.allowUnsealed ?? allowUnsealed,
      ownerPublicKey: authority.ownerPublicKey,
      brokerUrl,
      publicKey,
      role: options.role,
      uses: options.uses,
      expiresAt: isoFromMillis(nowMillis + options.validMillis),
      label: options.label ?? name,
      issuer: authority.signer.publicKey,
    },
    authority.signer.secretKey,
  )
  const link = formatInviteLink({
    invite,
    brokerUrl,
    secretKey,
    ...(authority.as === "admin" && { issuer: authority.issuer }),
  })
  return { invite, link, signer: authority.signer } satisfies NewInvite
})
