/**
 * The one listener: `/ws` is upgraded and handed to a connection, everything else goes to the HTTP routes. It
 * owns the sockets' number and the drain: on the way out no new socket is taken, what is under way is committed
 * and acked, sockets are closed with 1001, and only then does the port close.
 */
import { frameBytesMax } from "@claudemesh/domain/Limits"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import type { Server as BunServer } from "bun"
import { Clock, Context, type Crypto, Effect, FiberSet, Layer, Schema } from "effect"
import { HttpRouter } from "effect/unstable/http"
import { type BrokerConfig, isLoopback } from "../Config.ts"
import { drainConnections } from "../connection/Drain.ts"
import type { Admission } from "../connection/Handshake.ts"
import { runPeerConnection } from "../connection/PeerConnection.ts"
import type { BrokerLimits } from "../Limits.ts"
import type { MeshHost } from "../mesh/MeshHost.ts"
import type { MeshRules } from "../state/MeshState.ts"
import { PeerId } from "../state/PeerId.ts"
import type { MessageStore } from "../store/MessageStore.ts"
import type { Ed25519 } from "../trust/Ed25519.ts"
import { addressOf } from "./Address.ts"
import { BunSocket } from "./BunSocket.ts"
import { enrolmentRoutes } from "./Enrolments.ts"
import { bodyBytesMax, type Guard } from "./Guard.ts"
import { healthRoutes, type StoreChecks, storeChecks } from "./Health.ts"
import { Held } from "./Held.ts"
import { hookPath, hookRoutes } from "./HookReports.ts"
import type { Lifecycle } from "./Lifecycle.ts"
import { meshRoutes } from "./Meshes.ts"
import { makeRateLimits, type RateLimit, type RateLimits } from "./RateLimits.ts"
import { RequestNonces } from "./SignedRequests.ts"

export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", {
  host: Schema.String,
  port: Schema.Int,
  problem: Schema.String,
}) {
  override get message() {
    return `cannot listen on ${this.host}:${this.port}: ${this.problem}`
  }
}

/** Dead peers are found by pings that Bun sends before this runs out. */
const socketIdleSeconds = 120
/** How long an answer may take, with the body it waits for and the commit. */
const answerSeconds = 30

/** Whoever calls these counts against the rate of its address. */
const rateOf = ({ hooksByAddress, requestsByAddress }: RateLimits, path: string): RateLimit<string> | undefined => {
  if (path === hookPath) return hooksByAddress
  return ["/meshes", "/invites", "/join", "/revocations"].includes(path) ? requestsByAddress : undefined
}

export class Server extends Context.Service<
  Server,
  {
    readonly port: number
    /** Sockets open now. */
    readonly connections: () => number
  }
>()("@claudemesh/broker/http/Server") {
  static readonly layer = (config: BrokerConfig, rules: MeshRules) => Layer.effect(Server, listen(config, rules))
}

