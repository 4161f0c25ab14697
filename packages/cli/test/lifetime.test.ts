/** How long a link is good, as a person writes it. */
import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { keptShorter, parseLifetime } from "../src/commands/Lifetime.ts"

describe("a lifetime", () => {
  it("is minutes, hours or days, up to a year", () => {
    const good = { "30m": 1_800_000, "12h": 43_200_000, "7d": 604_800_000, "365d": 31_536_000_000 }
    for (const [text, millis] of Object.entries(good)) assert.deepStrictEqual(parseLifetime(text), Option.some(millis))
  })

  it("of a message is 30 days at most, and more than a broker may keep it is said", () => {
    assert.isTrue(Option.isSome(parseLifetime("30d", 30)))
    for (const text of ["31d", "721h", "90d"]) assert.isTrue(Option.isNone(parseLifetime(text, 30)), text)
    assert.isUndefined(keptShorter(7 * 86_400))
    assert.match(keptShorter(7 * 86_400 + 60) ?? "", /7 days at most/)
  })

  it("is nothing else", () => {
    for (const text of ["", "7", "d", "0d", "-1d", "1.5h", "7 d", "7D", "1w", "366d", "8761h", "9999999m", "1d1h"]) {
      assert.isTrue(Option.isNone(parseLifetime(text)), text)
    }
  })
})
