/** The short form of `npm run simulate`: eight short runs, and that a seed means the same run every time. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { simulate } from "../src/simulate.ts"

const steps = 40
const seedsOfEach = 2

describe("keeps every promise whatever is killed, cut, slowed, restarted or set back (I2, I5 to I9, I13, I14, I22, I24)", () => {
  for (const first of [1, 3, 5, 7]) {
    it.live(`in the runs of the seeds from ${first}`, () =>
      Effect.gen(function* () {
        let shown = 0
        for (let seed = first; seed < first + seedsOfEach; seed++) {
          const report = yield* simulate(seed, { steps })
          assert.deepStrictEqual(report.problems, [], `replay it: npm run simulate -- --seed ${seed} --steps ${steps}`)
          shown += report.shown
        }
        assert.isAbove(shown, seedsOfEach * 25, "the runs are busy enough to mean something")
      }),
    )
  }
})

it.live("replays a run from its seed, line by line (I25)", () =>
  Effect.gen(function* () {
    const [first, second] = [yield* simulate(7, { steps }), yield* simulate(7, { steps })]
    assert.deepStrictEqual(first.history, second.history)
    assert.notDeepEqual((yield* simulate(8, { steps })).history, first.history)
  }),
)

it.live("keeps every promise with the real curves, too", () =>
  Effect.gen(function* () {
    for (const seed of [1, 2]) {
      assert.deepStrictEqual((yield* simulate(seed, { steps, realCrypto: true })).problems, [])
    }
  }),
)
