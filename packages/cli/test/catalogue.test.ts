/** The list of all commands is made without loading them. */
import { assert, describe, it } from "@effect/vitest"
import { catalogue } from "../src/Catalogue.ts"

describe("the catalogue", () => {
  it("says of each command what the command says of itself, under its name", async () => {
    for (const { does, load, name } of catalogue) {
      const { description, name: ownName } = await load()
      assert.deepStrictEqual({ name, does }, { name: ownName, does: description ?? "" })
    }
  })
})
