/** The short form of `npm run simulate`: a few dozen seeds, and that a seed means the same run every time. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { simulate } from "../src/simulate.ts"

const seeds = Array.from({ length: 40 }, (_, index) => index + 1)

it.live("keeps every promise whatever is killed, cut, slowed or restarted (I7, I8, I9, I24)", () =>
  Effect.gen(function* () {
    let shown = 0
    for (const seed of seeds) {
      const report = yield* simulate(seed)
      assert.deepStrictEqual(report.problems, [], `replay it: npm run simulate -- --seed ${seed}`)
      shown += report.shown
    }
    assert.isAbove(shown, seeds.length * 50, "the runs are busy enough to mean something")
  }),
)

it.live("replays a run from its seed, line by line (I25)", () =>
  Effect.gen(function* () {
    const [first, second] = [yield* simulate(7), yield* simulate(7)]
    assert.deepStrictEqual(first.history, second.history)
    assert.notDeepEqual((yield* simulate(8)).history, first.history)
  }),
)
