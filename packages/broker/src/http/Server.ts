/**
 * The one listener: `/ws` is upgraded and handed to a connection, everything else goes through the door to the HTTP routes.
 * It owns the order of the end: on the way out no new socket is taken, what is under way is committed and acked, sockets are
 * closed with 1001, and only then does the port close.
 */
import { Clock, Context, Effect, Layer, Option } from "effect"
import * as HttpRouter from "effect/unstable/http/HttpRouter"
import * as HttpServer from "effect/unstable/http/HttpServer"
import * as HttpApiBuilder from "effect/unstable/httpapi/HttpApiBuilder"
import { type BrokerConfig, isLoopback } from "../Config.ts"
import type { MeshHost } from "../mesh/MeshHost.ts"
import { BrokerMetrics, type Metrics } from "../metrics/Metrics.ts"
import type { MeshRules } from "../state/MeshState.ts"
import type { MessageStore } from "../store/MessageStore.ts"
import type { Ed25519 } from "../trust/Ed25519.ts"
import { BrokerApi, WellFormed } from "./Api.ts"
import { type Addresses, makeDoor } from "./Door.ts"
import { enrolmentRoutes } from "./Enrolments.ts"
import { type Guard, signedLayer } from "./Guard.ts"
import { publicRoutes, type StoreChecks, storeChecks } from "./Health.ts"
import { hookRoutes, signedOrLocalLayer } from "./HookReports.ts"
import { metricsRoute } from "./MetricsPage.ts"
import { type Fetch, makeListener } from "./Listener.ts"
import type { Lifecycle } from "./Lifecycle.ts"
import { founderLayer, meshRoutes } from "./Meshes.ts"
import { makeRateLimits } from "./RateLimits.ts"
import { makeRequestLog, type RequestLog } from "./RequestLog.ts"
import { RequestNonces } from "./SignedRequests.ts"
import { makeSockets } from "./Sockets.ts"

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
  const services = yield* Effect.context<MeshHost | MessageStore | Ed25519>()
  const lifecycle: Lifecycle = { startedMillis: yield* Clock.currentTimeMillis, draining: false }
  let audiences = config.publicOrigins
  const rates = makeRateLimits(limits)
  const addresses: Addresses = new WeakMap()
  const guard: Guard = {
    limits,
    nonces: new RequestNonces(limits, lifecycle.startedMillis),
    rates,
    audiences: () => audiences,
    addressOf: (source) => addresses.get(source) ?? "unknown",
  }
  const sockets = yield* makeSockets(config, rules, rates, guard.audiences)
  const checks = yield* storeChecks(limits)
  const metrics = yield* BrokerMetrics
  metrics.draining.readAs(() => Number(lifecycle.draining))
  const handler = yield* routesHandler(config, lifecycle, checks, guard, services, metrics)
  const log = yield* makeRequestLog(limits)
  const door = yield* makeDoor(config, rates, addresses, (request) => handler(request, log.contextOf(request)))

  const answer: Fetch = (request, running) => {
    const pathname = URL.parse(request.url)?.pathname
    if (pathname !== "/ws") return door.enter(request, running, pathname)
    return lifecycle.draining ? new Response("draining", { status: 503 }) : sockets.upgrade(request, running)
  }
  const answering = { fetch: counting(metrics, log, answer), websocket: sockets.websocket }
  const port = yield* makeListener(config, answering, metrics)
  if (audiences.length === 0) audiences = loopbackOrigins(Option.isSome(config.tls) ? "wss" : "ws", port)

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      lifecycle.draining = true
      return sockets.drain
    }),
  )
  if (!isLoopback(config.host) && config.publicOrigins.length === 0) {
    yield* Effect.logWarning(
      "BROKER_PUBLIC_URL is not set: clients on other machines will be refused. Set it to the URL they dial.",
    )
  }
  return Server.of({ port, connections: sockets.size })
})

const counting =
  ({ httpResponses }: Metrics, log: RequestLog, fetch: Fetch): Fetch =>
  (request, server) => {
    const counted = (response: Response): Response => {
      httpResponses.add(String(response.status))
      return log.answered(request, response)
    }
    const answer = fetch(request, server)
    if (answer === undefined) return undefined
    return answer instanceof Response ? counted(answer) : answer.then(counted)
  }

const loopbackOrigins = (scheme: "ws" | "wss", port: number): ReadonlyArray<string> =>
  ["127.0.0.1", "localhost", "[::1]"].map((host) => new URL(`${scheme}://${host}:${port}`).origin)

const routesHandler = (
  config: BrokerConfig,
  lifecycle: Lifecycle,
  checks: StoreChecks,
  guard: Guard,
  services: Context.Context<MeshHost | MessageStore | Ed25519>,
  metrics: Metrics,
) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        HttpRouter.toWebHandler(
          Layer.mergeAll(
            metricsRoute(config, metrics, checks),
            HttpApiBuilder.layer(BrokerApi).pipe(
              Layer.provide([meshRoutes(config), enrolmentRoutes, hookRoutes(config), publicRoutes(lifecycle, checks)]),
              Layer.provide([
                WellFormed.layer,
                signedLayer(guard),
                signedOrLocalLayer(guard, lifecycle.startedMillis),
                founderLayer(config),
              ]),
              Layer.provide(HttpServer.layerServices),
              HttpRouter.provideRequest(Layer.succeedContext(services)),
              Layer.provide(Layer.succeedContext(services)),
            ),
          ),
          { disableLogger: true },
        ),
      ),
      ({ dispose }) => Effect.promise(dispose),
    ),
    ({ handler }) => handler,
  )
