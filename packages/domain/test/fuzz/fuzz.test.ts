/** A short form of `npm run fuzz`: the same inputs at each run. */
import { assert, describe, it } from "@effect/vitest"
import { domainDecoders } from "./Decoders.ts"
import { fuzz, isFault, shown } from "./Fuzz.ts"

describe("of a thousand broken inputs, none breaks", () => {
  for (const decoder of domainDecoders) {
    it(`${decoder.name} (I20)`, () => {
      const outcome = fuzz(decoder, { seed: 1, inputs: 1_000 })
      if (isFault(outcome)) return assert.fail(`${outcome.problem}, of ${shown(outcome.input)}`)
      assert.isAbove(outcome.accepted, 10)
      assert.isBelow(outcome.accepted, outcome.inputs)
    })
  }
})
