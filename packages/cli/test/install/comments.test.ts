/** Settings with comments in odd places, which were changed since ours was put in: nothing of others is lost. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import { type ParseError, parse } from "jsonc-parser"
import { JsonText } from "../../src/install/JsonEdit.ts"
import { hookEntries, isOurServer } from "../../src/install/OurEntries.ts"
import { type Entry, merge, unmerge } from "../../src/install/Registration.ts"

const ours = { type: "local", command: ["/x/run/bun", "/x/run/claudemesh.js", "mcp"] }
const older = '{ "type": "local", "command": ["claudemesh", "mcp"] }'
const entries: ReadonlyArray<Entry> = [
  { kind: "property", path: ["mcp", "claudemesh"], value: ours, isOurs: isOurServer },
]

const read = (text: string): unknown => {
  const errors: Array<ParseError> = []
  const value: unknown = parse(text, errors, { allowTrailingComma: true })
  assert.deepStrictEqual(errors, [], text)
  return value
}

const install = (text: string) => Result.getOrThrow(merge(text, entries))
const uninstall = (text: string, merged: ReturnType<typeof install>) =>
  Result.getOrThrow(unmerge(text, entries, merged))

describe("settings with comments", () => {
  it("keep all of others where a comment of a line stands before our last entry", () => {
    const before = `{ "provider": {"x": {"apiKey": "sk-secret"}}, "mcp": { "github": {"type":"local"}, // the team's\n "claudemesh": ${older} },\n "theme": "dark" }`
    const merged = install(before)
    const left = uninstall(merged.text.replace('"dark"', '"light"'), { ...merged, replaced: [] })
    assert.deepStrictEqual(read(left), {
      provider: { x: { apiKey: "sk-secret" } },
      mcp: { github: { type: "local" } },
      theme: "light",
    })
    assert.include(left, "// the team's\n")
  })

  it("keep an entry outside of the comment that stands before ours", () => {
    const before = `{ "mcp": { "github": {}, // the team's\n "claudemesh": ${older}, "jira": {} } }`
    const left = uninstall(before, { ...install(before), replaced: [] })
    assert.deepStrictEqual(read(left), { mcp: { github: {}, jira: {} } })
  })

  it("keep the comment of the entry behind ours", () => {
    const before = `{\n  "mcp": {\n    "claudemesh": ${older},\n    // of jira\n    "jira": {}\n  }\n}\n`
    const left = uninstall(before, { ...install(before), replaced: [] })
    assert.strictEqual(left, '{\n  "mcp": {\n    // of jira\n    "jira": {}\n  }\n}\n')
  })

  it("are refused where a step would make them invalid, and no step is taken after it", () => {
    const json = Result.getOrThrow(JsonText.parse('{ "list": [1], "theme": "dark" }'))
    json.set(["list", "key"], 1)
    json.set(["theme"], "light")
    assert.match(Result.getOrThrow(Result.flip(json.changed)).problem, /a form that is not changed by a program/)
    assert.strictEqual(json.text, '{ "list": [1], "theme": "dark" }')
  })

  it("are refused where ours taken out would bring up what it hid", () => {
    const hook = '{ "hooks": [{ "type": "mcp_tool", "server": "claudemesh" }] }'
    const hidden = `{ "hooks": { "Stop": [{ "hooks": [] }], "Stop": [${hook}] } }`
    const refused = Result.flip(unmerge(hidden, hookEntries({ hooks: {} }), { created: [], replaced: [] }))
    assert.match(Result.getOrThrow(refused).problem, /a form that is not changed by a program/)
  })

  const trivia = fc.constantFrom(
    "",
    " ",
    "\n",
    "\r\n  ",
    " // , } ]\n",
    "// x\r\n\t",
    "/* , { */",
    " /* a\n b */ ",
    "\n// y\n",
  )
  const value = fc.constantFrom("1", '"//"', '"/* , */"', "{}", "[1, 2]", '{ "a": 1, // z\n }')
  const slot = fc.record({ a: trivia, b: trivia, c: trivia, d: trivia })
  const property = (key: string, printed: string, { a, b, c, d }: { a: string; b: string; c: string; d: string }) =>
    `${a}"${key}"${b}:${c}${printed}${d}`
  const object = (
    properties: ReadonlyArray<string>,
    { end, inner }: { readonly end: boolean; readonly inner: string },
  ) => `{${properties.length === 0 ? inner : properties.join(",") + (end ? `,${inner}` : "")}}`

  const text = fc
    .record({
      servers: fc.array(fc.tuple(value, slot), { maxLength: 3 }),
      at: fc.option(fc.nat(3)),
      around: fc.array(fc.tuple(value, slot), { maxLength: 2 }),
      mcpAt: fc.option(fc.nat(2)),
      slots: fc.tuple(slot, slot),
      ends: fc.tuple(fc.boolean(), fc.boolean()),
      inner: trivia,
      outer: trivia,
    })
    .map(({ around, at, ends, inner, mcpAt, outer, servers, slots }) => {
      const own = servers.map(([printed, where], n) => property(`s${n}`, printed, where))
      if (at !== null) own.splice(at, 0, property("claudemesh", older, slots[0]))
      const all = around.map(([printed, where], n) => property(`k${n}`, printed, where))
      if (mcpAt !== null) all.splice(mcpAt, 0, property("mcp", object(own, { end: ends[0], inner }), slots[1]))
      return `${outer}${object(all, { end: ends[1], inner })}${outer}`
    })

  const others = (json: unknown): unknown => {
    const { mcp, ...rest } = Object(json)
    const { claudemesh: _, ...servers } = Object(mcp)
    return { rest, servers }
  }

  it("in any place lose nothing by an installation, and nothing but ours by its end", () => {
    fc.assert(
      fc.property(text, (before) => {
        const merged = install(before)
        const now: unknown = read(merged.text)
        assert.deepStrictEqual(Object(now).mcp.claudemesh, ours)
        assert.deepStrictEqual(others(now), others(read(before)))
        for (const replaced of [merged.replaced, []]) {
          // Something changed since, so that it is not by the record.
          const left = read(uninstall(`${merged.text}\n`, { ...merged, replaced }))
          assert.deepStrictEqual(others(left), others(read(before)))
          assert.strictEqual(Object(Object(left).mcp).claudemesh === undefined, replaced.length === 0)
        }
      }),
      { numRuns: 400, seed: 1 },
    )
  })

  const hook = { hooks: [{ type: "mcp_tool", server: "claudemesh", tool: "hook" }] }
  const hooks = hookEntries({ hooks: { Stop: [hook], PreToolUse: [hook] } })
  const element = fc
    .tuple(trivia, fc.oneof(value, fc.constant(JSON.stringify(hook))), trivia)
    .map((all) => all.join(""))
  const list = fc.tuple(fc.array(element, { maxLength: 4 }), fc.boolean(), trivia).map(([elements, end, inner]) => {
    if (elements.length === 0) return `[${inner}]`
    return `[${elements.join(",")}${end ? `,${inner}` : ""}]`
  })
  const lists = fc
    .tuple(fc.subarray(["Stop", "PreToolUse", "Other"]), fc.tuple(list, list, list), slot, trivia)
    .map(([events, printed, where, inner]) => {
      const each = events.map((event, n) => property(event, printed[n] ?? "[]", where))
      return object([property("a", "1", where), property("hooks", object(each, { end: false, inner }), where)], {
        end: true,
        inner,
      })
    })

  const foreign = (json: unknown): ReadonlyArray<unknown> =>
    ["Stop", "PreToolUse", "Other"].map((event) => {
      const found: ReadonlyArray<unknown> = Object(Object(json).hooks)[event] ?? []
      return found.filter((one) => JSON.stringify(one) !== JSON.stringify(hook))
    })

  it("in any place of a list lose none of the hooks of others", () => {
    fc.assert(
      fc.property(lists, (before) => {
        const merged = Result.getOrThrow(merge(before, hooks))
        const now: unknown = read(merged.text)
        assert.deepStrictEqual(foreign(now), foreign(read(before)))
        assert.deepStrictEqual(Object(now).hooks.Stop.at(-1), hook)
        const text = Result.getOrThrow(unmerge(merged.text, hooks, merged))
        assert.deepStrictEqual(foreign(read(text)), foreign(read(before)))
        assert.notInclude(text, "mcp_tool")
      }),
      { numRuns: 400, seed: 1 },
    )
  })
})
