/**
 * `/health`: is the process alive, and can it read what is stored. `/ready`: should it be sent traffic, which it can
 * take only while it can store. However often they are asked, the store is asked once in a while, and answers in time.
 */
import { Health } from "@claudemesh/domain/wire/HttpApi"
import { Clock, Effect, Exit, Layer, Option } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/unstable/http"
import type { BrokerLimits } from "../Limits.ts"
import { MessageStore, type StoreError } from "../store/MessageStore.ts"
import { Version } from "../Version.ts"
import type { Lifecycle } from "./Lifecycle.ts"

/** What is known of the store, a few seconds old at most. */
export interface StoreChecks {
  readonly canRead: Effect.Effect<boolean>
  readonly canWrite: Effect.Effect<boolean>
}

export const storeChecks = Effect.fnUntraced(function* ({ healthProbeMillis, healthTimeoutMillis }: BrokerLimits) {
  const { ping, probe } = yield* MessageStore
  const checked = (call: Effect.Effect<void, StoreError>) =>
    call.pipe(
      Effect.timeoutOption(healthTimeoutMillis),
      Effect.option,
      Effect.map((answered) => Option.isSome(Option.flatten(answered))),
      // One that was interrupted, because who asked has gone, says nothing.
      Effect.cachedWithTTL((exit) => (Exit.isSuccess(exit) ? healthProbeMillis : 0)),
    )
  const checks: StoreChecks = { canRead: yield* checked(ping), canWrite: yield* checked(probe) }
  return checks
})

export const healthRoutes = (lifecycle: Lifecycle, { canRead, canWrite }: StoreChecks) => {
  const health = Effect.gen(function* () {
    const up = yield* canRead
    const body: typeof Health.Type = {
      status: up ? "ok" : "degraded",
      version: Version.version,
      gitSha: Version.gitSha,
      uptime: Math.floor(((yield* Clock.currentTimeMillis) - lifecycle.startedMillis) / 1000),
      db: up ? "up" : "down",
    }
    return HttpServerResponse.jsonUnsafe(body, { status: up ? 200 : 503 })
  })

  const ready = Effect.gen(function* () {
    const isReady = !lifecycle.draining && (yield* canWrite)
    return HttpServerResponse.jsonUnsafe({ ready: isReady }, { status: isReady ? 200 : 503 })
  })

  return Layer.mergeAll(HttpRouter.add("GET", "/health", health), HttpRouter.add("GET", "/ready", ready))
}
