/** How many sends of a connection may be under way, alone and where others of its mesh send, too. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { SendPermits } from "../src/connection/SendPermits.ts"
import { SendsUnderWay } from "../src/mesh/SendsUnderWay.ts"

const mesh = (meshSendsUnderWayMax = 12, sendsUnderWayMax = 8) => {
  const underWay = new SendsUnderWay({ meshSendsUnderWayMax, sendsUnderWayMax })
  return () => new SendPermits(underWay)
}

/** So many as it can have now. */
const takeAll = (permits: SendPermits): number => {
  let taken = 0
  while (permits.takeNow()) taken += 1
  return taken
}

const giveBack = (permits: SendPermits, count: number) => {
  for (let n = 0; n < count; n++) permits.return()
}

describe("the sends of a mesh that are under way", () => {
  it("are shared out among the connections that have some, and a quiet one takes nothing from the others (I23)", () => {
    const connection = mesh()
    const [one, two, three] = [connection(), connection(), connection()]
    assert.strictEqual(takeAll(one), 8)
    // It comes late, and has its share all the same.
    assert.strictEqual(takeAll(two), 6)
    assert.strictEqual(takeAll(three), 4)
    // Who has more than its share now waits until it has less.
    giveBack(one, 4)
    assert.strictEqual(takeAll(one), 0)
    giveBack(one, 1)
    assert.strictEqual(takeAll(one), 1)
    giveBack(three, 4)
    assert.strictEqual(takeAll(one), 2)
  })

  it("are one of each connection at least, however many send (I23)", () => {
    const connection = mesh(2)
    const all = Array.from({ length: 5 }, connection)
    assert.deepStrictEqual(all.map(takeAll), [2, 1, 1, 1, 1])
  })

  it.effect("are waited for until one is answered, and no longer than the socket is open (I23)", () =>
    Effect.gen(function* () {
      const connection = mesh()
      const [one, two] = [connection(), connection()]
      takeAll(one)
      takeAll(two)
      const waiting = yield* Effect.forkChild(one.take)
      yield* Effect.yieldNow
      giveBack(one, 2)
      yield* Effect.yieldNow
      // It had eight, and its share is six.
      assert.isUndefined(waiting.pollUnsafe())
      giveBack(one, 1)
      yield* Fiber.join(waiting)
      const late = yield* Effect.forkChild(Effect.flip(two.take))
      yield* Effect.yieldNow
      two.end()
      assert.strictEqual((yield* Fiber.join(late))._tag, "Done")
      // What it had under way counts for nobody any more, whether or not it is answered.
      giveBack(two, 6)
      assert.strictEqual(takeAll(one), 2)
    }),
  )
})
