/** Every sentence that a person or a model reads of this program stands in `src/words`, once. All of them are in `sentences.txt`. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { sentences, sentencesElsewhere, sentencesIn } from "./Sentences.ts"

const snapshot = join(import.meta.dirname, "sentences.txt")

/** What is loaded before anything else, what is written for shells and roff and SQL, and what never leaves the program. */
const elsewhere: Readonly<Record<string, string>> = {
  "Launch.ts": "it runs before anything else is loaded",
  "Stdout.ts": "it says why nothing can be said",
  "usage/Completion.ts": "scripts of shells",
  "usage/ManPage.ts": "a page of roff",
  "demo/Demo.ts": "SQL beside the words",
  "usage/CommandLine.ts": "a defect",
  "Meshes.ts": "defects",
  "usage/HelpText.ts": "headings of the help",
}

describe("what people and models read", () => {
  it("is as the snapshot has it (WORDS=write writes it anew, to be read)", async () => {
    const all = [...(await sentences())]
      .map(([subject, of]) => `## ${subject}\n${[...of.values()].map((text) => JSON.stringify(text)).join("\n")}\n`)
      .join("\n")
    if (process.env["WORDS"] === "write") writeFileSync(snapshot, all)
    assert.strictEqual(all, readFileSync(snapshot, "utf8"))
  })

  it("is said in one place: no sentence is there twice", async () => {
    const texts = [...(await sentences()).values()].flatMap((of) => [...of.values()])
    assert.deepStrictEqual(
      texts.filter((text, at) => texts.indexOf(text) !== at),
      [],
    )
  })

  it("is not written where it is said", () => {
    assert.deepStrictEqual(
      sentencesElsewhere((file) => file in elsewhere),
      [],
    )
  })

  it("would be found there", () => {
    const source =
      'const a = (b: string) => fail({ reason: `No message ${b} waits to be sent.`, command: "send it to him" })'
    assert.deepStrictEqual(sentencesIn(source), ["No message   waits to be sent."])
  })
})
