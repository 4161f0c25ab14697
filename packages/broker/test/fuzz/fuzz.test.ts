/** A short form of `npm run fuzz`: the same inputs at each run. */
import { assert, describe, it } from "@effect/vitest"
import { fuzz, isFault, shown } from "../../../domain/test/fuzz/Fuzz.ts"
import { brokerDecoders } from "./Decoders.ts"

describe("of some hundred broken inputs, none breaks", async () => {
  for (const decoder of await brokerDecoders) {
    it(`${decoder.name} (I3, I20)`, () => {
      const outcome = fuzz(decoder, { seed: 1, inputs: 500 })
      if (isFault(outcome)) return assert.fail(`${outcome.problem}, of ${shown(outcome.input)}`)
      assert.isAbove(outcome.accepted, 4)
      assert.isBelow(outcome.accepted, outcome.inputs)
    })
  }
})
