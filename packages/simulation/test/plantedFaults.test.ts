/** The faults that `npm run simulate:mutants` plants, held to the sources. */
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { theOneWith } from "../src/PlantedFault.ts"
import { mutants } from "../src/PlantedFaults.ts"

const root = join(import.meta.dirname, "../../..")

it("each have one line in the sources that they change, and a name of their own", async () => {
  assert.strictEqual(new Set(mutants.map(({ name }) => name)).size, mutants.length)
  for (const { file, find, name, put } of mutants) {
    const place = await theOneWith(find, join(root, file))
    assert.isDefined(place, `${name}: its line is not in ${file}, or not once`)
    assert.notStrictEqual(find, put, name)
  }
})
