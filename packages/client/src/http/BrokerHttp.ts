/**
 * The broker's HTTP API as the client uses it: making a mesh, letting others in and out of it, and asking whether the
 * broker is well. Whoever asks signs each request with a key of its own. The same request again gives the same answer.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import type { MeshId } from "@claudemesh/domain/Ids"
import type { Certificate } from "@claudemesh/domain/trust/Certificate"
import type { Invite } from "@claudemesh/domain/trust/Invite"
import type { MeshMoved } from "@claudemesh/domain/trust/MeshMoved"
import type { Revocation } from "@claudemesh/domain/trust/Revocation"
import { signatureHeader } from "@claudemesh/domain/trust/SignedRequest"
import { type CreateMesh, HttpError } from "@claudemesh/domain/wire/HttpApi"
import { type HttpRoute, HttpRoutes } from "@claudemesh/domain/wire/HttpRoutes"
import { Clock, Effect, Option, type Redacted, Schema, Stream } from "effect"
import * as FetchHttpClient from "effect/unstable/http/FetchHttpClient"
import * as HttpClient from "effect/unstable/http/HttpClient"
import * as HttpClientRequest from "effect/unstable/http/HttpClientRequest"
import { brokerWords } from "../connection/BrokerWords.ts"
import { BrokerPatience, noticed } from "../connection/Patience.ts"
import { proxyFor, proxySettings } from "../connection/Proxy.ts"
import {
  byStatus,
  maySoonBeReached,
  notInTime,
  Unreached,
  unreachedBy,
  unreachedFrom,
} from "../connection/Unreached.ts"
import type { KeyPair } from "../keys/Sodium.ts"
import { httpAnswerBytesMax, httpRetryMillis } from "../Limits.ts"
import { type BrokerUrl, httpOriginOf } from "../keys/BrokerUrl.ts"
import { signRequest } from "./SignRequest.ts"

/** No answer, or one that no broker gives. */
export class BrokerUnreachable extends Schema.TaggedError<BrokerUnreachable>()("BrokerUnreachable", {
  url: Schema.String,
  reason: Schema.String,
  /** No connection came to be, so nothing of the request has arrived anywhere. Absent where that is not certain. */
  neverSent: Schema.optionalKey(Schema.Boolean),
  unreached: Unreached,
}) {
  override get message() {
    return `no broker answers at ${this.url}: ${this.reason}`
  }
}

/** What a person can do about a refusal, where the broker's own words do not say so. */
const remedies: Readonly<Record<string, string>> = {
  stale: "Set the clock of this machine, it is more than a minute off.",
  replayed: "Do it again.",
  forbidden: "Ask the mesh's owner or an admin to do it.",
  bad_invite: "Ask for another link.",
  used_up: "Ask for another link.",
  expired: "Ask for another link.",
  revoked: "Ask the mesh's owner.",
  unknown_mesh: "Is this the broker that the mesh was made on? If it is, ask for another link.",
  name_taken:
    "Join under another name with --as. If that member is you on another machine, export your identity there and import it here; if its key is lost, have it revoked first.",
  rate_limited: "Wait a moment and do it again.",
  unavailable: "Do it again later.",
}

export class BrokerRefused extends Schema.TaggedError<BrokerRefused>()("BrokerRefused", {
  status: Schema.Int,
  error: Schema.String,
  explanation: Schema.String,
}) {
  get what() {
    const isPlain = this.error === "name_taken"
    return isPlain ? `The name ${this.explanation}` : `the broker refused (${this.error}): ${this.explanation}`
  }
  get hint(): string | undefined {
    return Object.hasOwn(remedies, this.error) ? remedies[this.error] : undefined
  }
  override get message() {
    return withHint(this)
  }
}

interface Call<Body, Answer> {
  readonly method: HttpRoute["method"]
  readonly path: HttpRoute["path"]
  readonly encode: (body: Body) => string
  readonly decode: (text: string) => Option.Option<Answer>
}

