/**
 * The bodies of the broker's HTTP requests and answers. Every request that changes something is signed as
 * `trust/SignedRequest.ts` says; who signs it is said here for each.
 */
import { Schema } from "effect"
import { DisplayName, MemberId, MeshId, PublicKey, SessionId, Slug } from "../Ids.ts"
import { membersPerMeshMax } from "../Limits.ts"
import { Certificate } from "../trust/Certificate.ts"
import { Invite } from "../trust/Invite.ts"

/** `POST /meshes`: a mesh and its first members, who came by its first invite. Signed by the owner's key. */
export const CreateMesh = Schema.Struct({
  meshId: MeshId,
  slug: Slug,
  name: DisplayName,
  ownerPublicKey: PublicKey,
  allowUnsealed: Schema.Boolean,
  invite: Invite,
  members: Schema.Array(Certificate).check(Schema.isMaxLength(membersPerMeshMax)),
})
export type CreateMesh = typeof CreateMesh.Type

export const MeshCreated = Schema.Struct({ meshId: MeshId, slug: Slug, created: Schema.Boolean })

/** `POST /invites`: the body is an `Invite`, signed by its issuer. `created` is false when it was there already. */
export const InviteAdded = Schema.Struct({ publicKey: PublicKey, created: Schema.Boolean })

/** `POST /join`, signed by the key that joins. */
export const Join = Schema.Struct({ certificate: Certificate })

/** `created` is false when the very same key had joined already. */
export const Joined = Schema.Struct({ memberId: MemberId, created: Schema.Boolean })

/** `GET /invites`, signed by the owner or an admin. */
export const InviteState = Schema.Struct({
  invite: Invite,
  used: Schema.Int,
  state: Schema.Literals(["open", "used_up", "expired", "revoked"]),
})
export type InviteState = typeof InviteState.Type
export const Invites = Schema.Struct({ invites: Schema.Array(InviteState) })

/** `POST /revocations`: the body is a `Revocation`, signed by who revokes. */
export const Revoked = Schema.Struct({ version: Schema.Int })

const orNull = <S extends Schema.Constraint>(field: S) => Schema.optionalKey(Schema.NullOr(field))

/**
 * `POST /hook/set-status`, signed by the member whose session it is; `session_id` is the session's on the wire. The names of the
 * fields are those of the first clients, whose hooks sign nothing and may name a folder and a process instead.
 */
export const HookReport = Schema.Struct({
  status: Schema.Literals(["idle", "working"]),
  // A script writes null for what it could not find out.
  session_id: orNull(SessionId),
  cwd: orNull(Schema.String.check(Schema.isMaxLength(4096))),
  pid: orNull(Schema.Int),
})
export type HookReport = typeof HookReport.Type

export const HookTaken = Schema.Struct({ ok: Schema.Literal(true) })

export const Health = Schema.Struct({
  status: Schema.Literals(["ok", "degraded"]),
  version: Schema.String,
  gitSha: Schema.String,
  /** Seconds since the start. */
  uptime: Schema.Int,
  db: Schema.Literals(["up", "down"]),
})

export const HttpError = Schema.Struct({ error: Schema.String, message: Schema.String })
