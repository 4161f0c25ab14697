/**
 * The broker's HTTP API: each request's method and path, the body that it takes and the one it is answered with. The broker
 * makes its `HttpApi` of it, and the client its calls. It is plain data, so that a client does not load a server's libraries.
 */
import { Schema } from "effect"
import { Invite } from "../trust/Invite.ts"
import { MeshMoved } from "../trust/MeshMoved.ts"
import { Revocation } from "../trust/Revocation.ts"
import {
  CreateMesh,
  Health,
  HookReport,
  HookTaken,
  InviteAdded,
  Invites,
  Join,
  Joined,
  MeshCreated,
  MoveTaken,
  Ready,
  Revoked,
} from "./HttpApi.ts"

export interface HttpRoute {
  readonly method: "GET" | "POST"
  readonly path: `/${string}`
  /** Of a `POST`, as JSON. */
  readonly body?: Schema.Codec<unknown, unknown>
  readonly answer: Schema.Codec<unknown, unknown>
}

export const HttpRoutes = {
  createMesh: { method: "POST", path: "/meshes", body: CreateMesh, answer: MeshCreated },
  addInvite: { method: "POST", path: "/invites", body: Invite, answer: InviteAdded },
  listInvites: { method: "GET", path: "/invites", answer: Invites },
  join: { method: "POST", path: "/join", body: Join, answer: Joined },
  revoke: { method: "POST", path: "/revocations", body: Revocation, answer: Revoked },
  move: { method: "POST", path: "/moves", body: MeshMoved, answer: MoveTaken },
  reportStatus: { method: "POST", path: "/hook/set-status", body: HookReport, answer: HookTaken },
  /** Of a broker whose database is away, too. */
  health: { method: "GET", path: "/health", answer: Health },
  ready: { method: "GET", path: "/ready", answer: Ready },
  /** Pages for a person, as HTML. */
  statusPage: { method: "GET", path: "/", answer: Schema.String },
  joinPage: { method: "GET", path: "/join", answer: Schema.String },
} as const satisfies Readonly<Record<string, HttpRoute>>
