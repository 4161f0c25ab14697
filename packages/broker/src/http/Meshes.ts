/**
 * `POST /meshes`: a mesh and its first members, signed by the owner key. Open on a loopback listener; elsewhere
 * it needs the admin token, and without one it is closed. The same request again gives the same answer.
 */
import { timingSafeEqual } from "node:crypto"
import { createMeshStatement } from "@claudemesh/domain/trust/CreateMeshStatement"
import { CreateMesh } from "@claudemesh/domain/wire/HttpApi"
import { Clock, Effect, Option, Redacted, Result, Schema } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/unstable/http"
import { type BrokerConfig, isLoopback } from "../Config.ts"
import { MessageStore } from "../store/MessageStore.ts"
import { Ed25519 } from "../trust/Ed25519.ts"

const refusal = (status: number, error: string, message: string) =>
  HttpServerResponse.jsonUnsafe({ error, message }, { status })

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(CreateMesh))

export const meshRoutes = (config: BrokerConfig) =>
  HttpRouter.add(
    "POST",
    "/meshes",
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const closed = admission(config, request.headers["authorization"])
      if (closed !== undefined) return closed
      // A web page can post a form or plain text to a loopback port, but not this type.
      if (!(request.headers["content-type"] ?? "").startsWith("application/json")) {
        return refusal(415, "unsupported_media_type", "send application/json")
      }
      const body = decode(yield* request.text)
      if (Result.isFailure(body)) return refusal(400, "malformed", body.failure.message)
      return yield* create(body.success)
    }).pipe(
      Effect.catchTags({
        StoreError: () =>
          Effect.succeed(refusal(503, "unavailable", "the broker cannot reach its database; try again")),
        HttpServerError: () => Effect.succeed(refusal(400, "malformed", "the body could not be read")),
      }),
    ),
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

const create = Effect.fnUntraced(function* (request: CreateMesh) {
  const { isUsableKey, verify } = yield* Ed25519
  const { signature, ...mesh } = request
  if (!verify(createMeshStatement(mesh), signature, mesh.ownerPublicKey)) {
    return refusal(401, "bad_signature", "the signature is not the owner key's over this mesh")
  }
  const memberIds = new Set(mesh.members.map((member) => member.memberId))
  const keys = new Set(mesh.members.map((member) => member.publicKey))
  if (memberIds.size < mesh.members.length || keys.size < mesh.members.length) {
    return refusal(400, "malformed", "two members share an id or a key")
  }
  const unusable = mesh.members.find((member) => !isUsableKey(member.publicKey))
  if (unusable !== undefined) return refusal(400, "bad_key", `the key of ${unusable.displayName} is no valid point`)

  const store = yield* MessageStore
  const outcome = yield* store.createMesh(
    {
      meshId: mesh.meshId,
      slug: mesh.slug,
      name: mesh.name,
      ownerPublicKey: mesh.ownerPublicKey,
      allowUnsealed: mesh.allowUnsealed ?? false,
    },
    mesh.members,
    yield* Clock.currentTimeMillis,
  )
  if (outcome === "conflict") return refusal(409, "conflict", "a mesh with this id is there, and is another one")
  const created = outcome === "created"
  return HttpServerResponse.jsonUnsafe(
    { meshId: mesh.meshId, slug: mesh.slug, created },
    { status: created ? 201 : 200 },
  )
})
