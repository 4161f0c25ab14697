/** Where in a JSON text something is wrong, and where a value stands. */
import { assert, describe, it } from "@effect/vitest"
import { jsonProblem, placeOfValue } from "../src/keys/JsonPlace.ts"

const at = (text: string) => {
  const found = jsonProblem(text)
  return found === undefined ? "whole" : `${found.place.line}:${found.place.column} ${found.problem}`
}

describe("a JSON text", () => {
  it("that the runtime reads is whole, and one that it does not read is told by line and column", () => {
    const cases: Readonly<Record<string, string>> = {
      "{}": "whole",
      '{"a": [1, -2.5e3, true, null, "\\u00e4\\n"], "b": {}}\n': "whole",
      "[]": "whole",
      "{not json": '1:2 a name in quotes is missing before "n"',
      '{\n  "a": 1,\n}': '3:1 a name in quotes is missing before "}"',
      '{\n  "a": 1\n  "b": 2\n}': '3:3 a comma is missing before "\\""',
      '{"a" 1}': '1:6 a colon is missing before "1"',
      '{"a": }': '1:7 a value is missing before "}"',
      '{"a": [1, 2': "1:12 the text ends too early",
      '{"a": "ü\tx"}': "1:7 a text is not closed, or has a character that must be written as \\u",
      '{"ä": 01}': '1:8 a comma is missing before "1"',
      "{} {}": "1:4 something stands behind its end",
      "// no\n{}": '1:1 a value is missing before "/"',
      "": "1:1 the text ends too early",
    }
    for (const [text, expected] of Object.entries(cases)) {
      assert.strictEqual(at(text), expected, text)
      const reads = () => JSON.parse(text)
      if (expected === "whole") reads()
      else assert.throws(reads)
    }
    assert.match(at("[".repeat(100_000)), /nested too deeply/)
  })

  it("tells where a value stands, or what it would stand in", () => {
    const text = '{\n  "meshes": [\n    {"slug": "red"},\n    {"slug": 7}\n  ]\n}'
    assert.deepStrictEqual(placeOfValue(text, ["meshes", 1, "slug"]), { line: 4, column: 14 })
    assert.deepStrictEqual(placeOfValue(text, ["meshes", 1, "meshId"]), { line: 4, column: 5 })
    assert.deepStrictEqual(placeOfValue(text, ["version"]), { line: 1, column: 1 })
  })
})
