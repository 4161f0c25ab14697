/** How a broker that stops takes leave of its connections. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { type Drained, drainConnections } from "../src/connection/Drain.ts"
import { rulesWith } from "./support/MeshScenario.ts"

const { limits } = rulesWith()

class Sockets extends Set<Drained> {
  drained = 0

  constructor(count: number) {
    super()
    for (let n = 0; n < count; n++) this.add({ drain: () => (this.drained += 1) })
  }
}

/** How many of so many sockets are drained at each of these times. */
const drainedAt = Effect.fnUntraced(function* (count: number, times: ReadonlyArray<number>) {
  const sockets = new Sockets(count)
  const fiber = yield* Effect.forkScoped(drainConnections(sockets, Effect.void, limits))
  const seen: Array<number> = []
  let atMillis = 0
  yield* Effect.yieldNow
  for (const time of times) {
    yield* TestClock.adjust(time - atMillis)
    atMillis = time
    seen.push(sockets.drained)
  }
  return { seen, isOver: fiber.pollUnsafe() !== undefined }
})

describe("a broker that drains", () => {
  it.effect("closes a few sockets at once", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* drainedAt(100, [0]), { seen: [100], isOver: true })
    }),
  )

  it.effect("closes many in turns, so that their clients do not all come back in one moment (I23)", () =>
    Effect.gen(function* () {
      const { isOver, seen } = yield* drainedAt(1_000, [0, 99, 100, 850, 900])
      assert.deepStrictEqual(seen, [100, 100, 200, 900, 1_000])
      assert.isTrue(isOver)
    }),
  )

  it.effect("closes ten thousand within half of its time (I23)", () =>
    Effect.gen(function* () {
      const { seen } = yield* drainedAt(10_000, [0, 100, limits.drainTimeoutMillis / 2])
      assert.deepStrictEqual(seen, [400, 800, 10_000])
    }),
  )

  it.effect("waits for a connection that does not end no longer than a drain may take (I23)", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkScoped(drainConnections(new Sockets(1), Effect.never, limits))
      yield* TestClock.adjust(limits.drainTimeoutMillis - 1)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      yield* Fiber.join(fiber)
    }),
  )
})
