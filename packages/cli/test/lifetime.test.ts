/** How long a link is good, as a person writes it. */
import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { parseLifetime } from "../src/commands/Lifetime.ts"

describe("a lifetime", () => {
  it("is minutes, hours or days, up to a year", () => {
    const good = { "30m": 1_800_000, "12h": 43_200_000, "7d": 604_800_000, "365d": 31_536_000_000 }
    for (const [text, millis] of Object.entries(good)) assert.deepStrictEqual(parseLifetime(text), Option.some(millis))
  })

  it("is nothing else", () => {
    for (const text of ["", "7", "d", "0d", "-1d", "1.5h", "7 d", "7D", "1w", "366d", "8761h", "9999999m", "1d1h"]) {
      assert.isTrue(Option.isNone(parseLifetime(text)), text)
    }
  })
})