/** What of a route is used here: made once, since a schema is compiled where it is first used. */
const callOf = <Body, Answer>(
  { answer, method, path }: HttpRoute & { readonly answer: Schema.Codec<Answer, unknown> },
  encode: Call<Body, Answer>["encode"],
): Call<Body, Answer> => ({ method, path, encode, decode: decoderOf(answer) })

const decoderOf = <A>(schema: Schema.Codec<A, unknown>) => Schema.decodeUnknownOption(Schema.fromJsonString(schema))
const encoderOf = <A>(schema: Schema.Codec<A, unknown>) => Schema.encodeSync(Schema.fromJsonString(schema))
const noBody = () => ""

const calls = {
  createMesh: callOf(HttpRoutes.createMesh, encoderOf(HttpRoutes.createMesh.body)),
  addInvite: callOf(HttpRoutes.addInvite, encoderOf(HttpRoutes.addInvite.body)),
  listInvites: callOf(HttpRoutes.listInvites, noBody),
  join: callOf(HttpRoutes.join, encoderOf(HttpRoutes.join.body)),
  revoke: callOf(HttpRoutes.revoke, encoderOf(HttpRoutes.revoke.body)),
  move: callOf(HttpRoutes.move, encoderOf(HttpRoutes.move.body)),
}
const decodeHealth = decoderOf(HttpRoutes.health.answer)
const decodeError = decoderOf(HttpError)

export const createMesh = Effect.fn("BrokerHttp.createMesh")(function* (
  brokerUrl: BrokerUrl,
  mesh: CreateMesh,
  owner: KeyPair,
  adminToken?: Redacted.Redacted,
) {
  const authorized = (request: HttpClientRequest.HttpClientRequest) =>
    adminToken === undefined ? request : HttpClientRequest.bearerToken(request, adminToken)
  return yield* signedExchange(brokerUrl, calls.createMesh, mesh, mesh.meshId, owner, authorized)
})

/** `issuer`: the key that signed the invite. */
export const addInvite = Effect.fn("BrokerHttp.addInvite")(function* (
  brokerUrl: BrokerUrl,
  invite: Invite,
  issuer: KeyPair,
) {
  return yield* signedExchange(brokerUrl, calls.addInvite, invite, invite.meshId, issuer)
})

/** The owner's key asks, or an admin's. */
export const listInvites = Effect.fn("BrokerHttp.listInvites")(function* (
  brokerUrl: BrokerUrl,
  meshId: MeshId,
  asker: KeyPair,
) {
  return (yield* signedExchange(brokerUrl, calls.listInvites, undefined, meshId, asker)).invites
})

/** `member`: the keys that the certificate is for. */
export const join = Effect.fn("BrokerHttp.join")(function* (
  brokerUrl: BrokerUrl,
  meshId: MeshId,
  certificate: Certificate,
  member: KeyPair,
) {
  return yield* signedExchange(brokerUrl, calls.join, { certificate }, meshId, member)
})

/** `by`: the key that signed the revocation. */
export const revoke = Effect.fn("BrokerHttp.revoke")(function* (
  brokerUrl: BrokerUrl,
  revocation: Revocation,
  by: KeyPair,
) {
  return yield* signedExchange(brokerUrl, calls.revoke, revocation, revocation.meshId, by)
})

/** `by`: the owner's key, or a member's that brings it. */
export const bringMove = Effect.fn("BrokerHttp.bringMove")(function* (
  brokerUrl: BrokerUrl,
  moved: MeshMoved,
  by: KeyPair,
) {
  return yield* signedExchange(brokerUrl, calls.move, moved, moved.meshId, by)
})

/** `origin` as `httpOriginOf` gives it. Also of a broker that answers 503 since its database is away. */
export const health = Effect.fn("BrokerHttp.health")(function* (origin: string) {
  const { millis } = yield* BrokerPatience
  return yield* exchangeOnce(HttpClientRequest.get(`${origin}${HttpRoutes.health.path}`), decodeHealth, millis)
})

