import { assert, describe, it } from "@effect/vitest"
import { Effect, Random, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { backOff, delaysOf, longDelays, resetAfter } from "../src/BackOff.ts"

const delays = Effect.fnUntraced(function* (schedule: Schedule.Schedule<unknown>, count: number) {
  const next = yield* delaysOf(schedule)
  return yield* Effect.forEach(Array.from({ length: count }), () => next(undefined))
})

describe("the delays of a back-off", () => {
  it.effect("double from the first one, are spread by a fifth, and are never longer than their bound (I21)", () =>
    Effect.gen(function* () {
      const seen = new Set<number>()
      for (let seed = 0; seed < 50; seed++) {
        const found = yield* Effect.suspend(() => delays(backOff(1_000, 30_000), 8).pipe(Random.withSeed(seed)))
        for (const [index, expected] of [1_000, 2_000, 4_000, 8_000, 16_000, 25_000, 25_000, 25_000].entries()) {
          assert.isAtLeast(found[index] ?? 0, expected * 0.8)
          assert.isAtMost(found[index] ?? Number.NaN, expected * 1.2)
        }
        for (const delay of found) {
          assert.isTrue(Number.isInteger(delay))
          seen.add(delay)
        }
      }
      assert.isAbove(seen.size, 300)
    }),
  )

  it.effect("keep their bound however often they are asked for", () =>
    Effect.gen(function* () {
      for (const delay of (yield* delays(backOff(1_000, 30_000), 3_000)).slice(10)) {
        assert.isAtLeast(delay, 20_000)
        assert.isAtMost(delay, 30_000)
      }
    }),
  )

  it.effect("are long from the first one on, where it is no use to be quick", () =>
    Effect.gen(function* () {
      for (const delay of yield* delays(longDelays(30_000), 20)) {
        assert.isAtLeast(delay, 20_000)
        assert.isAtMost(delay, 30_000)
      }
    }),
  )

  it.effect("begin again once what was tried has gone well for long enough, and not before", () =>
    Effect.gen(function* () {
      const exact = Schedule.exponential(1_000).pipe(resetAfter(60_000))
      const next = yield* delaysOf(exact)
      const afterStanding = Effect.fnUntraced(function* (millis: number) {
        yield* TestClock.adjust(millis)
        const delay = yield* next(undefined)
        yield* TestClock.adjust(delay)
        return delay
      })
      const found = []
      for (const stood of [0, 0, 59_999, 60_000, 0]) found.push(yield* afterStanding(stood))
      assert.deepStrictEqual(found, [1_000, 2_000, 4_000, 1_000, 2_000])
    }),
  )
})
