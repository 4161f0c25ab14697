/** The README's table of variables is the config module's. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { variables } from "../src/Config.ts"

it("the README lists every variable with its default and meaning, and no other", () => {
  const readme = readFileSync(join(import.meta.dirname, "../../../README.md"), "utf8")
  const rows = readme.matchAll(/^\| `([A-Z0-9_]+)` \| (.+?) \| (.+?) \|$/gm)
  const listed = [...rows].map(([, name, fallback, meaning]) => [name, { fallback, meaning }])
  const known = Object.entries(variables).map(([name, { fallback, meaning }]) => [name, { fallback, meaning }])
  assert.deepStrictEqual(listed, known)
})
