/**
 * Retention as a fiber of the process (I17): once in a while it removes what is kept no longer, step by step, and
 * lets everybody else at the database between two steps. A sweep that fails is logged, and the next one comes.
 */
import { Clock, Effect, Layer } from "effect"
import type { BrokerLimits } from "../Limits.ts"
import { MessageStore } from "./MessageStore.ts"

export const RetentionSweep = {
  layer: (limits: BrokerLimits) =>
    Layer.effectDiscard(
      Effect.gen(function* () {
        const store = yield* MessageStore
        const retention = {
          messageRowMillis: limits.messageRowMillis,
          sessionMillis: limits.sessionRetentionMillis,
          auditMillis: limits.auditRetentionMillis,
          inviteMillis: limits.inviteRetentionMillis,
        }
        const sweep = Effect.gen(function* () {
          while (
            (yield* store.applyRetention(retention, limits.retentionRowsMax, yield* Clock.currentTimeMillis)) === "more"
          ) {
            yield* Effect.yieldNow
          }
        })
        yield* Effect.sleep(limits.retentionIntervalMillis).pipe(
          Effect.andThen(sweep),
          Effect.catchCause((cause) => Effect.logWarning("a sweep of what is kept no longer failed", cause)),
          Effect.forever,
          Effect.forkScoped,
        )
      }),
    ),
}