const listen = Effect.fnUntraced(function* (config: BrokerConfig, rules: MeshRules) {
  const { limits } = config
  const services = yield* Effect.context<MeshHost | MessageStore | Ed25519 | Crypto.Crypto>()
  const connections = yield* FiberSet.make<void>()
  const runConnection = yield* FiberSet.runtime(connections)<MeshHost | Ed25519 | Crypto.Crypto>()
  const clock = yield* Clock.Clock
  const lifecycle: Lifecycle = { startedMillis: clock.currentTimeMillisUnsafe(), draining: false }
  const sockets = new Set<BunSocket>()
  let taken = 0
  let audiences = config.publicOrigins
  const frameBytes = frameBytesMax(config.messageBytesMax)
  const idleSeconds = Math.ceil(limits.httpRequestTimeoutMillis / 1_000)
  const rates = makeRateLimits(limits)
  const nonces = new RequestNonces(limits, lifecycle.startedMillis)
  const held = new Held<string>()
  /** Of the requests that are being answered. */
  const addresses = new WeakMap<object, string>()
  const guard: Guard = {
    limits,
    nonces,
    rates,
    audiences: () => audiences,
    addressOf: (source) => addresses.get(source) ?? "unknown",
  }
  const checks = yield* storeChecks(limits).pipe(Effect.provideContext(services))
  const handler = yield* routesHandler(config, lifecycle, checks, guard, services)
  const admission: Admission = {
    allowV1: config.allowV1,
    mayAuthenticate: (key, nowMillis) => rates.hellos.take(key, nowMillis),
    paceOf: (key, nowMillis) => rates.frames.bucketOf(key, nowMillis),
  }

  const addressOfCaller = (request: Request, server: BunServer<BunSocket>): string =>
    addressOf(
      server.requestIP(request)?.address ?? "unknown",
      request.headers.get("x-forwarded-for"),
      config.trustedProxies,
    )

  const rated = async (request: Request, server: BunServer<BunSocket>, rate: RateLimit<string>): Promise<Response> => {
    const address = addressOfCaller(request, server)
    if (!rate.take(address, clock.currentTimeMillisUnsafe())) return slowDown(rate)
    const early = tooLarge(request, limits)
    if (early !== undefined) return early
    server.timeout(request, answerSeconds)
    addresses.set(request, address)
    const answer = await handler(request)
    // A body that nobody wants any more has no more time than any other.
    server.timeout(request, idleSeconds)
    return answer
  }

  const fetch = (request: Request, server: BunServer<BunSocket>): Response | Promise<Response> | undefined => {
    const { pathname } = new URL(request.url)
    const rate = rateOf(rates, pathname)
    if (rate !== undefined) return rated(request, server, rate)
    if (pathname !== "/ws") {
      const others = rates.othersByAddress
      const isInTime = others.take(addressOfCaller(request, server), clock.currentTimeMillisUnsafe())
      return isInTime ? (tooLarge(request, limits) ?? handler(request)) : slowDown(others)
    }
    if (lifecycle.draining) return new Response("draining", { status: 503 })
    const socket = Effect.runSync(
      BunSocket.make(PeerId.make(++taken), addressOfCaller(request, server), limits, frameBytes),
    )
    return server.upgrade(request, { data: socket })
      ? undefined
      : new Response("this is a WebSocket endpoint", { status: 426, headers: { upgrade: "websocket" } })
  }

  const server = yield* Effect.acquireRelease(
    Effect.try({
      try: () =>
        Bun.serve<BunSocket>({
          hostname: config.host,
          port: config.port,
          // For requests that trickle in, too. Headers have 12 s whatever is set here (`slowRequests.test.ts`).
          idleTimeout: idleSeconds,
          // Twice our own bound: below it we answer ourselves.
          maxRequestBodySize: limits.meshBodyBytesMax * 2,
          fetch,
          websocket: {
            // Bun closes the socket over a longer one, and drops what came behind it: so some are read and answered.
            maxPayloadLength: frameBytes * limits.oversizedFrameFactor,
            // The bound is ours to enforce: Bun would drop frames without a word.
            backpressureLimit: limits.outboundBacklogBytesMax * 2,
            idleTimeout: socketIdleSeconds,
            sendPings: true,
            perMessageDeflate: false,
            open: (ws) => {
              const { address } = ws.data
              ws.data.opened(ws)
              if (!rates.sockets.take(address, clock.currentTimeMillisUnsafe())) {
                return ws.data.close(CloseCode.flooding, "rate_limited")
              }
              if (sockets.size >= limits.connectionsMax || held.count(address) >= limits.socketsPerAddressMax) {
                return ws.data.close(CloseCode.atCapacity, "capacity")
              }
              sockets.add(ws.data)
              held.take(address)
              runConnection(runPeerConnection(ws.data, audiences, rules, admission))
            },
            message: (ws, message) => ws.data.received(message),
            close: (ws, code) => {
              if (sockets.delete(ws.data)) held.release(ws.data.address)
              ws.data.closed(code)
            },
          },
        }),
      catch: (cause) => new CannotListen({ host: config.host, port: config.port, problem: problemOf(cause) }),
    }),
    (running) => Effect.promise(() => running.stop(true)),
  )
  const port = server.port ?? config.port
  if (audiences.length === 0) audiences = loopbackOrigins(port)

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      lifecycle.draining = true
      return drainConnections(sockets, FiberSet.awaitEmpty(connections), limits)
    }),
  )
  if (!isLoopback(config.host) && config.publicOrigins.length === 0) {
    yield* Effect.logWarning(
      "BROKER_PUBLIC_URL is not set: clients on other machines will be refused. Set it to the URL they dial.",
    )
  }
  return Server.of({ port, connections: () => sockets.size })
})

/** Bun answers an oversized body itself, with nothing in it; where the size is announced we can say more. */
const tooLarge = (request: Request, limits: BrokerLimits): Response | undefined => {
  const most = bodyBytesMax(limits, new URL(request.url).pathname)
  return Number(request.headers.get("content-length") ?? 0) <= most
    ? undefined
    : Response.json({ error: "too_large", message: `a body holds ${most} bytes at most` }, { status: 413 })
}

const slowDown = ({ retryAfterSeconds }: RateLimit<string>): Response =>
  Response.json(
    { error: "rate_limited", message: "too many requests from this address; come back slower" },
    { status: 429, headers: { "retry-after": String(retryAfterSeconds) } },
  )

const loopbackOrigins = (port: number): ReadonlyArray<string> =>
  ["127.0.0.1", "localhost", "[::1]"].map((host) => new URL(`ws://${host}:${port}`).origin)

const problemOf = (cause: unknown): string => {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
  if (code === "EADDRINUSE") return "the port is in use; set BROKER_PORT to another one"
  return cause instanceof Error ? cause.message : String(cause)
}

const routesHandler = (
  config: BrokerConfig,
  lifecycle: Lifecycle,
  checks: StoreChecks,
  guard: Guard,
  services: Context.Context<MeshHost | MessageStore | Ed25519>,
) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        HttpRouter.toWebHandler(
          Layer.mergeAll(
            healthRoutes(lifecycle, checks),
            meshRoutes(config, guard),
            enrolmentRoutes(guard),
            hookRoutes(config, guard, lifecycle.startedMillis),
          ).pipe(HttpRouter.provideRequest(Layer.succeedContext(services))),
          { disableLogger: true },
        ),
      ),
      ({ dispose }) => Effect.promise(dispose),
    ),
    ({ handler }) => handler,
  )
