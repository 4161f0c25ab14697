/**
 * The broker's HTTP API as the client uses it: making a mesh, letting others in and out of it, and asking whether the
 * broker is well. Whoever asks signs each request with a key of its own. The same request again gives the same answer.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import type { Certificate } from "@claudemesh/domain/trust/Certificate"
import { Invite } from "@claudemesh/domain/trust/Invite"
import { Revocation } from "@claudemesh/domain/trust/Revocation"
import { type RequestFacts, signatureHeader } from "@claudemesh/domain/trust/SignedRequest"
import {
  CreateMesh,
  Health,
  HttpError,
  InviteAdded,
  Invites,
  Join,
  Joined,
  MeshCreated,
  Revoked,
} from "@claudemesh/domain/wire/HttpApi"
import { Effect, Option, type Redacted, Schema, Stream } from "effect"
import * as FetchHttpClient from "effect/unstable/http/FetchHttpClient"
import * as HttpClient from "effect/unstable/http/HttpClient"
import * as HttpClientRequest from "effect/unstable/http/HttpClientRequest"
import { brokerWords } from "../connection/BrokerWords.ts"
import type { KeyPair } from "../keys/Sodium.ts"
import { httpAnswerBytesMax, httpTimeoutMillis } from "../Limits.ts"
import { type BrokerUrl, httpOriginOf } from "../keys/BrokerUrl.ts"
import { signRequest } from "./SignRequest.ts"

/** No answer, or one that no broker gives. */
export class BrokerUnreachable extends Schema.TaggedError<BrokerUnreachable>()("BrokerUnreachable", {
  url: Schema.String,
  reason: Schema.String,
  /** No connection came to be, so nothing of the request has arrived anywhere. Absent where that is not certain. */
  neverSent: Schema.optionalKey(Schema.Boolean),
}) {
  override get message() {
    return `no broker answers at ${this.url}: ${this.reason}`
  }
}

/** What a person can do about a refusal, where the broker's own words do not say so. */
const remedies: Readonly<Record<string, string>> = {
  stale: "set the clock of this machine, it is more than a minute off",
  replayed: "do it again",
  forbidden: "ask the mesh's owner or an admin to do it",
  bad_invite: "ask for another link",
  used_up: "ask for another link",
  expired: "ask for another link",
  revoked: "ask the mesh's owner",
  unknown_mesh: "is this the broker that the mesh was made on? If it is, ask for another link",
  name_taken:
    "join under another name with --as. If that member is you on another machine, export your identity there and import it here; if its key is lost, have it revoked first",
  rate_limited: "wait a moment and do it again",
  unavailable: "do it again later",
}

export class BrokerRefused extends Schema.TaggedError<BrokerRefused>()("BrokerRefused", {
  status: Schema.Int,
  error: Schema.String,
  explanation: Schema.String,
}) {
  get remedy(): string | undefined {
    return Object.hasOwn(remedies, this.error) ? remedies[this.error] : undefined
  }
  override get message() {
    const said = `the broker refused (${this.error}): ${this.explanation}`
    return this.remedy === undefined ? said : `${said}; ${this.remedy}`
  }
}

const asJson = <A>(schema: Schema.Codec<A, unknown>) => ({
  encode: Schema.encodeSync(Schema.fromJsonString(schema)),
  decode: Schema.decodeUnknownOption(Schema.fromJsonString(schema)),
})

const encodeMesh = asJson(CreateMesh).encode
const encodeInvite = asJson(Invite).encode
const encodeJoin = asJson(Join).encode
const encodeRevocation = asJson(Revocation).encode
const decodeCreated = asJson(MeshCreated).decode
const decodeAdded = asJson(InviteAdded).decode
const decodeInvites = asJson(Invites).decode
const decodeJoined = asJson(Joined).decode
const decodeRevoked = asJson(Revoked).decode
const decodeHealth = asJson(Health).decode
const decodeError = asJson(HttpError).decode

export const createMesh = Effect.fn("BrokerHttp.createMesh")(function* (
  brokerUrl: BrokerUrl,
  mesh: CreateMesh,
  owner: KeyPair,
  adminToken?: Redacted.Redacted,
) {
  const facts = { method: "POST", path: "/meshes", body: encodeMesh(mesh) } as const
  const authorized = (request: HttpClientRequest.HttpClientRequest) =>
    adminToken === undefined ? request : HttpClientRequest.bearerToken(request, adminToken)
  return yield* signedExchange(brokerUrl, facts, mesh.meshId, owner, decodeCreated, authorized)
})

