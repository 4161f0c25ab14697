/** The bodies of the broker's HTTP requests and answers. */
import { Schema } from "effect"
import { DisplayName, MemberId, MeshId, PublicKey, Signature, Slug } from "../Ids.ts"

export const NewMember = Schema.Struct({ memberId: MemberId, publicKey: PublicKey, displayName: DisplayName })
export type NewMember = typeof NewMember.Type

/** `POST /meshes`: a mesh and its first members, signed by the owner key over `trust/CreateMeshStatement.ts`. */
export const CreateMesh = Schema.Struct({
  meshId: MeshId,
  slug: Slug,
  name: DisplayName,
  ownerPublicKey: PublicKey,
  allowUnsealed: Schema.optionalKey(Schema.Boolean),
  members: Schema.Array(NewMember).check(Schema.isMaxLength(100)),
  signature: Signature,
})
export type CreateMesh = typeof CreateMesh.Type

export const MeshCreated = Schema.Struct({ meshId: MeshId, slug: Slug, created: Schema.Boolean })

export const Health = Schema.Struct({
  status: Schema.Literals(["ok", "degraded"]),
  version: Schema.String,
  gitSha: Schema.String,
  /** Seconds since the start. */
  uptime: Schema.Int,
  db: Schema.Literals(["up", "down"]),
})

export const HttpError = Schema.Struct({ error: Schema.String, message: Schema.String })