const signedExchange = <Body, Answer>(
  brokerUrl: BrokerUrl,
  { decode, encode, method, path }: Call<Body, Answer>,
  content: Body,
  mesh: MeshId,
  signer: KeyPair,
  more: (request: HttpClientRequest.HttpClientRequest) => HttpClientRequest.HttpClientRequest = (request) => request,
) => {
  const facts = { method, path, body: encode(content) }
  const url = `${httpOriginOf(brokerUrl)}${path}`
  const unsigned = more(
    method === "GET"
      ? HttpClientRequest.get(url)
      : HttpClientRequest.bodyText(HttpClientRequest.post(url), facts.body, "application/json"),
  )
  const signed = Effect.map(signRequest(brokerUrl, facts, mesh, signer), (proof) =>
    HttpClientRequest.setHeader(unsigned, signatureHeader, proof),
  )
  const attempt = noticed(`Waiting for the broker at ${brokerUrl} to answer.`)(exchange(signed, decode))
  // A broker that has just been started takes nothing that was signed before.
  return Effect.catchTag(attempt, "BrokerRefused", (refused) =>
    refused.status === 401 && refused.error === "stale" ? attempt : Effect.fail(refused),
  )
}

/** Nothing of the request has left: whoever answers at all may have done what it asks. */
const neverSent: ReadonlySet<Unreached["cause"]> = new Set(["refused", "unknown_host", "no_dns", "no_route", "tls"])

const unreachable = (unreached: Unreached) =>
  new BrokerUnreachable({
    url: unreached.url,
    reason: unreached.words,
    unreached,
    neverSent: neverSent.has(unreached.cause),
  })

const exchangeOnce = Effect.fnUntraced(function* <A>(
  request: HttpClientRequest.HttpClientRequest,
  decode: (text: string) => Option.Option<A>,
  leftMillis: number,
  millis = leftMillis,
) {
  const { url } = request
  const proxy = proxyFor(url, yield* proxySettings)
  return yield* Effect.gen(function* () {
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
    return yield* unreachable(
      response.status === 407 && proxy !== undefined
        ? unreachedFrom({ message: "proxy: 407" }, url, proxy)
        : response.status < 400
          ? unreachedBy("no_broker", url, "something answers there that is not a broker")
          : byStatus(url, response.status),
    )
  }).pipe(
    // What is signed is for this broker, and no broker sends us on to another host, or to one of this machine's ports.
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "error", ...throughProxy(proxy) }),
    Effect.catchTag("HttpClientError", ({ reason }) =>
      Effect.fail(unreachable(unreachedFrom(reason.cause ?? reason, url, proxy))),
    ),
    // Who waited is told how long, all tries together.
    Effect.timeoutOrElse({ duration: leftMillis, orElse: () => Effect.fail(unreachable(notInTime(url, millis))) }),
  )
})

/** Bun would read the environment by itself, and send what is for this machine to a proxy as well. */
const throughProxy = (proxy: string | undefined): RequestInit => {
  const init: BunFetchRequestInit = { proxy: proxy ?? false }
  return init
}

/** `makeRequest`: anew for each try, since a proof is good for one. A broker that is starting is asked again until it is up. */
const exchange = <A, R>(
  makeRequest: Effect.Effect<HttpClientRequest.HttpClientRequest, never, R>,
  decode: (text: string) => Option.Option<A>,
) =>
  Effect.gen(function* () {
    const { millis } = yield* BrokerPatience
    const endMillis = (yield* Clock.currentTimeMillis) + millis
    const attempt: Effect.Effect<A, BrokerRefused | BrokerUnreachable, R | HttpClient.HttpClient> = Effect.gen(
      function* () {
        const leftMillis = endMillis - (yield* Clock.currentTimeMillis)
        return yield* exchangeOnce(yield* makeRequest, decode, Math.max(1, leftMillis), millis)
      },
    ).pipe(
      Effect.catchTag("BrokerUnreachable", (error) =>
        Effect.flatMap(Clock.currentTimeMillis, (nowMillis) =>
          maySoonBeReached(error.unreached) && nowMillis + httpRetryMillis < endMillis
            ? Effect.andThen(Effect.sleep(httpRetryMillis), attempt)
            : Effect.fail(error),
        ),
      ),
    )
    return yield* attempt
  })