/** `issuer`: the key that signed the invite. */
export const addInvite = Effect.fn("BrokerHttp.addInvite")(function* (
  brokerUrl: BrokerUrl,
  invite: Invite,
  issuer: KeyPair,
) {
  const facts = { method: "POST", path: "/invites", body: encodeInvite(invite) } as const
  return yield* signedExchange(brokerUrl, facts, invite.meshId, issuer, decodeAdded)
})

/** The owner's key asks, or an admin's. */
export const listInvites = Effect.fn("BrokerHttp.listInvites")(function* (
  brokerUrl: BrokerUrl,
  meshId: MeshId,
  asker: KeyPair,
) {
  const facts = { method: "GET", path: "/invites", body: "" } as const
  return (yield* signedExchange(brokerUrl, facts, meshId, asker, decodeInvites)).invites
})

/** `member`: the keys that the certificate is for. */
export const join = Effect.fn("BrokerHttp.join")(function* (
  brokerUrl: BrokerUrl,
  meshId: MeshId,
  certificate: Certificate,
  member: KeyPair,
) {
  const facts = { method: "POST", path: "/join", body: encodeJoin({ certificate }) } as const
  return yield* signedExchange(brokerUrl, facts, meshId, member, decodeJoined)
})

/** `by`: the key that signed the revocation. */
export const revoke = Effect.fn("BrokerHttp.revoke")(function* (
  brokerUrl: BrokerUrl,
  revocation: Revocation,
  by: KeyPair,
) {
  const facts = { method: "POST", path: "/revocations", body: encodeRevocation(revocation) } as const
  return yield* signedExchange(brokerUrl, facts, revocation.meshId, by, decodeRevoked)
})

/** `origin` as `httpOriginOf` gives it. Also of a broker that answers 503 since its database is away. */
export const health = Effect.fn("BrokerHttp.health")(function* (origin: string) {
  return yield* exchange(HttpClientRequest.get(`${origin}/health`), decodeHealth)
})

const signedExchange = <A>(
  brokerUrl: BrokerUrl,
  facts: Pick<RequestFacts, "method" | "path" | "body">,
  mesh: MeshId,
  signer: KeyPair,
  decode: (text: string) => Option.Option<A>,
  more: (request: HttpClientRequest.HttpClientRequest) => HttpClientRequest.HttpClientRequest = (request) => request,
) => {
  const { body, method, path } = facts
  const url = `${httpOriginOf(brokerUrl)}${path}`
  const unsigned = more(
    method === "GET"
      ? HttpClientRequest.get(url)
      : HttpClientRequest.bodyText(HttpClientRequest.post(url), body, "application/json"),
  )
  const attempt = Effect.flatMap(signRequest(brokerUrl, facts, mesh, signer), (proof) =>
    exchange(HttpClientRequest.setHeader(unsigned, signatureHeader, proof), decode),
  )
  // A broker that has just been started takes nothing that was signed before.
  return Effect.catchTag(attempt, "BrokerRefused", (refused) =>
    refused.status === 401 && refused.error === "stale" ? attempt : Effect.fail(refused),
  )
}

const isNoConnection = (cause: unknown): boolean =>
  cause instanceof Error && "code" in cause && (cause.code === "ECONNREFUSED" || cause.code === "ENOTFOUND")

const exchange = <A>(request: HttpClientRequest.HttpClientRequest, decode: (text: string) => Option.Option<A>) =>
  Effect.gen(function* () {
    const response = yield* HttpClient.execute(request)
    const bytes = Stream.limitBytes(response.stream, httpAnswerBytesMax, () => Stream.empty)
    const text = yield* Stream.mkString(Stream.decodeText(bytes))
    const answer = decode(text)
    if (Option.isSome(answer)) return answer.value
    const refusal = decodeError(text)
    if (Option.isSome(refusal)) {
      const { error, message } = refusal.value
      return yield* new BrokerRefused({
        status: response.status,
        error: brokerWords(error),
        explanation: brokerWords(message),
      })
    }
    return yield* new BrokerUnreachable({
      url: request.url,
      reason: `status ${response.status}, and no broker's answer`,
    })
  }).pipe(
    // What is signed is for this broker, and no broker sends us on to another host, or to one of this machine's ports.
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "error" }),
    Effect.catchTag("HttpClientError", ({ message, reason }) =>
      Effect.fail(
        new BrokerUnreachable({
          url: request.url,
          reason: reason._tag === "TransportError" ? "it cannot be reached" : message,
          neverSent: isNoConnection(reason.cause),
        }),
      ),
    ),
    Effect.timeoutOrElse({
      duration: httpTimeoutMillis,
      orElse: () => Effect.fail(new BrokerUnreachable({ url: request.url, reason: "no answer in time" })),
    }),
  )
