/** A store that never answers: whoever calls it hears so after a time, and what was begun is interrupted. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { brokerLimits } from "../src/Limits.ts"
import { StatementMillis, withDeadlines } from "../src/store/Deadlines.ts"
import { MessageStore, type StoreError } from "../src/store/MessageStore.ts"
import { inboxOf, messageOf } from "./support/Stores.ts"
import { bob, meshId, meshRecord } from "./support/MeshScenario.ts"

const storeThat = (call: Effect.Effect<never, StoreError>) =>
  withDeadlines(
    MessageStore.of({
      commit: () => call,
      meshExists: () => call,
      loadMesh: () => call,
      page: () => call,
      backlog: () => call,
      countWaiting: () => call,
      deliveryReportOf: () => call,
      applyRetention: () => call,
      createMesh: () => call,
      ping: call,
      probe: call,
    }),
    brokerLimits,
  )

const page = { meshId, inbox: inboxOf(bob), priority: "next", afterSeq: 0, limit: 1, nowMillis: 0 } as const
const retention = { messageRowMillis: 1, sessionMillis: 1, auditMillis: 1, inviteMillis: 1 }

const callsOf = (store: MessageStore["Service"]): Readonly<Record<string, Effect.Effect<unknown, StoreError>>> => ({
  commit: store.commit([]),
  meshExists: store.meshExists(meshId),
  page: store.page(page),
  backlog: store.backlog(meshId, [], 0),
  countWaiting: store.countWaiting(meshId, [], [], 0),
  deliveryReportOf: store.deliveryReportOf(meshId, messageOf(1).messageId),
  applyRetention: store.applyRetention(retention, 1, 0),
  createMesh: store.createMesh(meshRecord, undefined, [], 0),
  ping: store.ping,
  probe: store.probe,
})

/** What the caller heard, and after how long. */
const timed = Effect.fnUntraced(function* (call: Effect.Effect<unknown, StoreError>, millis: number) {
  const fiber = yield* Effect.forkChild(Effect.flip(call))
  yield* TestClock.adjust(millis - 1)
  assert.isUndefined(fiber.pollUnsafe())
  yield* TestClock.adjust(1)
  return (yield* Fiber.join(fiber)).reason
})

describe("a store that does not answer", () => {
  for (const name of Object.keys(callsOf(storeThat(Effect.never)))) {
    it.effect(`is given 5 s for ${name}`, () =>
      Effect.gen(function* () {
        const call = callsOf(storeThat(Effect.never))[name] ?? Effect.void
        assert.strictEqual(yield* timed(call, brokerLimits.storeCallMillis), "unavailable")
      }),
    )
  }

  it.effect("is given 30 s to load a mesh", () =>
    Effect.gen(function* () {
      const load = storeThat(Effect.never).loadMesh(meshId)
      assert.strictEqual(yield* timed(load, brokerLimits.storeLoadMillis), "unavailable")
    }),
  )

  it.effect("is interrupted then, and holds up neither its caller nor whoever interrupts that one", () =>
    Effect.gen(function* () {
      const ends: Array<string> = []
      const slowToEnd = Effect.onInterrupt(Effect.never, () =>
        Effect.andThen(
          Effect.sync(() => ends.push("interrupted")),
          Effect.never,
        ),
      )
      const store = storeThat(slowToEnd)
      assert.strictEqual(yield* timed(Effect.uninterruptible(store.commit([])), 5_000), "unavailable")
      const waiting = yield* Effect.forkChild(Effect.uninterruptible(store.commit([])))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(waiting)
      yield* Effect.yieldNow
      assert.deepStrictEqual(ends, ["interrupted", "interrupted"])
    }),
  )

  it.effect("is told how long a statement may take, which is less", () =>
    Effect.gen(function* () {
      const asked: Array<number> = []
      const store = storeThat(
        Effect.flatMap(StatementMillis, (millis) =>
          Effect.andThen(
            Effect.sync(() => asked.push(millis)),
            Effect.never,
          ),
        ),
      )
      for (const call of [store.ping, store.loadMesh(meshId)]) {
        yield* Fiber.interrupt(yield* Effect.forkChild(call, { startImmediately: true }))
      }
      assert.deepStrictEqual(asked, [4_000, 24_000])
    }),
  )
})

describe("a store that answers", () => {
  it.effect("is heard at once", () =>
    Effect.gen(function* () {
      const failure = Exit.die("as it is")
      assert.deepStrictEqual(yield* Effect.exit(storeThat(failure).ping), failure)
    }),
  )
})
