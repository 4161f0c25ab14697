/** Waiting for a broker: who waits is told for what, once it takes longer than a moment. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Ref } from "effect"
import { TestClock } from "effect/testing"
import { noticed, WaitNotice } from "../../src/connection/Patience.ts"

const told = Effect.gen(function* () {
  const words = yield* Ref.make<ReadonlyArray<string>>([])
  const tell = (text: string) => Ref.update(words, (before) => [...before, text])
  return { words: Ref.get(words), provided: Effect.provideService(WaitNotice, tell) }
})

describe("a wait", () => {
  it.effect("of more than half a second is told", () =>
    Effect.gen(function* () {
      const { provided, words } = yield* told
      const waiting = yield* Effect.forkChild(provided(noticed("Waiting.")(Effect.as(Effect.sleep("2 seconds"), 7))))
      yield* TestClock.adjust("499 millis")
      assert.deepStrictEqual(yield* words, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* words, ["Waiting."])
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(waiting), 7)
      assert.deepStrictEqual(yield* words, ["Waiting."])
    }),
  )

  it.effect("that is shorter, or that nobody watches, is not", () =>
    Effect.gen(function* () {
      const { provided, words } = yield* told
      yield* provided(noticed("Waiting.")(Effect.void))
      const unwatched = yield* Effect.forkChild(noticed("Waiting.")(Effect.sleep("2 seconds")))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(unwatched)
      assert.deepStrictEqual(yield* words, [])
    }),
  )
})
