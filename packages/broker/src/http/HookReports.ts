/**
 * `POST /hook/set-status`: what a host's hooks saw of a session. A report is signed by the member whose session it names, like
 * every request (I11). The hooks of the first clients sign nothing: they are answered, and believed only where nobody but
 * this machine can have sent them, and only of sessions of v1.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import { signatureHeader } from "@claudemesh/domain/trust/SignedRequest"
import { HookReport, type HookTaken } from "@claudemesh/domain/wire/HttpApi"
import { Clock, Effect, Result, Schema } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/unstable/http"
import { type BrokerConfig, isLoopback } from "../Config.ts"
import type { ReportAnswer } from "../state/MeshCommand.ts"
import { MeshHost } from "../mesh/MeshHost.ts"
import { bodyOf, type Guard, proved } from "./Guard.ts"
import { refusal, unavailable } from "./Refusal.ts"
import { noNonces, type ProvedRequest } from "./SignedRequests.ts"

export const hookPath = "/hook/set-status"

/** A mesh that is busy is not waited for: its session will be reported again. */
const unsignedMillisMax = 500

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(HookReport))

type Response = HttpServerResponse.HttpServerResponse

/**
 * Rates are its own: reports come often, and must not stand in the way of who joins or is revoked. Nonces are not remembered:
 * a report of the same time changes nothing.
 */
export const hookRoutes = (config: BrokerConfig, guard: Guard, startedMillis: number) => {
  const { rates } = guard
  const nonces = noNonces(startedMillis)
  const ofHooks: Guard = { ...guard, nonces, rates: { ...rates, requestsByKey: rates.hooksByKey } }
  const signed = proved(ofHooks, "POST", report)
  return HttpRouter.add(
    "POST",
    hookPath,
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      return request.headers[signatureHeader] === undefined ? yield* unsigned(config, request) : yield* signed
    }),
  )
}

const report = (request: ProvedRequest) => {
  const decoded = decode(request.body)
  if (Result.isFailure(decoded)) return Effect.succeed(refusal(400, "malformed", decoded.failure.message))
  const whose = { by: request.key, ...sessionIn(decoded.success) }
  if (whose.sessionId === undefined) return Effect.succeed(refusal(400, "malformed", "it names no session_id"))
  return reportTo(request.mesh, { whose, status: decoded.success.status, atMillis: request.signedAtMillis })
}

const sessionIn = ({ cwd, pid, session_id: sessionId }: HookReport) => ({
  sessionId: sessionId ?? undefined,
  cwd: cwd ?? undefined,
  pid: pid ?? undefined,
})

type Reported = Parameters<Effect.Success<ReturnType<(typeof MeshHost)["Service"]["enter"]>>["report"]>[0]

const reportTo = (meshId: MeshId, reported: Reported) =>
  Effect.gen(function* () {
    const mesh = yield* (yield* MeshHost).enter(meshId)
    return answers[yield* mesh.report(reported)]
  }).pipe(
    Effect.scoped,
    Effect.catchTags({
      UnknownMesh: () => Effect.succeed(answers.unknown_mesh),
      StoreError: () => Effect.succeed(unavailable),
      MeshUnavailable: () => Effect.succeed(unavailable),
    }),
  )

const taken: typeof HookTaken.Type = { ok: true }

const answers: Readonly<Record<ReportAnswer, Response>> = {
  taken: HttpServerResponse.jsonUnsafe(taken),
  unknown_mesh: refusal(404, "unknown_mesh", "no such mesh here, or the key is nobody's in it"),
  revoked: refusal(410, "revoked", "this key was revoked"),
}

/** From a first client's hook. Whether it was believed is not said. */
const unsigned = Effect.fnUntraced(function* (config: BrokerConfig, request: HttpServerRequest.HttpServerRequest) {
  const body = yield* bodyOf(request, config.limits)
  if (Result.isFailure(body)) return body.failure
  const decoded = decode(body.success)
  if (Result.isFailure(decoded)) return refusal(400, "malformed", decoded.failure.message)
  if (isOfThisMachine(config, request)) yield* reportToAll(decoded.success)
  return answers.taken
})

/** No other machine reaches the listener, unless through a proxy, and no web page can make a browser call it by this name. */
const isOfThisMachine = (
  { allowV1, host, trustedProxies }: BrokerConfig,
  { headers }: HttpServerRequest.HttpServerRequest,
): boolean =>
  allowV1 &&
  isLoopback(host) &&
  trustedProxies === 0 &&
  headers["x-forwarded-for"] === undefined &&
  isLoopback((headers["host"] ?? "").replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1"))

/** It does not say which mesh it is about: those that have sessions now look whether one is meant. */
const reportToAll = (received: HookReport) =>
  Effect.gen(function* () {
    const atMillis = yield* Clock.currentTimeMillis
    const reported = { whose: { by: undefined, ...sessionIn(received) }, status: received.status, atMillis }
    const meshes = yield* (yield* MeshHost).running
    yield* Effect.forEach(meshes, (mesh) => Effect.ignore(mesh.report(reported)), {
      concurrency: "unbounded",
      discard: true,
    })
  }).pipe(Effect.scoped, Effect.timeoutOption(unsignedMillisMax))
