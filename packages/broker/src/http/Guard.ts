/**
 * The way into every route that changes something: the body, whole and in time, and the proof of who asks. What a route
 * is handed was signed by a key, for this broker, method, path and body, a moment ago, and once.
 */
import { signatureHeader } from "@claudemesh/domain/trust/SignedRequest"
import { HttpRoutes } from "@claudemesh/domain/wire/HttpRoutes"
import { Clock, Effect, Exit, Layer, Option, Result } from "effect"
import * as HttpServerRequest from "effect/unstable/http/HttpServerRequest"
import type * as HttpServerResponse from "effect/unstable/http/HttpServerResponse"
import type { BrokerLimits } from "../Limits.ts"
import { Ed25519 } from "../trust/Ed25519.ts"
import { Proof, Signed } from "./Api.ts"
import type { RateLimits } from "./RateLimits.ts"
import { refusal } from "./Refusal.ts"
import { type Nonces, ProvedRequest, type RequestRefusal } from "./SignedRequests.ts"

export interface Guard {
  readonly limits: BrokerLimits
  readonly nonces: Nonces
  readonly rates: RateLimits
  /** Known once the broker listens. */
  readonly audiences: () => ReadonlyArray<string>
  /** Whom a request counts for, by the request as the listener was given it. */
  readonly addressOf: (source: object) => string
}

type Response = HttpServerResponse.HttpServerResponse

export const proved = <E, R>(
  guard: Guard,
  method: "GET" | "POST",
  handle: (request: ProvedRequest) => Effect.Effect<Response, E, R>,
) =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const body = method === "GET" ? Result.succeed("") : yield* bodyOf(request, guard.limits)
    if (Result.isFailure(body)) return body.failure
    const received = {
      method,
      path: request.url,
      body: body.success,
      header: request.headers[signatureHeader],
      address: guard.addressOf(request.source),
    }
    const { nonces, rates } = guard
    const proof = ProvedRequest.verify(received, {
      nowMillis: yield* Clock.currentTimeMillis,
      audiences: guard.audiences(),
      verifier: yield* yield* Ed25519,
      nonces,
      rate: rates.requestsByKey,
    })
    if (Result.isFailure(proof)) return refused(proof.failure, guard)
    const { key, nonce } = proof.success
    // Whether the key is known there is seen only now: strangers' keys cost nothing, and would fill the memory.
    return yield* Effect.onExit(handle(proof.success), (exit) =>
      Effect.sync(() => {
        if (Exit.isFailure(exit) || exit.value.status >= 400) nonces.release(key, nonce)
      }),
    )
  }).pipe(
    // Whatever breaks is answered, and breaks nothing else (I12, I24).
    Effect.catchDefect((defect) =>
      Effect.as(Effect.logError("a request failed", defect), refusal("internal", "the broker failed; try again")),
    ),
  )

/** Of routes that are handed the proof. */
export const signedLayer = (guard: Guard) =>
  Layer.effect(
    Signed,
    Effect.map(Ed25519, (ed25519) =>
      Signed.of((handled, { endpoint }) =>
        proved(guard, endpoint.method === "GET" ? "GET" : "POST", (proof) =>
          Effect.provideService(handled, Proof, proof),
        ).pipe(Effect.provideService(Ed25519, ed25519)),
      ),
    ),
  )

const refused = ({ code, message }: RequestRefusal, { rates }: Guard): Response =>
  code === "rate_limited"
    ? refusal(code, message, { "retry-after": String(rates.requestsByKey.retryAfterSeconds) })
    : refusal(code, message)

export const bodyOf = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest, limits: BrokerLimits) {
  const { headers } = request
  // What unpacks to more than it seems is not unpacked at all.
  if ((headers["content-encoding"] ?? "identity") !== "identity") {
    return Result.fail(refusal("unsupported_media_type", "send the body as it is, not compressed"))
  }
  // A web page can post a form or plain text to a loopback port, but not this type.
  if ((headers["content-type"] ?? "").split(";")[0]?.trim() !== "application/json") {
    return Result.fail(refusal("unsupported_media_type", "send application/json"))
  }
  const text = yield* request.text.pipe(
    Effect.timeoutOption(limits.httpRequestTimeoutMillis),
    Effect.mapError(() => undefined),
    Effect.result,
  )
  if (Result.isFailure(text)) return Result.fail(refusal("malformed", "the body could not be read"))
  if (Option.isNone(text.success)) {
    return Result.fail(refusal("timeout", "the body took too long", { connection: "close" }))
  }
  const body = text.success.value
  const most = bodyBytesMax(limits, request.url)
  return Buffer.byteLength(body) > most ? Result.fail(tooLarge(most)) : Result.succeed(body)
})

/** `path` may have a query. */
export const bodyBytesMax = ({ httpBodyBytesMax, meshBodyBytesMax }: BrokerLimits, path: string): number =>
  path.split("?")[0] === HttpRoutes.createMesh.path ? meshBodyBytesMax : httpBodyBytesMax

export const tooLarge = (most: number): Response => refusal("too_large", `a body holds ${most} bytes at most`)
