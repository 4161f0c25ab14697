/** Bytes from a host, in any pieces, as the lines that they are. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { RequestLine, RequestLines } from "../../src/mcp/RequestLines.ts"

const read = (text: string, bytesMax = 200, pieceBytes = 7): ReadonlyArray<RequestLine> => {
  const lines = new RequestLines(bytesMax)
  const bytes = Buffer.from(text)
  const found: Array<RequestLine> = []
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    found.push(...lines.read(bytes.subarray(from, from + pieceBytes)))
  }
  return [...found, ...lines.end()]
}

const whole = (text: string) => RequestLine.Whole({ text })
const tooLong = (id: string | number | undefined) => [RequestLine.TooLong({ id })]

const filler = "x".repeat(300)

describe("lines from a host", () => {
  it("are read in whatever pieces they come, with or without a newline at the end", () => {
    for (const piece of [1, 2, 3, 100]) {
      assert.deepStrictEqual(read('{"a":"é👍"}\n\r\n  \n[2]\r\n{"b":1}', 200, piece), [
        whole('{"a":"é👍"}'),
        whole("[2]"),
        whole('{"b":1}'),
      ])
    }
  })

  it("that are too long are skipped, and what comes behind them is read", () => {
    assert.deepStrictEqual(read(`{"method":"m","id":1,"x":"${filler}"}\n{"b":1}\n`), [...tooLong(1), whole('{"b":1}')])
  })

  it("that are too long tell their id, wherever it stands in them, and of a request alone", () => {
    const x = `"x":{"id":99,"list":[{"id":98},"\\"id\\":97"]},"y":"${filler}\\",\\"id\\":96,"`
    for (const [line, id] of [
      [`{"id":5,"method":"m",${x}}`, 5],
      [`{"method":"m",${x},"id":5}`, 5],
      [`{ "method" : "m" , "params" : {${x}} , "id" : "a-5" }`, "a-5"],
      [`{"id":"é","method":"m",${x}}`, "é"],
      [`{"method":"m",${x}}`, undefined],
      [`{"id":5,"result":{${x}}}`, undefined],
      [`{"id":null,"method":"m",${x}}`, undefined],
      [`{"id":[5],"method":"m",${x}}`, undefined],
      [`{"id":{"id":5},"method":"m",${x}}`, undefined],
      [`{"id":"${filler}","method":"m"}`, undefined],
      [`[{"id":5,"method":"m",${x}}]`, undefined],
      [`"id":5,"method":"m",${x}`, undefined],
      [filler, undefined],
    ] as const) {
      for (const piece of [1, 64, 10_000]) assert.deepStrictEqual(read(line, 200, piece), tooLong(id), line)
    }
  })

  it.prop("give back any lines", [Schema.Array(Schema.String)], ([texts]) => {
    const lines = texts.map((text) => JSON.stringify(text.toWellFormed()))
    assert.deepStrictEqual(read(lines.join("\n"), 1_000_000, 5), lines.map(whole))
  })
})
