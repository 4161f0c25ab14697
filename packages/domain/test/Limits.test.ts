import { assert, describe, it } from "@effect/vitest"
import * as Limits from "../src/Limits.ts"

describe("limits (I13)", () => {
  it("are what the protocol says", () => {
    const { frameBytesMax, ...numbers } = Limits
    assert.deepStrictEqual<unknown>(numbers, {
      messageBytesDefault: 65_536,
      membersPerMeshMax: 500,
      frameOverheadBytes: 131_072,
      inFlightMax: 500,
      inFlightReservedForNow: 16,
      inFlightBytesMax: 1_048_576,
      inFlightBytesReservedForNow: 131_072,
      helloSkewMillis: 60_000,
      ackBatchMax: 500,
      elsewhereMax: 20,
      sealedKeyCharactersMax: 256,
      ttlSecondsMax: 31_536_000,
      trustKeysMax: 100,
      trustRevocationsMax: 10,
    })
    assert.strictEqual(frameBytesMax(65_536), 218_456)
    assert.isAtMost(
      Buffer.alloc(numbers.messageBytesDefault).toString("base64").length,
      numbers.inFlightBytesReservedForNow,
    )
  })

  it("leave room in a frame for the largest message, whatever the remainder by three", () => {
    for (const bytes of [0, 1, 2, 3, 4, 65_535, 65_536, 65_537]) {
      const base64 = Buffer.alloc(bytes).toString("base64").length
      assert.strictEqual(Limits.frameBytesMax(bytes), base64 + 131_072)
    }
  })
})
