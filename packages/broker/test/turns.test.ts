/** Whose frame is handled when more come than can be handled: who says little waits for nobody's much. */
import { assert, describe, it } from "@effect/vitest"
import { heapStats } from "bun:jsc"
import { Deferred, Effect, Exit } from "effect"
import { Received } from "../src/connection/Received.ts"
import { Turns } from "../src/connection/Turns.ts"

/** Sockets of one broker whose every frame takes a millisecond, and whose turns of the event loop end when the test says so. */
const broker = (waitingFramesMillis = 3) => {
  const handled: Array<string> = []
  let nowNanos = 0n
  const due: Array<() => void> = []
  const turns = new Turns(
    { waitingFramesMillis },
    () => nowNanos,
    (then) => due.push(then),
  )
  const socket = Effect.fnUntraced(function* (
    handle: (frame: string) => Effect.Effect<void> | undefined = () => undefined,
  ) {
    const received = new Received<string>(turns)
    const fiber = yield* Effect.forkScoped(
      received.each((frame) => {
        nowNanos += 1_000_000n
        handled.push(frame)
        return handle(frame)
      }),
    )
    yield* Effect.yieldNow
    return { received, fiber }
  })
  /** What was handled since it was asked last. */
  const seen = () => handled.splice(0).join(" ")
  const endOfTurn = Effect.gen(function* () {
    for (const then of due.splice(0)) then()
    // Fibers that it woke.
    yield* Effect.yieldNow
    return seen()
  })
  return { socket, seen, endOfTurn, due }
}

const say = (received: Received<string>, name: string, count: number) => {
  for (let n = 1; n <= count; n++) received.add(`${name}${n}`)
}

