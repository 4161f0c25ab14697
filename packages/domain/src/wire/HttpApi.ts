/**
 * The bodies of the broker's HTTP requests and answers, each answer with its status. Every request that changes something is
 * signed as `trust/SignedRequest.ts` says; who signs it is said here for each. Which path has which body is in `HttpRoutes.ts`.
 */
import { Schema } from "effect"
import { DisplayName, MemberId, MeshId, PublicKey, SessionId, Slug } from "../Ids.ts"
import { membersPerMeshMax } from "../Limits.ts"
import { Certificate } from "../trust/Certificate.ts"
import { Invite } from "../trust/Invite.ts"

/** 201: something was made. 200: the very same was there already. */
const madeOrThere = <Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Union([
    Schema.Struct({ ...fields, created: Schema.Literal(true) }).annotate({ httpApiStatus: 201 }),
    Schema.Struct({ ...fields, created: Schema.Literal(false) }).annotate({ httpApiStatus: 200 }),
  ])

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

export const MeshCreated = madeOrThere({ meshId: MeshId, slug: Slug })

/** `POST /invites`: the body is an `Invite`, signed by its issuer. */
export const InviteAdded = madeOrThere({ publicKey: PublicKey })

/** `POST /join`, signed by the key that joins. */
export const Join = Schema.Struct({ certificate: Certificate })

/** `created` is false when the very same key had joined already. */
export const Joined = madeOrThere({ memberId: MemberId })

/** `GET /invites`, signed by the owner or an admin. */
export const InviteState = Schema.Struct({
  invite: Invite,
  used: Schema.Int,
  state: Schema.Literals(["open", "used_up", "expired", "revoked"]),
})
export type InviteState = typeof InviteState.Type
export const Invites = Schema.Struct({ invites: Schema.Array(InviteState) })

/** `POST /revocations`: the body is a `Revocation`, signed by who revokes. */
export const Revoked = Schema.Struct({ version: Schema.Int }).annotate({ httpApiStatus: 201 })

/** `POST /moves`: the body is a `MeshMoved`, brought by its owner or by any member. */
export const MoveTaken = Schema.Struct({ version: Schema.Int })

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

const healthWith = <Status extends string, Db extends string>(status: Status, db: Db) =>
  Schema.Struct({
    status: Schema.Literal(status),
    version: Schema.String,
    gitSha: Schema.String,
    /** Seconds since the start. */
    uptime: Schema.Int,
    db: Schema.Literal(db),
  })

export const Health = Schema.Union([
  healthWith("ok", "up").annotate({ httpApiStatus: 200 }),
  healthWith("degraded", "down").annotate({ httpApiStatus: 503 }),
])

export const Ready = Schema.Union([
  Schema.Struct({ ready: Schema.Literal(true) }).annotate({ httpApiStatus: 200 }),
  Schema.Struct({ ready: Schema.Literal(false) }).annotate({ httpApiStatus: 503 }),
])

/** As a client reads it: a broker may be newer, and have codes that it does not know. */
export const HttpError = Schema.Struct({ error: Schema.String, message: Schema.String })
