/**
 * `POST /meshes`: a mesh and its first members, signed by the owner key. Open on a loopback listener; elsewhere
 * it needs the admin token, and without one it is closed. The same request again gives the same answer.
 */
import { timingSafeEqual } from "node:crypto"
import { ChainVerifier, type Verifier } from "@claudemesh/domain/trust/ChainVerifier"
import { CreateMesh, type MeshCreated } from "@claudemesh/domain/wire/HttpApi"
import { Clock, Effect, Option, Redacted, Result, Schema } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/unstable/http"
import { type BrokerConfig, isLoopback } from "../Config.ts"
import type { BrokerLimits } from "../Limits.ts"
import { MessageStore } from "../store/MessageStore.ts"
import { Ed25519 } from "../trust/Ed25519.ts"
import { type Guard, proved } from "./Guard.ts"
import { refusal, unavailable } from "./Refusal.ts"
import type { ProvedRequest } from "./SignedRequests.ts"

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(CreateMesh))

export const meshRoutes = (config: BrokerConfig, guard: Guard) =>
  HttpRouter.add(
    "POST",
    "/meshes",
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      return (
        admission(config, request.headers["authorization"]) ?? (yield* proved(guard, "POST", create(config.limits)))
      )
    }).pipe(Effect.catchTag("StoreError", () => Effect.succeed(unavailable))),
  )

const admission = (config: BrokerConfig, authorization: string | undefined) => {
  if (Option.isNone(config.adminToken)) {
    return isLoopback(config.host)
      ? undefined
      : refusal(403, "closed", "meshes can be made here only once the operator sets BROKER_ADMIN_TOKEN")
  }
  if (isLoopback(config.host)) return undefined
  const expected = Buffer.from(`Bearer ${Redacted.value(config.adminToken.value)}`)
  const given = Buffer.from(authorization ?? "")
  return given.length === expected.length && timingSafeEqual(given, expected)
    ? undefined
    : refusal(401, "unauthorized", "send Authorization: Bearer with the broker's admin token")
}

const create = ({ membersPerMeshMax }: BrokerLimits) =>
  Effect.fnUntraced(function* (request: ProvedRequest) {
    const body = decode(request.body)
    if (Result.isFailure(body)) return refusal(400, "malformed", body.failure.message)
    const { invite, members, ...mesh } = body.success
    if (members.length > membersPerMeshMax)
      return refusal(409, "full", `a mesh has ${membersPerMeshMax} members at most here`)
    const refused = doubtOf(request, body.success, yield* Ed25519)
    if (refused !== undefined) return refused

    const store = yield* MessageStore
    const records = members.map((certificate) => {
      const { displayName, memberId, publicKey } = certificate
      return { memberId, publicKey, displayName, certificate }
    })
    const outcome = yield* store.createMesh(mesh, invite, records, yield* Clock.currentTimeMillis)
    if (outcome === "conflict") return refusal(409, "conflict", "a mesh with this id is there, and is another one")
    const answer: typeof MeshCreated.Type = { meshId: mesh.meshId, slug: mesh.slug, created: outcome === "created" }
    return HttpServerResponse.jsonUnsafe(answer, { status: answer.created ? 201 : 200 })
  })

/** Why the broker does not take it. Every client looks at the records again, so what is wrong is told at once. */
const doubtOf = (request: ProvedRequest, mesh: CreateMesh, verifier: Verifier) => {
  const { allowUnsealed, invite, members, meshId, name, ownerPublicKey, slug } = mesh
  if (request.mesh !== meshId) return refusal(400, "malformed", "the request is signed for another mesh")
  if (request.key !== ownerPublicKey) return refusal(403, "forbidden", "a mesh is made by its owner's key")
  const memberIds = new Set(members.map((member) => member.memberId))
  const keys = new Set(members.map((member) => member.publicKey))
  if (memberIds.size < members.length || keys.size < members.length) {
    return refusal(400, "malformed", "two members share an id or a key")
  }
  const describesIt = invite.slug === slug && invite.meshName === name && invite.allowUnsealed === allowUnsealed
  if (!describesIt) return refusal(400, "bad_invite", "the first invite is another mesh's")
  if (invite.uses < members.length) return refusal(400, "bad_invite", "there are more members than the invite has uses")

  // It knows of no admin, so the invite is the owner's or it is nobody's.
  const register = new ChainVerifier(meshId, ownerPublicKey, verifier)
  register.learnInvite(invite)
  const doubt = register.inviteDoubt(invite)
  if (doubt !== undefined) return refusal(400, "bad_invite", `the first invite proves nothing: ${doubt}`)
  for (const certificate of members) {
    register.learnCertificate(certificate)
    const standing = register.standingOf(certificate.publicKey)
    if (standing._tag === "Uncertified") {
      const { doubt } = standing
      const code = doubt === "bad_key" ? "bad_key" : "bad_certificate"
      return refusal(400, code, `the certificate of ${certificate.displayName} proves nothing: ${doubt}`)
    }
  }
  return undefined
}
