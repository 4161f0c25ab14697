/** What runs beside the reading and must not be missed: a defect in it is logged, and it begins again. */
import { backOff } from "@claudemesh/domain/BackOff"
import { Effect } from "effect"
import { retryFirstMillis, retryMaxMillis } from "../Limits.ts"

const restarts = backOff(retryFirstMillis, retryMaxMillis)

export const supervised = <A, R>(slug: string, what: string, effect: Effect.Effect<A, never, R>) =>
  effect.pipe(
    Effect.catchDefect((defect) =>
      Effect.andThen(
        Effect.logError(`${what} failed and begins again`, { slug }, defect),
        Effect.fail("failed" as const),
      ),
    ),
    Effect.retry(restarts),
    Effect.orDie,
  )
