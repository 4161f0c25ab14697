/** What a live table draws, in a terminal of any size, and what it says where there is none. */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { changesBetween } from "../../src/watch/Changes.ts"
import { cut, linesOf } from "../../src/watch/Screen.ts"

const picture = {
  head: ["NAME", "STATUS"],
  rows: [
    ["Zoë", "idle"],
    ["日本語", "working"],
    ["👩‍👩‍👧", "away"],
  ],
  foot: ["Ctrl-C ends this."],
}

describe("a picture", () => {
  it("has columns under each other by what a terminal shows, whatever the letters", () => {
    assert.deepStrictEqual(linesOf(picture, { columns: 40, rows: 10 }), [
      "NAME    STATUS",
      "Zoë     idle",
      "日本語  working",
      "👩‍👩‍👧      away",
      "Ctrl-C ends this.",
    ])
  })

  it("says how many rows have no room, and keeps its foot", () => {
    assert.deepStrictEqual(linesOf(picture, { columns: 40, rows: 4 }), [
      "NAME  STATUS",
      "Zoë   idle",
      "2 more",
      "Ctrl-C ends this.",
    ])
  })

  it("never has more lines than the terminal, and none wider than it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary-ascii" })), { maxLength: 20 }),
        fc.array(fc.string(), { maxLength: 3 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 12 }),
        (rows, foot, columns, height) => {
          const clean = rows.map((row) => row.map((cell) => cell.replaceAll(/\p{Cc}/gu, "")))
          const lines = linesOf({ head: ["A", "B"], rows: clean, foot }, { columns, rows: height })
          assert.isAtMost(lines.length, height)
          for (const line of lines) assert.isAtMost(Bun.stringWidth(line), columns)
        },
      ),
    )
  })

  it("cuts a text between letters, and says that it did", () => {
    assert.deepStrictEqual(
      [5, 4, 3, 1, 0].map((columns) => cut("日本語", columns)),
      ["日本…", "日…", "日…", "…", ""],
    )
  })
})

describe("changes", () => {
  const rows = {
    keyOf: ([key]: readonly [string, string]) => key,
    shownOf: ([, value]: readonly [string, string]) => value,
  }
  const between = (before: ReadonlyArray<readonly [string, string]> | undefined, now: typeof before = []) =>
    changesBetween(before, now, rows).map(({ event, row }) => `${event} ${row.join("=")}`)

  it("are what came, went and is another now; at the first look all of it is here", () => {
    const first = [
      ["a", "1"],
      ["b", "1"],
      ["c", "1"],
    ] as const
    assert.deepStrictEqual(between(undefined, first), ["here a=1", "here b=1", "here c=1"])
    assert.deepStrictEqual(
      between(first, [
        ["d", "1"],
        ["c", "2"],
        ["a", "1"],
      ]),
      ["left b=1", "joined d=1", "changed c=2"],
    )
    assert.deepStrictEqual(between(first, first.toReversed()), [])
  })
})
