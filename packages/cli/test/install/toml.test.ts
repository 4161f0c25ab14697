/** The config of Codex CLI in shapes that people have: comments, tables in any order, and what only looks like a table. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { isOurServer } from "../../src/install/OurEntries.ts"
import type { Entry } from "../../src/install/Registration.ts"
import { applyAll } from "../../src/install/JsonEdit.ts"
import { mergeToml, unmergeToml } from "../../src/install/TomlEdit.ts"

const server = {
  command: '/home/o\'neil "x"/run/bun',
  args: ["--no-install", "C:\\x\\claudemesh.js", "mcp"],
  env: { CLAUDEMESH_HOME: "/a b" },
}
const entries: ReadonlyArray<Entry> = [
  { kind: "property", path: ["mcp_servers", "claudemesh"], value: server, isOurs: isOurServer },
]
const older = '[mcp_servers.claudemesh]\ncommand = "node"\nargs = ["/old/claudemesh.mjs", "mcp"]\n'

const shapes: Readonly<Record<string, string>> = {
  nothing: "",
  "keys alone": 'model = "o5"\n',
  "no newline at the end": 'model = "o5"',
  CRLF: '# mine\r\n[tui]\r\ntheme = "x"\r\n',
  "servers of others": '[mcp_servers.z]\ncommand = "z"\n\n[mcp_servers.z.env]\nA = "b"\n',
  "comments everywhere": '# a\nmodel = "o5" # b\n# c\n[tui] # d\n# e\ntheme = "x"\n# f\n',
  "a text with a table in it": 'x = """\n[mcp_servers.claudemesh]\ncommand = "y"\n"""\ny = \'\'\'\n[z]\n\'\'\'\n',
  "a list that looks like a table": 'x = [\n  ["mcp_servers"],\n  ["claudemesh"]\n]\n',
  "tables in a list": '[[hooks.Stop]]\nmatcher = "x"\n\n[[hooks.Stop.hooks]]\ntype = "command"\ncommand = "y"\n',
  "an older entry of ours": `${older}`,
  "an older entry between others": `a = 1\n\n${older}\n# of z\n[mcp_servers.z]\ncommand = "z"\n`,
  "an older entry with quotes and parts": `[mcp_servers."claudemesh".env]\nCLAUDEMESH_HOME = "/q"\n[ mcp_servers . claudemesh ]\ncommand = "claudemesh"\nargs = ["mcp"]\n`,
}

const parse = (text: string) =>
  Bun.TOML.parse(text) as { mcp_servers?: Record<string, unknown> } & Record<string, unknown>

describe("the config of Codex", () => {
  for (const [name, before] of Object.entries(shapes)) {
    it(`with ${name} keeps what it has, is the same after a second install, and comes back byte for byte`, () => {
      const { replaced, text, undo } = Result.getOrThrow(mergeToml(before, entries))
      const { mcp_servers: servers, ...others } = parse(text)
      const { mcp_servers: oldServers, ...oldOthers } = parse(before)
      assert.deepStrictEqual(servers?.["claudemesh"], server)
      assert.deepStrictEqual(others, oldOthers)
      for (const line of before.split(/\r?\n/).filter((one) => one.startsWith("#"))) assert.include(text, line)
      if (before.includes("\r\n")) assert.notMatch(text, /[^\r]\n/)
      assert.strictEqual(Result.getOrThrow(mergeToml(text, entries)).text, text)
      assert.strictEqual(applyAll(text, undo), before)

      const { claudemesh: was, ...rest } = oldServers ?? {}
      const left = parse(Result.getOrThrow(unmergeToml(`${text}\n# later\n[later]\nx = 1\n`, entries, { replaced })))
      assert.deepStrictEqual(left, {
        ...oldOthers,
        later: { x: 1 },
        ...(oldServers !== undefined && { mcp_servers: { ...rest, ...(was !== undefined && { claudemesh: was }) } }),
      })
    })
  }

  const rotated = '# [mcp_servers.old.env]\n# KEY = "sk-secret"\n'

  it("keeps comments behind our table at the end, and has none of them in what is recorded", () => {
    for (const before of [`a = 1\n\n${older}${rotated}`, `a = 1\n\n${older}\n\n${rotated.trimEnd()}`]) {
      const { text, undo } = Result.getOrThrow(mergeToml(before, entries))
      assert.include(text, rotated.trimEnd())
      assert.notInclude(JSON.stringify(undo), "sk-secret")
      assert.strictEqual(Result.getOrThrow(mergeToml(text, entries)).text, text)
      assert.strictEqual(applyAll(text, undo), before)
    }
  })

  it("keeps comments that were written behind ours since", () => {
    for (const before of ["", "a = 1\n", `a = 1\n\n${older}`]) {
      const { replaced, text } = Result.getOrThrow(mergeToml(before, entries))
      assert.include(Result.getOrThrow(unmergeToml(`${text}${rotated}`, entries, { replaced })), rotated)
    }
  })

  const refused = (name: string, text: string, expected: RegExp) =>
    it(`${name} is refused, and not guessed at`, () =>
      assert.match(Result.getOrThrow(Result.flip(mergeToml(text, entries))).problem, expected))
  refused("that is broken", "[a\n", /it is not valid TOML/)
  refused(
    "with an older entry on one line",
    'mcp_servers = { claudemesh = { command = "claudemesh", args = ["mcp"] } }\n',
    /a form that is not changed/,
  )
  refused(
    "with a server of that name of somebody else",
    '[mcp_servers.claudemesh]\ncommand = "x"\n',
    /not an entry of claudemesh/,
  )
})
