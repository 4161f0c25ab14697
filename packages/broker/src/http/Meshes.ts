/**
 * `POST /meshes`: a mesh and its first members, signed by the owner key. Open on a loopback listener; elsewhere
 * it needs the admin token, and without one it is closed. The same request again gives the same answer.
 */
import { timingSafeEqual } from "node:crypto"
import { ChainVerifier, type Verifier } from "@claudemesh/domain/trust/ChainVerifier"
import type { CreateMesh } from "@claudemesh/domain/wire/HttpApi"
import { Clock, Effect, Layer, Option, Redacted } from "effect"
import * as HttpServerRequest from "effect/unstable/http/HttpServerRequest"
import * as HttpApiBuilder from "effect/unstable/httpapi/HttpApiBuilder"
import { type BrokerConfig, isLoopback } from "../Config.ts"
import type { BrokerLimits } from "../Limits.ts"
import { MessageStore } from "../store/MessageStore.ts"
import { Ed25519 } from "../trust/Ed25519.ts"
import { BrokerApi, Founder, Proof } from "./Api.ts"
import { type Refusal, refuse, unavailable } from "./Refusal.ts"
import type { ProvedRequest } from "./SignedRequests.ts"

export const meshRoutes = ({ limits }: BrokerConfig) =>
  HttpApiBuilder.group(BrokerApi, "meshes", (routes) =>
    routes.handle("createMesh", ({ payload }) =>
      Effect.flatMap(Proof, (proof) => create(limits, proof, payload)).pipe(Effect.catchTag("StoreError", unavailable)),
    ),
  )

/** Looked at before anything else of the request. */
export const founderLayer = (config: BrokerConfig) =>
  Layer.succeed(
    Founder,
    Founder.of((handled) =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
        Effect.andThen(admission(config, headers["authorization"]), handled),
      ),
    ),
  )

const admission = (
  config: BrokerConfig,
  authorization: string | undefined,
): Effect.Effect<void, Refusal<"closed" | "unauthorized">> => {
  if (isLoopback(config.host)) return Effect.void
  if (Option.isNone(config.adminToken)) {
    return refuse("closed", "meshes can be made here only once the operator sets BROKER_ADMIN_TOKEN")
  }
  const expected = Buffer.from(`Bearer ${Redacted.value(config.adminToken.value)}`)
  const given = Buffer.from(authorization ?? "")
  return given.length === expected.length && timingSafeEqual(given, expected)
    ? Effect.void
    : refuse("unauthorized", "send Authorization: Bearer with the broker's admin token")
}

const create = Effect.fnUntraced(function* (
  { membersPerMeshMax }: BrokerLimits,
  request: ProvedRequest,
  body: CreateMesh,
) {
  const { invite, members, ...mesh } = body
  if (members.length > membersPerMeshMax) {
    return yield* refuse("full", `a mesh has ${membersPerMeshMax} members at most here`)
  }
  const doubt = doubtOf(request, body, yield* yield* Ed25519)
  if (doubt !== undefined) return yield* Effect.fail(doubt)

  const store = yield* MessageStore
  const records = members.map((certificate) => {
    const { displayName, memberId, publicKey } = certificate
    return { memberId, publicKey, displayName, certificate }
  })
  const outcome = yield* store.createMesh(mesh, invite, records, yield* Clock.currentTimeMillis)
  if (outcome === "conflict") return yield* refuse("conflict", "a mesh with this id is there, and is another one")
  return { meshId: mesh.meshId, slug: mesh.slug, created: outcome === "created" }
})

type Code = "malformed" | "forbidden" | "bad_invite" | "bad_key" | "bad_certificate"
const doubtful = (error: Code, message: string): Refusal<Code> => ({ error, message })

/** Why the broker does not take it. Every client looks at the records again, so what is wrong is told at once. */
const doubtOf = (request: ProvedRequest, mesh: CreateMesh, verifier: Verifier) => {
  const { allowUnsealed, invite, members, meshId, name, ownerPublicKey, slug } = mesh
  if (request.mesh !== meshId) return doubtful("malformed", "the request is signed for another mesh")
  if (request.key !== ownerPublicKey) return doubtful("forbidden", "a mesh is made by its owner's key")
  const memberIds = new Set(members.map((member) => member.memberId))
  const keys = new Set(members.map((member) => member.publicKey))
  if (memberIds.size < members.length || keys.size < members.length) {
    return doubtful("malformed", "two members share an id or a key")
  }
  const describesIt = invite.slug === slug && invite.meshName === name && invite.allowUnsealed === allowUnsealed
  if (!describesIt) return doubtful("bad_invite", "the first invite is another mesh's")
  if (invite.uses < members.length) return doubtful("bad_invite", "there are more members than the invite has uses")

  // It knows of no admin, so the invite is the owner's or it is nobody's.
  const register = new ChainVerifier(meshId, ownerPublicKey, verifier)
  register.learnInvite(invite)
  const doubt = register.inviteDoubt(invite)
  if (doubt !== undefined) return doubtful("bad_invite", `the first invite proves nothing: ${doubt}`)
  for (const certificate of members) {
    register.learnCertificate(certificate)
    const standing = register.standingOf(certificate.publicKey)
    if (standing._tag === "Uncertified") {
      const { doubt } = standing
      const code = doubt === "bad_key" ? "bad_key" : "bad_certificate"
      return doubtful(code, `the certificate of ${certificate.displayName} proves nothing: ${doubt}`)
    }
  }
  return undefined
}
