/**
 * `GET /metrics`, for Prometheus. With `BROKER_METRICS_TOKEN` whoever shows it is answered, and nobody else. Without it, only
 * whoever asks on this machine: a listener on loopback that no proxy stands before, under a name of this machine, so that no web
 * page reads it. It is no part of the `HttpApi`: no client of ours asks for it, and its text is Prometheus's.
 */
import { timingSafeEqual } from "node:crypto"
import { Effect, Option, Redacted } from "effect"
import * as HttpRouter from "effect/unstable/http/HttpRouter"
import * as HttpServerRequest from "effect/unstable/http/HttpServerRequest"
import * as HttpServerResponse from "effect/unstable/http/HttpServerResponse"
import { type BrokerConfig, isLoopback } from "../Config.ts"
import type { BrokerLimits } from "../Limits.ts"
import type { Metrics } from "../metrics/Metrics.ts"
import type { StoreChecks } from "./Health.ts"
import { refusal } from "./Refusal.ts"

const contentType = "text/plain; version=0.0.4; charset=utf-8"

/** Whatever a proxy adds. */
const forwarded = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"]

export const metricsRoute = (config: BrokerConfig, metrics: Metrics, { canRead, canWrite }: StoreChecks) => {
  const up = { read: false, write: false }
  metrics.storeUp.readAs(() => Number(up.read), { access: "read" })
  metrics.storeUp.readAs(() => Number(up.write), { access: "write" })
  return HttpRouter.add(
    "GET",
    "/metrics",
    Effect.gen(function* () {
      const { headers } = yield* HttpServerRequest.HttpServerRequest
      const refused = refusalOf(config, headers)
      if (refused !== undefined) return refused
      up.read = yield* canRead
      up.write = yield* canWrite
      return HttpServerResponse.text(metrics.text(), { contentType, headers: { "cache-control": "no-store" } })
    }),
  )
}

const refusalOf = (config: BrokerConfig, headers: Readonly<Record<string, string | undefined>>) => {
  if (Option.isNone(config.metricsToken)) {
    return isFromHere(config, headers)
      ? undefined
      : refusal("closed", "metrics are read here only once the operator sets BROKER_METRICS_TOKEN")
  }
  const expected = Buffer.from(`Bearer ${Redacted.value(config.metricsToken.value)}`)
  const given = Buffer.from(headers["authorization"] ?? "")
  return given.length === expected.length && timingSafeEqual(given, expected)
    ? undefined
    : refusal("unauthorized", "send Authorization: Bearer with the broker's metrics token")
}

/** Nobody else reaches a listener on loopback but through a proxy, or through a browser that was given a name for it. */
const isFromHere = (
  { host, publicOrigins, trustedProxies }: BrokerConfig,
  headers: Readonly<Record<string, string | undefined>>,
): boolean =>
  isLoopback(host) &&
  trustedProxies === 0 &&
  publicOrigins.every((origin) => isLoopback(new URL(origin).hostname)) &&
  forwarded.every((name) => headers[name] === undefined) &&
  isLoopback((headers["host"] ?? "").replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1"))

/** How many sockets there are, and what is sent and not read: of all of them, and of the one that is furthest behind. */
export const watchSockets = (
  { connections, connectionsMax, unreadBytes, unreadBytesMost }: Metrics,
  sockets: ReadonlySet<{ readonly unreadBytes: () => number }>,
  limits: BrokerLimits,
): void => {
  connections.readAs(() => sockets.size)
  connectionsMax.readAs(() => limits.connectionsMax)
  unreadBytes.readAs(() => [...sockets].reduce((sum, socket) => sum + socket.unreadBytes(), 0))
  unreadBytesMost.readAs(() => [...sockets].reduce((most, socket) => Math.max(most, socket.unreadBytes()), 0))
}
