/** Whether a stream shows colours. */
import { assert, describe, it } from "@effect/vitest"
import { type ColourSettings, wantsColours, withoutColours } from "../src/Colours.ts"

describe("colours", () => {
  it("are shown on a terminal, and by force anywhere; NO_COLOR and a dumb terminal have none", () => {
    const cases: ReadonlyArray<readonly [ColourSettings, terminal: boolean, pipe: boolean]> = [
      [{}, true, false],
      [{ TERM: "xterm" }, true, false],
      [{ TERM: "dumb" }, false, false],
      [{ NO_COLOR: "1" }, false, false],
      [{ NO_COLOR: "" }, true, false],
      [{ FORCE_COLOR: "1" }, true, true],
      [{ FORCE_COLOR: "0" }, false, false],
      [{ FORCE_COLOR: "" }, true, false],
      [{ FORCE_COLOR: "1", NO_COLOR: "1" }, true, true],
    ]
    for (const [settings, terminal, pipe] of cases) {
      const found = [wantsColours(settings, true), wantsColours(settings, false)]
      assert.deepStrictEqual(found, [terminal, pipe], JSON.stringify(settings))
    }
  })

  it("are taken out of a question, which still moves the cursor", () => {
    assert.strictEqual(withoutColours("\u001b[2K\u001b[96m?\u001b[0m \u001b[1mLeave?\u001b[0m"), "\u001b[2K? Leave?")
  })
})
