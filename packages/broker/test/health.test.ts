/** However often somebody asks whether the broker is well, its store is asked once in a while, and nobody waits long. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { HttpServerResponse } from "effect/unstable/http"
import { storeChecks } from "../src/http/Health.ts"
import { statusPage } from "../src/http/StatusPage.ts"
import { brokerLimits } from "../src/Limits.ts"
import { MessageStore, StoreError } from "../src/store/MessageStore.ts"
import { storeWith } from "./support/StoreWith.ts"

/** What is known of such a store, and how often it was asked. */
const checksOf = (answer: Effect.Effect<void, StoreError>) => {
  const asked = { ping: 0, probe: 0 }
  const counted = (what: "ping" | "probe") =>
    Effect.andThen(
      Effect.sync(() => (asked[what] += 1)),
      answer,
    )
  const store = storeWith({
    ping: counted("ping"),
    probe: counted("probe"),
  })
  return Effect.map(Effect.provideService(storeChecks(brokerLimits), MessageStore, store), (checks) => ({
    asked,
    checks,
  }))
}

describe("the health of a broker", () => {
  it.effect("is asked of its store once in 2 s, however many ask at once and one after the other (I23)", () =>
    Effect.gen(function* () {
      const { asked, checks } = yield* checksOf(Effect.void)
      const all = Effect.all([checks.canRead, checks.canWrite])
      for (let round = 0; round < 3; round++) {
        assert.deepStrictEqual(
          yield* Effect.forEach(Array.from({ length: 100 }), () => all, { concurrency: 10 }),
          Array.from({ length: 100 }, () => [true, true]),
        )
        yield* TestClock.adjust(brokerLimits.healthProbeMillis - 1)
        yield* all
        assert.deepStrictEqual(asked, { ping: round + 1, probe: round + 1 })
        yield* TestClock.adjust(1)
      }
    }),
  )

  it.effect("is on its page, which asks the store no more often (I23)", () =>
    Effect.gen(function* () {
      const { asked, checks } = yield* checksOf(Effect.void)
      const seen = statusPage({ startedMillis: 0, draining: false }, checks)
      for (let round = 0; round < 3; round++) {
        const pages = yield* Effect.forEach(Array.from({ length: 100 }), () => seen, { concurrency: 10 })
        assert.deepStrictEqual(new Set(pages.map(({ status }) => status)), new Set([200]))
        assert.deepStrictEqual(asked, { ping: round + 1, probe: round + 1 })
        yield* TestClock.adjust(brokerLimits.healthProbeMillis)
      }
    }),
  )

  it.effect("is on its page with 503 while it is being stopped", () =>
    Effect.gen(function* () {
      const { checks } = yield* checksOf(Effect.void)
      const page = HttpServerResponse.toWeb(yield* statusPage({ startedMillis: 0, draining: true }, checks))
      assert.strictEqual(page.status, 503)
      assert.include(yield* Effect.promise(() => page.text()), "It is being stopped")
    }),
  )

  it.effect("is told within 2 s of a store that does not answer, and is bad", () =>
    Effect.gen(function* () {
      const { asked, checks } = yield* checksOf(Effect.never)
      const waiting = yield* Effect.forkChild(Effect.all([checks.canRead, checks.canRead], { concurrency: 2 }))
      yield* TestClock.adjust(brokerLimits.healthTimeoutMillis)
      assert.deepStrictEqual(yield* Fiber.join(waiting), [false, false])
      assert.strictEqual(asked.ping, 1)
    }),
  )

  it.effect("is bad while the store fails", () =>
    Effect.gen(function* () {
      const { checks } = yield* checksOf(Effect.fail(new StoreError({ reason: "unavailable", cause: "away" })))
      assert.deepStrictEqual([yield* checks.canRead, yield* checks.canWrite], [false, false])
    }),
  )
})
