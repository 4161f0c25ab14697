/** Retention runs by itself, and goes on whatever happened to the last sweep. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { brokerLimits } from "../src/Limits.ts"
import { RetentionSweep } from "../src/store/RetentionSweep.ts"
import { MessageStore, type Retention, StoreError } from "../src/store/MessageStore.ts"
import { storeWith } from "./support/StoreWith.ts"

interface Step {
  readonly retention: Retention
  readonly rowsMax: number
  readonly nowMillis: number
}

const { retentionIntervalMillis } = brokerLimits

/** A retention sweep on a store that answers each step as told, and with `done` after that. */
const sweeps = (answers: Array<Effect.Effect<"done" | "more", StoreError>>) =>
  Effect.gen(function* () {
    const steps: Array<Step> = []
    const store = storeWith({
      applyRetention: (retention, rowsMax, nowMillis) =>
        Effect.suspend(() => {
          steps.push({ retention, rowsMax, nowMillis })
          return answers.shift() ?? Effect.succeed("done" as const)
        }),
    })
    yield* Layer.build(RetentionSweep.layer(brokerLimits).pipe(Layer.provide(Layer.succeed(MessageStore, store))))
    return steps
  })

describe("the retention sweep", () => {
  it.effect("sweeps once a minute, with the limits that the broker has (I17)", () =>
    Effect.gen(function* () {
      const steps = yield* sweeps([])
      yield* TestClock.adjust(retentionIntervalMillis - 1)
      assert.deepStrictEqual(steps, [])
      yield* TestClock.adjust(1)
      yield* TestClock.adjust(retentionIntervalMillis)
      assert.deepStrictEqual(
        steps.map(({ nowMillis }) => nowMillis),
        [60_000, 120_000],
      )
      assert.deepStrictEqual(steps[0]?.retention, {
        messageRowMillis: brokerLimits.messageRowMillis,
        sessionMillis: brokerLimits.sessionRetentionMillis,
        auditMillis: brokerLimits.auditRetentionMillis,
        inviteMillis: brokerLimits.inviteRetentionMillis,
      })
      assert.strictEqual(steps[0]?.rowsMax, brokerLimits.retentionRowsMax)
    }).pipe(Effect.scoped),
  )

  it.effect("goes on in steps while there is more to remove", () =>
    Effect.gen(function* () {
      const steps = yield* sweeps([Effect.succeed("more"), Effect.succeed("more")])
      yield* TestClock.adjust(retentionIntervalMillis)
      for (let turn = 0; turn < 10; turn++) yield* Effect.yieldNow
      assert.strictEqual(steps.length, 3)
    }).pipe(Effect.scoped),
  )

  it.effect("comes again after a sweep that failed, or that was a defect (I17, I24)", () =>
    Effect.gen(function* () {
      const failure = new StoreError({ reason: "unavailable", cause: "away" })
      const steps = yield* sweeps([Effect.fail(failure), Effect.die("a defect")])
      yield* TestClock.adjust(retentionIntervalMillis)
      yield* TestClock.adjust(retentionIntervalMillis)
      yield* TestClock.adjust(retentionIntervalMillis)
      assert.strictEqual(steps.length, 3)
    }).pipe(Effect.scoped),
  )
})
