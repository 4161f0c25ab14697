/** The list of all commands is made without loading them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { catalogue, helpOf } from "../src/Catalogue.ts"

describe("the catalogue", () => {
  it("says of each command what the command says of itself, under its name", async () => {
    for (const { does, load, name } of catalogue) {
      const { description, name: ownName } = await load()
      assert.deepStrictEqual({ name, does }, { name: ownName, does: description ?? "" })
    }
  })

  it("has examples in the help of every command", async () => {
    for (const { name } of catalogue) {
      const help = await Effect.runPromise(helpOf([name]))
      assert.isNotEmpty(help?.examples, name)
    }
  })
})
