/**
 * `POST /hook/set-status`: what a host's hooks saw of a session. A report is signed by the member whose session it names, like
 * every request (I11). The hooks of the first clients sign nothing: they are answered, and believed only where nobody but
 * this machine can have sent them, and only of sessions of v1.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import { signatureHeader } from "@claudemesh/domain/trust/SignedRequest"
import type { HookReport } from "@claudemesh/domain/wire/HttpApi"
import { Clock, Effect, Layer, Result } from "effect"
import * as HttpServerRequest from "effect/unstable/http/HttpServerRequest"
import * as HttpApiBuilder from "effect/unstable/httpapi/HttpApiBuilder"
import { type BrokerConfig, isLoopback } from "../Config.ts"
import { MeshHost } from "../mesh/MeshHost.ts"
import { Ed25519 } from "../trust/Ed25519.ts"
import { BrokerApi, Reporter, SignedOrLocal } from "./Api.ts"
import { bodyOf, type Guard, proved } from "./Guard.ts"
import { refuse, unavailable } from "./Refusal.ts"
import { noNonces, type ProvedRequest } from "./SignedRequests.ts"

/** A mesh that is busy is not waited for: its session will be reported again. */
const unsignedMillisMax = 500

/**
 * Rates are its own: reports come often, and must not stand in the way of who joins or is revoked. Nonces are not remembered:
 * a report of the same time changes nothing.
 */
export const signedOrLocalLayer = (guard: Guard, startedMillis: number) => {
  const { rates } = guard
  const nonces = noNonces(startedMillis)
  const ofHooks: Guard = { ...guard, nonces, rates: { ...rates, requestsByKey: rates.hooksByKey } }
  return Layer.effect(
    SignedOrLocal,
    Effect.map(Ed25519, (ed25519) =>
      SignedOrLocal.of((handled) =>
        Effect.gen(function* () {
          const request = yield* HttpServerRequest.HttpServerRequest
          if (request.headers[signatureHeader] !== undefined) {
            return yield* proved(ofHooks, "POST", (proof) => Effect.provideService(handled, Reporter, proof))
          }
          const body = yield* bodyOf(request, guard.limits)
          return Result.isFailure(body) ? body.failure : yield* Effect.provideService(handled, Reporter, undefined)
        }).pipe(Effect.provideService(Ed25519, ed25519)),
      ),
    ),
  )
}

export const hookRoutes = (config: BrokerConfig) =>
  HttpApiBuilder.group(BrokerApi, "hooks", (routes) =>
    routes.handle("reportStatus", ({ payload, request }) =>
      Effect.gen(function* () {
        const proof = yield* Reporter
        if (proof !== undefined) yield* report(proof, payload)
        // From a first client's hook. Whether it was believed is not said.
        else if (isOfThisMachine(config, request)) yield* reportToAll(payload)
        return { ok: true }
      }),
    ),
  )

const report = (request: ProvedRequest, reported: HookReport) => {
  const whose = { by: request.key, ...sessionIn(reported) }
  if (whose.sessionId === undefined) return refuse("malformed", "it names no session_id")
  return reportTo(request.mesh, { whose, status: reported.status, atMillis: request.signedAtMillis })
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
    const answer = yield* mesh.report(reported)
    if (answer === "unknown_mesh") return yield* unknownMesh()
    if (answer === "revoked") return yield* refuse("revoked", "this key was revoked")
  }).pipe(
    Effect.scoped,
    Effect.catchTags({ UnknownMesh: unknownMesh, StoreError: unavailable, MeshUnavailable: unavailable }),
  )

const unknownMesh = () => refuse("unknown_mesh", "no such mesh here, or the key is nobody's in it")

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
