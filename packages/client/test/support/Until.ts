/** Files are real, and answer in their own time: waits in that until something is so. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { settle } from "./FakeBroker.ts"

export const until = <A, E, R>(look: Effect.Effect<A, E, R>, fits: (found: A) => boolean): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    for (let looks = 0; looks < 3_000; looks++) {
      yield* settle
      const found = yield* look
      if (fits(found)) return found
      yield* TestClock.withLive(Effect.sleep("1 millis"))
    }
    return assert.fail("it never was so")
  })
