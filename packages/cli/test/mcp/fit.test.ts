/** Keeping answers inside their bounds. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { clamped, countFitting, fitted, split } from "../../src/mcp/Fit.ts"

const more = (left: number, shown: number) => `${left} more behind ${shown}`

const Lines = Schema.Array(Schema.String.check(Schema.isMaxLength(40)))

describe("lines that are fitted into a bound", () => {
  it("are all there where they fit, and nothing is said of more", () =>
    assert.deepStrictEqual(fitted(["a", "b"], 3, more), ["a", "b"]))

  it("end with what is left, counted", () =>
    assert.deepStrictEqual(fitted(["aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff"], 26, more), [
      "aaaa",
      "bbbb",
      "4 more behind 2",
    ]))

  it("may be none", () => assert.strictEqual(countFitting(["a".repeat(100)], 50, more), 0))

  it.prop("never go over the bound, with what is said of the rest", [Lines], ([lines]) => {
    for (const bound of [30, 60, 100, 400]) {
      const shown = fitted(lines, bound, more)
      assert.isAtMost(shown.join("\n").length, Math.max(bound, more(lines.length, 0).length))
    }
  })
})

describe("a text that is cut", () => {
  it("says so, and tears no character and no escape", () => {
    assert.strictEqual(clamped("short", 5), "short")
    assert.strictEqual(clamped("x".repeat(20), 10), "xxxxxx […]")
    assert.strictEqual(clamped("👍".repeat(10), 11), "👍👍👍 […]")
    assert.strictEqual(clamped("xx&quot;yyyyyyyy", 10), "xx […]")
  })

  it.prop("is whole again when its parts are joined, and none is over the bound", [Schema.String], ([text]) => {
    const long = `${text} & `.repeat(200)
    const parts = split(long, 64)
    assert.strictEqual(parts.join(""), long)
    for (const part of parts) {
      assert.isAtMost(part.length, 64)
      assert.isAbove(part.length, 0)
    }
  })
})
