/** Time in a run: it stands while anything is left to do, then goes straight to what is due. */
import { assert, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { commandOf } from "../src/shrink.ts"
import { VirtualTime } from "../src/VirtualTime.ts"

const inTime = <A>(time: VirtualTime, effect: Effect.Effect<A>) =>
  effect.pipe(Effect.forkChild, Effect.flatMap(Fiber.join), Effect.provide(time.layer))

it.live("what is due happens in order, each with all that follows from it, and not a moment later (I25)", () => {
  const time = new VirtualTime()
  const seen: Array<string> = []
  const note = (what: string) => Effect.map(Clock.currentTimeMillis, (at) => seen.push(`${what} at ${at}`))
  return inTime(
    time,
    Effect.gen(function* () {
      yield* Effect.forkChild(Effect.andThen(Effect.sleep(3_600_000), note("an hour")))
      yield* Effect.forkChild(
        Effect.gen(function* () {
          yield* Effect.sleep(10)
          for (let turn = 0; turn < 100; turn++) yield* Effect.yieldNow
          yield* note("after many turns")
        }),
      )
      yield* Effect.forkChild(Effect.andThen(Effect.sleep(11), note("just after")))
      yield* time.pass(3_599_999)
      assert.deepStrictEqual(seen, ["after many turns at 10", "just after at 11"])
      yield* time.pass(1)
      assert.deepStrictEqual(seen.at(-1), "an hour at 3600000")
    }),
  )
})

it.live("a clock that is set shows another time and sleeps as long as before (I25)", () => {
  const time = new VirtualTime()
  let offsetMillis = 1_000_000
  return inTime(
    time,
    Effect.gen(function* () {
      const woken = yield* Effect.forkChild(Effect.andThen(Effect.sleep(1_000), Clock.currentTimeMillis))
      yield* time.pass(500)
      offsetMillis -= 60_000
      yield* time.pass(500)
      assert.strictEqual(yield* Fiber.join(woken), 941_000)
    }).pipe(
      Effect.provideService(
        Clock.Clock,
        time.clock(() => offsetMillis),
      ),
    ),
  )
})

it("a failing run is named by the command that replays it", () => {
  const report = { seed: 7, problems: ["x"], history: [], sent: 0, acked: 0, shown: 0, virtualMillis: 0 }
  assert.strictEqual(
    commandOf({ report, steps: 12, without: new Set(["cut", "wait"]) }),
    "npm run simulate -- --seed 7 --steps 12 --without cut,wait",
  )
})
