/** A store that fails again and again: somebody can read so, and not once for each try. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import { saidEveryMillis, withFailuresLogged } from "../src/store/FailureLog.ts"
import { StoreError } from "../src/store/MessageStore.ts"
import { bob, meshId } from "./support/MeshScenario.ts"
import { inboxOf } from "./support/Stores.ts"
import { storeWith } from "./support/StoreWith.ts"

const request = { meshId, inbox: inboxOf(bob), priority: "next", afterSeq: 0, limit: 1, nowMillis: 0 } as const

/** The lines that are logged while pages end like this. */
const linesOf = (
  end: Effect.Effect<never, StoreError>,
  tell: (page: Effect.Effect<unknown>) => Effect.Effect<unknown>,
) => {
  const lines: Array<string> = []
  const store = withFailuresLogged(
    storeWith({
      page: () => end,
    }),
  )
  const logger = Logger.make(({ message }) => void lines.push(String(Array.isArray(message) ? message[0] : message)))
  return tell(Effect.exit(store.page(request))).pipe(
    Effect.map(() => lines),
    Effect.provide(Logger.layer([logger])),
  )
}

const away = Effect.fail(new StoreError({ reason: "unavailable", cause: "away" }))

describe("a page that cannot be read", () => {
  for (const [what, end] of [
    ["since the database is away", away],
    ["since a row of it is damaged", Effect.die("no such priority")],
  ] as const) {
    it.effect(`${what} is said once, and once a minute how often it was tried since (I24)`, () =>
      Effect.gen(function* () {
        const lines = yield* linesOf(end, (page) =>
          Effect.gen(function* () {
            for (let second = 0; second < 100; second++) {
              yield* page
              yield* TestClock.adjust(saidEveryMillis / 60)
            }
          }),
        )
        assert.deepStrictEqual(lines, [
          "a page of an inbox could not be read",
          "a page of an inbox could not be read, 60 times since this was last said",
        ])
      }),
    )
  }

  it.effect("is not said where its reader has gone, or the database refused it for good, which the caller says", () =>
    Effect.gen(function* () {
      const refused = Effect.fail(new StoreError({ reason: "rejected", cause: "never" }))
      assert.deepStrictEqual(yield* linesOf(refused, (page) => page), [])
      assert.deepStrictEqual(yield* linesOf(Effect.interrupt, (page) => page), [])
    }),
  )
})
