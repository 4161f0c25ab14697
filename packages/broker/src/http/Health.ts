/**
 * `/health`: is the process alive, and can it read what is stored. `/ready`: should it be sent traffic, which it can
 * take only while it can store. However often they are asked, the store is asked once in a while, and answers in time.
 */
import { Clock, Effect, Exit, Option } from "effect"
import * as HttpApiBuilder from "effect/unstable/httpapi/HttpApiBuilder"
import type { BrokerLimits } from "../Limits.ts"
import { MessageStore, type StoreError } from "../store/MessageStore.ts"
import { Version } from "../Version.ts"
import { BrokerApi } from "./Api.ts"
import { joinPage } from "./JoinPage.ts"
import type { Lifecycle } from "./Lifecycle.ts"
import { statusPage } from "./StatusPage.ts"

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

/** With the pages for people, all that is answered to anybody. */
export const publicRoutes = (lifecycle: Lifecycle, checks: StoreChecks) =>
  HttpApiBuilder.group(BrokerApi, "public", (routes) =>
    routes
      .handle("health", () =>
        Effect.gen(function* () {
          const isUp = yield* checks.canRead
          const { gitSha, version } = Version
          const uptime = Math.floor(((yield* Clock.currentTimeMillis) - lifecycle.startedMillis) / 1000)
          const which = { version, gitSha, uptime }
          return isUp ? { status: "ok", ...which, db: "up" } : { status: "degraded", ...which, db: "down" }
        }),
      )
      .handle("ready", () => Effect.map(checks.canWrite, (canStore) => ({ ready: !lifecycle.draining && canStore })))
      .handle("joinPage", () => Effect.succeed(joinPage))
      .handle("statusPage", () => statusPage(lifecycle, checks)),
  )
