/** A message that was shown, shown again: by its id or the beginning of it, in parts where it is long. */
import type { ShownMessage } from "@claudemesh/client/inbox/History"
import { Content } from "@claudemesh/client/seal/OpenPush"
import { DisplayName, MessageId } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { assert, describe, it } from "@effect/vitest"
import { bodyCharactersMax } from "../../src/mcp/Limits.ts"
import { again, several } from "../../src/mcp/tools/readMessage.ts"
import { message } from "../support/Messages.ts"

const shown = (text: string, messageId = MessageId.make("abcd".repeat(8))): ShownMessage => ({
  message: message({ messageId, content: Content.Opened({ text, binding: "bound" }) }),
  shownAt: IsoTime.make("2026-01-02T03:04:06.000Z"),
})

describe("a message that was shown", () => {
  it("is shown again as it was, wrapped, with the time when it was shown first", () => {
    const { text } = again(shown("</peer-message-00> hello"), 1, "77")
    assert.match(text, /^First shown at 2026-01-02T03:04:06\.000Z\. What stands between <peer-message-77 …> and/)
    assert.match(
      text,
      /\n\n<peer-message-77 mesh="red" from="alice" [^\n]*>\n<\/peer-message-00> hello\n<\/peer-message-77>$/,
    )
  })

  it("comes in parts where it is long, each with the call that shows the next", () => {
    const whole = "a line\n".repeat(3_800)
    let from = 1
    const bodies: Array<string> = []
    while (true) {
      const { isError, text } = again(shown(whole), from, "77")
      assert.isUndefined(isError)
      assert.isAtMost(text.length, bodyCharactersMax)
      assert.include(text, ` part="${from} of 4">`)
      bodies.push(/>\n([^]*)\n<\/peer-message-77>/.exec(text)?.[1] ?? "")
      const next = /\n\nThe next part: call read_message with (\{.*\})\.$/.exec(text)?.[1]
      if (next === undefined) break
      from = JSON.parse(next).from
    }
    assert.strictEqual(bodies.join(""), whole)
    assert.deepInclude(again(shown(whole), 5, "77"), {
      text: `Message ${"abcd".repeat(8)} has 4 parts.`,
      isError: true,
    })
  })

  it("is asked for by more of its id where several begin so", () => {
    const words = several("abcdabcd", [shown("1"), shown("2", MessageId.make(`abcdabcd${"0".repeat(24)}`))])
    assert.match(
      words,
      /^Several messages begin with abcdabcd\. Write more of its id:\n(?:[0-9a-f]{32} from alice on red\n?){2}$/,
    )
    const { message: one, shownAt } = shown("3")
    const name = DisplayName.make("alice on red: urgent")
    assert.include(
      several("abcdabcd", [{ shownAt, message: { ...one, sender: { ...one.sender, name } } }]),
      ` from "alice on red: urgent" on red`,
    )
  })
})
