/** Whatever object a settings file has, in whatever formatting: the entries go in, stay the same, and leave no trace. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import { applyAll } from "../../src/install/JsonEdit.ts"
import { hookEntries, isOurServer } from "../../src/install/OurEntries.ts"
import { type Entry, merge, unmerge } from "../../src/install/Registration.ts"

const hook = { hooks: [{ type: "mcp_tool", server: "plugin:claudemesh:claudemesh", tool: "hook" }] }
const entries: ReadonlyArray<Entry> = [
  {
    kind: "property",
    path: ["mcpServers", "claudemesh"],
    value: { command: "/x/run/bun", args: ["/x/run/claudemesh.js", "mcp"] },
    isOurs: isOurServer,
  },
  ...hookEntries({ hooks: { Stop: [hook], PreToolUse: [hook] } }),
]

const others = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 6 })
const isFree = (value: object): boolean => !Object.hasOwn(value, "mcpServers") && !Object.hasOwn(value, "hooks")

/** With lists and objects of others in our places, too, and comments between the lines. */
const text = fc
  .record({
    own: others.filter(isFree),
    servers: fc.option(
      fc.dictionary(
        fc.string().filter((key) => key !== "claudemesh"),
        fc.jsonValue(),
        { maxKeys: 3 },
      ),
    ),
    stops: fc.option(fc.array(fc.jsonValue({ maxDepth: 1 }), { maxLength: 3 })),
    first: fc.boolean(),
    indent: fc.constantFrom("", " ", "  ", "    ", "\t"),
    eol: fc.constantFrom("\n", "\r\n"),
    end: fc.constantFrom("", "\n", "\n\n"),
    comments: fc.boolean(),
  })
  .map(({ comments, end, eol, first, indent, own, servers, stops }) => {
    const ours = {
      ...(servers !== null && { mcpServers: servers }),
      ...(stops !== null && { hooks: { Stop: stops } }),
    }
    const printed = JSON.stringify(first ? { ...ours, ...own } : { ...own, ...ours }, undefined, indent) + end
    const commented = comments && indent !== "" ? printed.replaceAll(/([{[,])\n/g, "$1 // , } ]\n") : printed
    return commented.replaceAll("\n", eol)
  })

/** As a host reads it that allows comments; none of the texts above has one within a string. */
const read = (json: string): unknown => JSON.parse(json.replaceAll(/ \/\/ , \} \]/g, ""))

describe("any settings", () => {
  it("are the same after a second time, and come back as they were, by what was recorded and by what is ours", () => {
    fc.assert(
      fc.property(text, (before) => {
        const merged = Result.getOrThrow(merge(before, entries))
        assert.strictEqual(Result.getOrThrow(merge(merged.text, entries)).text, merged.text)
        assert.strictEqual(applyAll(merged.text, merged.undo), before)
        const now = read(merged.text) as { readonly mcpServers: object; readonly hooks: Record<string, unknown> }
        assert.property(now.mcpServers, "claudemesh")
        assert.isArray(now.hooks["PreToolUse"])
        const left = Result.getOrThrow(unmerge(merged.text, entries, merged))
        assert.deepStrictEqual(read(left), read(before))
      }),
      { numRuns: 300, seed: 1 },
    )
  })
})
