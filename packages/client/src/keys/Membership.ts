/** One joined mesh, as the config file holds it: who we are there, our keys, and where its broker is. */
import { DisplayName, MemberId, MeshId, PublicKey, Slug } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { Certificate } from "@claudemesh/domain/trust/Certificate"
import { Invite } from "@claudemesh/domain/trust/Invite"
import { MeshMoved } from "@claudemesh/domain/trust/MeshMoved"
import { Schema, Struct } from "effect"
import { BrokerUrl } from "./BrokerUrl.ts"
import { HiddenKey } from "./HiddenKey.ts"

/** Without the secret keys: what a client hands to its callers. */
export const PublicMembership = Schema.Struct({
  meshId: MeshId,
  memberId: MemberId,
  slug: Slug,
  /** The mesh's name. */
  name: DisplayName,
  /** Ours in this mesh. */
  displayName: DisplayName,
  pubkey: PublicKey,
  brokerUrl: BrokerUrl,
  joinedAt: IsoTime,
  /** Of the mesh's owner. */
  ownerPublicKey: Schema.optionalKey(PublicKey),
  /** The mesh takes group messages in clear, as the first clients send them. Without it such a message is not shown. */
  allowUnsealed: Schema.optionalKey(Schema.Boolean),
  /** Sessions tell its members nothing of where they run. */
  tells: Schema.optionalKey(Schema.Literal("nothing")),
  /** The last word of the owner on where the mesh is, that was followed: none before it is followed again. */
  moved: Schema.optionalKey(MeshMoved),
  /** Our proof, and the invite that it stands on. Who joined with one of the first clients has none. */
  certificate: Schema.optionalKey(Certificate),
  invite: Schema.optionalKey(Invite),
})
export type PublicMembership = typeof PublicMembership.Type

export const Membership = Schema.Struct({
  ...PublicMembership.fields,
  secretKey: HiddenKey,
  /** Only where the mesh was made. */
  ownerSecretKey: Schema.optionalKey(HiddenKey),
})
export type Membership = typeof Membership.Type

export const withoutSecrets = (membership: Membership): PublicMembership =>
  Struct.omit(membership, ["secretKey", "ownerSecretKey"])