describe("sockets that say more than a broker can handle at once", () => {
  it.effect("have one frame handled where it comes in, and the rest in turn, one each (I1, I23)", () =>
    Effect.gen(function* () {
      const { endOfTurn, seen, socket } = broker(4)
      const [a, b, c] = [yield* socket(), yield* socket(), yield* socket()]
      say(a.received, "a", 5)
      say(b.received, "b", 3)
      say(c.received, "c", 1)
      assert.strictEqual(seen(), "a1 b1 c1")
      assert.strictEqual(yield* endOfTurn, "a2 b2 a3 b3")
      assert.strictEqual(yield* endOfTurn, "a4 a5")
      assert.strictEqual(yield* endOfTurn, "")
    }),
  )

  it.effect("hold up who says little no longer than a short time in each turn of the event loop (I23)", () =>
    Effect.gen(function* () {
      const { endOfTurn, seen, socket } = broker()
      const [much, little] = [yield* socket(), yield* socket()]
      say(much.received, "m", 100)
      seen()
      for (const turn of [1, 2, 3]) {
        assert.strictEqual((yield* endOfTurn).split(" ").length, 3)
        little.received.add(`l${turn}`)
        // It was not in line: at once, before the many that were said before it.
        assert.strictEqual(seen(), `l${turn}`)
      }
    }),
  )

  it.effect("are handled at once for a short time in a turn of the event loop, however many they are (I23)", () =>
    Effect.gen(function* () {
      const { endOfTurn, seen, socket } = broker()
      const sockets = yield* Effect.forEach(Array.from({ length: 20 }), () => socket())
      for (const { received } of sockets) say(received, "a", 1)
      // Eight have taken eight milliseconds, and three are what there is.
      assert.strictEqual(seen().split(" ").length, 8)
      const turns = [yield* endOfTurn, yield* endOfTurn, yield* endOfTurn, yield* endOfTurn]
      assert.deepStrictEqual(
        turns.map((frames) => frames.split(" ").length),
        [3, 3, 3, 3],
      )
      assert.strictEqual(yield* endOfTurn, "")
      sockets[19]?.received.add("b1")
      assert.strictEqual(seen(), "b1")
    }),
  )

  it.effect("have their frames in order: none is handled at once while others of it wait (I1)", () =>
    Effect.gen(function* () {
      const { endOfTurn, seen, socket } = broker()
      const { received } = yield* socket()
      say(received, "a", 5)
      assert.strictEqual(`${seen()} ${yield* endOfTurn}`, "a1 a2 a3 a4")
      received.add("a6")
      assert.strictEqual(seen(), "")
      assert.strictEqual(yield* endOfTurn, "a5 a6")
      received.add("a7")
      assert.strictEqual(seen(), "a7")
    }),
  )

  it.effect("have each frame handled once, however many wait (I1)", () =>
    Effect.gen(function* () {
      const { endOfTurn, seen, socket } = broker(100)
      const { received } = yield* socket()
      say(received, "", 1_000)
      let all = seen()
      while (received.size > 0) all += ` ${yield* endOfTurn}`
      assert.strictEqual(all, Array.from({ length: 1_000 }, (_, n) => n + 1).join(" "))
    }),
  )

  it.effect("are out of line while their connection waits for something else, and in it again behind that (I1)", () =>
    Effect.gen(function* () {
      const { endOfTurn, seen, socket } = broker()
      const goOn = yield* Deferred.make<void>()
      const waiting = yield* socket((frame) => (frame === "a1" ? Deferred.await(goOn) : undefined))
      const other = yield* socket()
      say(waiting.received, "a", 3)
      say(other.received, "b", 3)
      assert.strictEqual(seen(), "a1 b1")
      assert.strictEqual(yield* endOfTurn, "b2 b3")
      yield* Deferred.succeed(goOn, undefined)
      for (let turn = 0; turn < 5; turn++) yield* Effect.yieldNow
      assert.strictEqual(yield* endOfTurn, "a2 a3")
    }),
  )

  it.effect("have what came before their end handled, in turn, and nothing of it where it is dropped (I8)", () =>
    Effect.gen(function* () {
      const { endOfTurn, seen, socket } = broker()
      const [ended, dropped] = [yield* socket(), yield* socket()]
      say(ended.received, "e", 3)
      say(dropped.received, "d", 3)
      ended.received.end()
      dropped.received.drop()
      ended.received.add("too late")
      assert.strictEqual(seen(), "e1 d1")
      assert.isUndefined(ended.fiber.pollUnsafe())
      assert.strictEqual(yield* endOfTurn, "e2 e3")
      for (const { fiber } of [ended, dropped]) {
        const exit = fiber.pollUnsafe()
        assert.isTrue(exit !== undefined && Exit.isFailure(exit))
      }
    }),
  )

  it.effect("are not asked again once their connection has ended over a frame (I24)", () =>
    Effect.gen(function* () {
      const { endOfTurn, seen, socket } = broker()
      const bad = yield* socket((frame) => (frame === "a2" ? Effect.die(new Error("a defect")) : undefined))
      const good = yield* socket()
      say(bad.received, "a", 4)
      say(good.received, "b", 2)
      assert.strictEqual(`${seen()} ${yield* endOfTurn}`, "a1 b1 a2 b2")
      assert.strictEqual(yield* endOfTurn, "")
      assert.isDefined(bad.fiber.pollUnsafe())
    }),
  )

  it.effect("ask for nothing when nobody says more than that", () =>
    Effect.gen(function* () {
      const { due, endOfTurn, socket } = broker()
      const { received } = yield* socket()
      say(received, "a", 1)
      assert.strictEqual(due.length, 1)
      yield* endOfTurn
      assert.strictEqual(due.length, 0)
    }),
  )
})

describe("a connection that has waited for something", () => {
  it.effect("keeps nothing of it, however often: one that says a ping each 30 s says a million in a year", () =>
    Effect.gen(function* () {
      const { endOfTurn, socket } = broker()
      const { received } = yield* socket(() => Effect.yieldNow)
      const times = 2_000
      const objectsAfterPings = Effect.gen(function* () {
        for (let n = 0; n < times; n++) {
          received.add("ping")
          yield* endOfTurn
        }
        Bun.gc(true)
        return heapStats().objectCount
      })
      // What is made once is made the first time.
      yield* objectsAfterPings
      const before = yield* objectsAfterPings
      assert.isBelow((yield* objectsAfterPings) - before, times)
    }),
  )
})
