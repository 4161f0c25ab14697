import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { isoFromMillis, IsoTime } from "../src/IsoTime.ts"

describe("IsoTime", () => {
  it("writes milliseconds as the first clients read them", () => {
    assert.strictEqual(isoFromMillis(1_795_507_198_670), "2026-11-24T07:59:58.670Z")
    assert.strictEqual(isoFromMillis(0), "1970-01-01T00:00:00.000Z")
  })

  const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 253_402_300_799_999 }))
  it.prop("reads as the milliseconds that were written", { millis: Millis }, ({ millis }) => {
    assert.strictEqual(Date.parse(isoFromMillis(millis)), millis === 0 ? 0 : millis)
  })

  it.prop("is a number whenever it decodes, so that it can be compared", { time: IsoTime }, ({ time }) => {
    assert.isTrue(Number.isFinite(Date.parse(time)))
  })

  it("refuses times that are none, and other spellings", () => {
    const times = [
      "2026-13-01T00:00:00.000Z",
      "2026-00-01T00:00:00.000Z",
      "2026-01-00T00:00:00.000Z",
      "2026-01-32T00:00:00.000Z",
      "2026-01-01T24:00:00.000Z",
      "2026-01-01T00:60:00.000Z",
      "2026-01-01T00:00:60.000Z",
      "2026-01-01",
      "2026-01-01T00:00:00Z",
      "2026-01-01T00:00:00.000",
      "2026-01-01T00:00:00.000+01:00",
      "2026-01-01 00:00:00.000Z",
      "2026-01-01t00:00:00.000z",
      "+002026-01-01T00:00:00.000Z",
      "2026-01-01T00:00:00.000Z\n",
      "",
    ]
    for (const time of times) assert.isFalse(Schema.is(IsoTime)(time), JSON.stringify(time))
  })
})
