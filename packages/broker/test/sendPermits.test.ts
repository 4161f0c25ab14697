/** How many sends of a connection may be under way, alone and where others of its mesh send, too. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { SendPermits } from "../src/connection/SendPermits.ts"
import { SendsUnderWay } from "../src/mesh/SendsUnderWay.ts"
import { StoreError } from "../src/store/MessageStore.ts"
import { attach, enter, offer, scenario, settled } from "./support/ActorScenario.ts"
import { alice, bob, carol, sealedTo } from "./support/MeshScenario.ts"

const sharing = (meshSendsUnderWayMax = 12) => {
  const underWay = new SendsUnderWay({ meshSendsUnderWayMax, sendsUnderWayMax: 8, meshDeliveriesUnderWayMax: 100 })
  return { underWay, connection: () => new SendPermits(underWay) }
}
const mesh = (meshSendsUnderWayMax?: number) => sharing(meshSendsUnderWayMax).connection

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

  it("are one of each connection while messages to many are being stored: they count as many as they go to (I23)", () => {
    const { connection, underWay } = sharing()
    const [one, two] = [connection(), connection()]
    underWay.holdDeliveries(99)
    assert.strictEqual(takeAll(one), 8)
    underWay.holdDeliveries(1)
    assert.deepStrictEqual([takeAll(two), takeAll(one)], [1, 0])
    underWay.holdDeliveries(-100)
    assert.strictEqual(takeAll(two), 5)
  })

  it.effect("are waited for until one is answered, and no longer than the socket is open (I13, I23)", () =>
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

  it.effect("count what a mesh is storing until it is stored, or cannot be (I13, I23)", () => {
    let commits = 0
    return scenario(
      Effect.gen(function* () {
        const mesh = yield* enter
        const [sender] = [yield* attach(mesh, alice), yield* attach(mesh, bob), yield* attach(mesh, carol)]
        for (const id of ["m1", "m2"]) {
          yield* offer(mesh, sender, "*", { id, sealedKeys: sealedTo(bob, carol) })
          assert.strictEqual(mesh.sendsUnderWay.share, 1)
          yield* settled
          assert.strictEqual(mesh.sendsUnderWay.share, 64)
        }
        assert.deepStrictEqual([sender.of("ack").length, sender.of("error").length], [1, 1])
      }),
      {
        limits: { meshDeliveriesUnderWayMax: 2 },
        change: (store) => ({
          commit: (writes) =>
            writes.some(({ write }) => write._tag === "Accept") && (commits += 1) > 1
              ? Effect.fail(new StoreError({ reason: "rejected", cause: "for the test" }))
              : store.commit(writes),
        }),
      },
    )
  })
})
