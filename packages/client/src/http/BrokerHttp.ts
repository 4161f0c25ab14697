/** The broker's HTTP API as the client uses it: making a mesh, and asking whether the broker is well. */
import { CreateMesh, Health, HttpError, MeshCreated } from "@claudemesh/domain/wire/HttpApi"
import { Effect, Option, Redacted, Schema } from "effect"
import * as HttpClient from "effect/unstable/http/HttpClient"
import * as HttpClientRequest from "effect/unstable/http/HttpClientRequest"
import { httpTimeoutMillis } from "../Limits.ts"

/** No answer, or one that no broker gives. */
export class BrokerUnreachable extends Schema.TaggedError<BrokerUnreachable>()("BrokerUnreachable", {
  url: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `no broker answers at ${this.url}: ${this.reason}`
  }
}

export class BrokerRefused extends Schema.TaggedError<BrokerRefused>()("BrokerRefused", {
  status: Schema.Int,
  error: Schema.String,
  explanation: Schema.String,
}) {
  override get message() {
    return `the broker refused (${this.error}): ${this.explanation}`
  }
}

const encodeMesh = Schema.encodeSync(CreateMesh)
const decodeCreated = Schema.decodeUnknownOption(Schema.fromJsonString(MeshCreated))
const decodeHealth = Schema.decodeUnknownOption(Schema.fromJsonString(Health))
const decodeError = Schema.decodeUnknownOption(Schema.fromJsonString(HttpError))

/** `origin` as `httpOriginOf` gives it. The same request again gives the same answer. */
export const createMesh = Effect.fn("BrokerHttp.createMesh")(function* (
  origin: string,
  mesh: CreateMesh,
  adminToken?: Redacted.Redacted,
) {
  const request = HttpClientRequest.post(`${origin}/meshes`).pipe(HttpClientRequest.bodyJsonUnsafe(encodeMesh(mesh)))
  const authorized = adminToken === undefined ? request : HttpClientRequest.bearerToken(request, adminToken)
  return yield* exchange(authorized, decodeCreated)
})

/** Also of a broker that answers 503 since its database is away. */
export const health = Effect.fn("BrokerHttp.health")(function* (origin: string) {
  return yield* exchange(HttpClientRequest.get(`${origin}/health`), decodeHealth)
})

const exchange = <A>(request: HttpClientRequest.HttpClientRequest, decode: (text: string) => Option.Option<A>) =>
  Effect.gen(function* () {
    const response = yield* HttpClient.execute(request)
    const text = yield* response.text
    const answer = decode(text)
    if (Option.isSome(answer)) return answer.value
    const refusal = decodeError(text)
    if (Option.isSome(refusal)) {
      const { error, message } = refusal.value
      return yield* new BrokerRefused({ status: response.status, error, explanation: message })
    }
    return yield* new BrokerUnreachable({
      url: request.url,
      reason: `status ${response.status}, and no broker's answer`,
    })
  }).pipe(
    Effect.catchTag("HttpClientError", ({ message, reason }) =>
      Effect.fail(
        new BrokerUnreachable({
          url: request.url,
          reason: reason._tag === "TransportError" ? "it cannot be reached" : message,
        }),
      ),
    ),
    Effect.timeoutOrElse({
      duration: httpTimeoutMillis,
      orElse: () => Effect.fail(new BrokerUnreachable({ url: request.url, reason: "no answer in time" })),
    }),
  )
