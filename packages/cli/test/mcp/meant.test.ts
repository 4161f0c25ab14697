/** What a model writes into a call, as it was meant; and what it is told that it cannot mean. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { describedCharactersMax, instructionsCharactersMax, titleCharactersMax } from "../../src/mcp/Limits.ts"
import { instructions } from "../../src/mcp/Instructions.ts"
import { tools } from "../../src/mcp/McpServer.ts"
import { meant } from "../../src/mcp/Meant.ts"

const schema = {
  type: "object",
  properties: { id: { type: "string" }, max: { type: "integer" }, mesh: { type: "string" } },
  required: ["id"],
}

const understood = (input: unknown) => Result.getOrElse(meant("look", input, schema), ({ message }) => message)

describe("the input of a call", () => {
  it("is understood where something is left out, or a number is written as text", () => {
    assert.deepStrictEqual(understood(null), {})
    assert.deepStrictEqual(understood(undefined), {})
    assert.deepStrictEqual(understood({ id: "x", max: null, mesh: "" }), { id: "x" })
    assert.deepStrictEqual(understood({ id: "x", max: "5", mesh: "  " }), { id: "x", max: 5 })
    assert.deepStrictEqual(understood({ id: "5", max: " -2 " }), { id: "5", max: -2 }, "a text stays one")
  })

  it.effect("that is wrong is refused by the argument's name, in plain words, before anything is done", () =>
    Effect.gen(function* () {
      const refused = Effect.fnUntraced(function* (name: string, input: unknown) {
        const found = tools.find((tool) => tool.name === name) ?? assert.fail(name)
        const { isError, text } = yield* found.call(input, Effect.die("it was called"))
        assert.isTrue(isError)
        return text
      })
      const nothing = "Nothing was done: "
      assert.strictEqual(yield* refused("message_status", {}), `message_status: ${nothing}"id" is missing.`)
      assert.strictEqual(
        yield* refused("message_status", { id: 5 }),
        `message_status: ${nothing}"id" has to be a text.`,
      )
      assert.strictEqual(
        yield* refused("message_status", { id: "zz" }),
        `message_status: ${nothing}"id" has to be a message id, or at least the first 8 characters of one.`,
      )
      const message = { target: "bob", message: "hello" }
      assert.strictEqual(
        yield* refused("send_message", { ...message, priority: "soon" }),
        `send_message: ${nothing}"priority" has to be "now", "next" or "low".`,
      )
      assert.strictEqual(
        yield* refused("send_message", { ...message, wait: "shown", seconds: "five" }),
        `send_message: ${nothing}"seconds" has to be a number.`,
      )
      assert.match(yield* refused("send_message", []), /^send_message: Nothing was done: the input has to be/)
    }),
  )

  it("keeps what is wrong, to be refused for what it is", () => {
    assert.deepStrictEqual(understood({ id: "", max: "five" }), { id: "", max: "five" })
    assert.deepStrictEqual(understood({ id: null, max: "5.5" }), { id: null, max: "5.5" })
    assert.deepStrictEqual(understood("id"), "id")
  })

  it("is refused where an argument is not the tool's, by name and with those that are", () => {
    for (const key of ["prio", "__proto__", "constructor"]) {
      assert.strictEqual(
        understood(JSON.parse(`{"id": "x", ${JSON.stringify(key)}: null}`)),
        `Nothing was done: there is no argument ${JSON.stringify(key)}; there are: id, max, mesh.`,
      )
    }
  })
})

describe("what a model is told of the tools", () => {
  it("has room in a request: all of it together, the instructions alone, and each title", () => {
    const described = tools
      .filter((tool) => !("listed" in tool && tool.listed === false))
      .map(({ description, inputSchema, name, outputSchema, title }) =>
        [name, title, description, JSON.stringify(inputSchema), JSON.stringify(outputSchema ?? "")].join(""),
      )
    assert.isAtMost(instructions.length, instructionsCharactersMax)
    assert.isAtMost(Buffer.byteLength(instructions), 2_048, "hosts cut at 2 KB")
    assert.isBelow(instructions.length + described.join("").length, describedCharactersMax)
    for (const { title } of tools) assert.isAtMost(title.length, titleCharactersMax, title)
  })

  it("says what a host may ask its user about", () => {
    const those = (fits: (tool: (typeof tools)[number]) => boolean) => tools.filter(fits).map(({ name }) => name)
    const lookers = ["read_message", "message_status", "list_peers", "list_channels"]
    assert.deepStrictEqual(
      those(({ readOnly }) => readOnly),
      lookers,
    )
    assert.deepStrictEqual(
      those(({ destructive }) => destructive === true),
      ["leave_channel"],
    )
    assert.deepStrictEqual(
      those(({ local }) => local === true),
      ["read_message"],
    )
    assert.deepStrictEqual(
      those(({ idempotent }) => idempotent === true),
      ["set_status", "set_summary", "join_channel", "leave_channel"],
    )
  })
})
