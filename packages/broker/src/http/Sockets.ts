/**
 * The sockets of the one listener: who may open one, how many there are in all and of each address, and which connection
 * each is handed to. Bun's handlers of a WebSocket are here; what is said over one is the connection's.
 */
import { frameBytesMax } from "@claudemesh/domain/Limits"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import type { Server as BunServer, WebSocketHandler } from "bun"
import { fullGC } from "bun:jsc"
import { Clock, type Crypto, Effect, FiberSet } from "effect"
import type { BrokerConfig } from "../Config.ts"
import { drainConnections } from "../connection/Drain.ts"
import type { Admission } from "../connection/Handshake.ts"
import { runPeerConnection } from "../connection/PeerConnection.ts"
import { Turns } from "../connection/Turns.ts"
import type { MeshHost } from "../mesh/MeshHost.ts"
import { BrokerMetrics } from "../metrics/Metrics.ts"
import type { MeshRules } from "../state/MeshState.ts"
import { PeerId } from "../state/PeerId.ts"
import type { Ed25519 } from "../trust/Ed25519.ts"
import { callerOf } from "./Address.ts"
import { BunSocket } from "./BunSocket.ts"
import { HeapGrowth } from "./HeapGrowth.ts"
import { Held } from "./Held.ts"
import { watchSockets } from "./MetricsPage.ts"
import type { RateLimits } from "./RateLimits.ts"

/** Dead peers are found by pings that Bun sends before this runs out. */
const socketIdleSeconds = 120

export interface Sockets {
  /** How many are open now. */
  readonly size: () => number
  readonly upgrade: (request: Request, server: BunServer<BunSocket>) => Response | undefined
  readonly websocket: WebSocketHandler<BunSocket>
  /** What is under way is committed and acked, then each is closed with 1001. */
  readonly drain: Effect.Effect<void>
}

/** Connections end with the scope. `audiences`: known once the broker listens. */
export const makeSockets = Effect.fnUntraced(function* (
  config: BrokerConfig,
  rules: MeshRules,
  rates: RateLimits,
  audiences: () => ReadonlyArray<string>,
) {
  const { limits } = config
  const clock = yield* Clock.Clock
  const connections = yield* FiberSet.make<void>()
  const runConnection = yield* FiberSet.runtime(connections)<MeshHost | Ed25519 | Crypto.Crypto>()
  const [open, ofAddress] = [new Set<BunSocket>(), new Held<string>()]
  const [turns, heapGrowth] = [yield* Turns.make(limits), new HeapGrowth(fullGC)]
  const frameBytes = frameBytesMax(config.messageBytesMax)
  const admission: Admission = {
    allowV1: config.allowV1,
    mayAuthenticate: (key, nowMillis) => rates.hellos.take(key, nowMillis),
    paceOf: (key, nowMillis) => rates.frames.bucketOf(key, nowMillis),
  }
  let taken = 0
  const metrics = yield* BrokerMetrics
  watchSockets(metrics, open, limits)

  const reasonAgainst = (address: string): readonly [CloseCode, string] | undefined => {
    if (!rates.sockets.take(address, clock.currentTimeMillisUnsafe())) return [CloseCode.flooding, "rate_limited"]
    return open.size >= limits.connectionsMax || ofAddress.count(address) >= limits.socketsPerAddressMax
      ? [CloseCode.atCapacity, "capacity"]
      : undefined
  }

  const sockets: Sockets = {
    size: () => open.size,
    upgrade: (request, server) => {
      const address = callerOf(config, request, server)
      const socket = new BunSocket(PeerId.make(++taken), address, limits, frameBytes, turns)
      return server.upgrade(request, { data: socket })
        ? undefined
        : new Response("this is a WebSocket endpoint", { status: 426, headers: { upgrade: "websocket" } })
    },
    websocket: {
      // Bun closes the socket over a longer one, and drops what came behind it: so some are read and answered.
      maxPayloadLength: frameBytes * limits.oversizedFrameFactor,
      // The bound is ours to enforce: Bun would drop frames without a word.
      backpressureLimit: limits.outboundBacklogBytesMax * 2,
      idleTimeout: socketIdleSeconds,
      sendPings: true,
      perMessageDeflate: false,
      // It is refused here and not before the upgrade: no client can read an HTTP status, and all can read a close code.
      open: (ws) => {
        ws.data.opened(ws)
        const refused = reasonAgainst(ws.data.address)
        if (refused !== undefined) return ws.data.close(...refused)
        open.add(ws.data)
        heapGrowth.opened(open.size)
        ofAddress.take(ws.data.address)
        metrics.opened.value += 1
        metrics.queues.inbound.add(ws.data, limits.inboundFramesMax)
        runConnection(runPeerConnection(ws.data, audiences(), rules, admission))
      },
      message: (ws, message) => ws.data.received(message),
      close: (ws, code) => {
        if (open.delete(ws.data)) ofAddress.release(ws.data.address)
        metrics.queues.inbound.remove(ws.data)
        metrics.closed.add(String(code))
        ws.data.closed(code)
      },
    },
    drain: drainConnections(open, FiberSet.awaitEmpty(connections), limits),
  }
  return sockets
})
