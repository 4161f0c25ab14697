/** `docs/security.md` says of each attack which test shows that it fails: there has to be such a test. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const root = join(import.meta.dirname, "../..")
const page = readFileSync(join(root, "docs/security.md"), "utf8")

interface Row {
  readonly number: number
  readonly attack: string
  readonly file: string
  readonly test: string
}

/** `| 12 | attack | what stops it | `file`: "test" |` */
const rows = [...page.matchAll(/^\| (\d+) \| (.+?) \| .+? \| `([^`]+)`: (.+) \|$/gm)].map(
  ([, number = "", attack = "", file = "", test = ""]): Row => ({ number: Number(number), attack, file, test }),
)

/** A name as it stands in the source, without the invariants that it may end with. */
const holds = (source: string, quoted: string): boolean => {
  const name = quoted.slice(1, -1)
  return [`"${name}`, `\`${name}`].some((written) => source.includes(written))
}

describe("the table of attacks", () => {
  it("has forty rows at least, numbered, and no attack twice", () => {
    assert.isAtLeast(rows.length, 40)
    assert.deepStrictEqual(
      rows.map(({ number }) => number),
      rows.map((_, index) => index + 1),
    )
    assert.strictEqual(new Set(rows.map(({ attack }) => attack)).size, rows.length)
  })

  it("has no row in another form", () => assert.strictEqual([...page.matchAll(/^\| \d+ \|/gm)].length, rows.length))

  it("names a test that exists in each row", () => {
    const missing = rows.filter(({ file, test }) => {
      const path = join(root, file)
      return !existsSync(path) || !holds(readFileSync(path, "utf8"), test)
    })
    assert.deepStrictEqual(missing, [])
  })
})
