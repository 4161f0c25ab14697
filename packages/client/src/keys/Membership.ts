/** One joined mesh, as the config file holds it: who we are there, our keys, and where its broker is. */
import { DisplayName, MemberId, MeshId, PublicKey, SecretKey, Slug } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { Certificate } from "@claudemesh/domain/trust/Certificate"
import { Invite } from "@claudemesh/domain/trust/Invite"
import { Schema } from "effect"
import { BrokerUrl } from "../http/BrokerUrl.ts"

export const Membership = Schema.Struct({
  meshId: MeshId,
  memberId: MemberId,
  slug: Slug,
  /** The mesh's name. */
  name: DisplayName,
  /** Ours in this mesh. */
  displayName: DisplayName,
  pubkey: PublicKey,
  secretKey: SecretKey,
  brokerUrl: BrokerUrl,
  joinedAt: IsoTime,
  /** Of the mesh's owner; the secret one only where the mesh was made. */
  ownerPublicKey: Schema.optionalKey(PublicKey),
  ownerSecretKey: Schema.optionalKey(SecretKey),
  /** The mesh takes group messages in clear, as the first clients send them. Without it such a message is not shown. */
  allowUnsealed: Schema.optionalKey(Schema.Boolean),
  /** Our proof, and the invite that it stands on. Who joined with one of the first clients has none. */
  certificate: Schema.optionalKey(Certificate),
  invite: Schema.optionalKey(Invite),
})
export type Membership = typeof Membership.Type
