/**
 * Settings files as people have them, through install, install again and uninstall: with real files, and the entries that are
 * written for Claude Code without a plugin.
 */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { dirname, join } from "node:path"
import * as BunServices from "@effect/platform-bun/BunServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem } from "effect"
import type { Entry } from "../../src/install/Registration.ts"
import { hookEntries, isOurServer, serverEntry } from "../../src/install/OurEntries.ts"
import { settingsBytesMax } from "../../src/install/Limits.ts"
import { carryOut, preview, registering, unregistering } from "../../src/install/Registering.ts"
import { difference } from "../../src/install/Difference.ts"

const server = { command: "/home/o'neil/my keys/run/bun", args: ["--no-install", "/x/claudemesh.js", "mcp"] }
const hook = (tool: string) => ({ hooks: [{ type: "mcp_tool", server: "plugin:claudemesh:claudemesh", tool }] })

const entries: ReadonlyArray<Entry> = [
  { kind: "property", path: ["mcpServers", "claudemesh"], value: serverEntry(server), isOurs: isOurServer },
  ...hookEntries({ hooks: { UserPromptSubmit: [hook("a")], Stop: [hook("b"), hook("c")] } }),
]

const older = JSON.stringify({ type: "stdio", command: "node", args: ["/old/bin/claudemesh.mjs", "mcp"], env: {} })
const theirs = '{ "matcher": "x", "hooks": [{ "type": "command", "command": "echo hi" }] }'

/** What is there before, or nothing. */
const shapes: Readonly<Record<string, string | undefined>> = {
  "no file": undefined,
  "an empty file": "",
  "a file of spaces": "  \n\n",
  "an empty object": "{}",
  "an empty object and a newline": "{}\n",
  "an empty object on two lines": "{\n}\n",
  "an object with spaces inside": "{   }\n",
  "one line": '{"model":"opus","permissions":{"allow":["Bash"]}}',
  "one line with spaces": '{ "model": "opus", "list": [1, 2] }\n',
  "two spaces": '{\n  "model": "opus",\n  "env": {\n    "A": "b"\n  }\n}\n',
  "four spaces": '{\n    "model": "opus"\n}\n',
  tabs: '{\n\t"model": "opus",\n\t"deep": {\n\t\t"er": 1\n\t}\n}\n',
  "no newline at the end": '{\n  "model": "opus"\n}',
  "several newlines at the end": '{\n  "model": "opus"\n}\n\n\n',
  CRLF: '{\r\n  "model": "opus",\r\n  "a": [\r\n    1\r\n  ]\r\n}\r\n',
  "a BOM": '\uFEFF{\n  "model": "opus"\n}\n',
  "a BOM and CRLF": '\uFEFF{\r\n\t"model": "opus"\r\n}',
  "line comments": '// mine\n{\n  // the model\n  "model": "opus" // the best\n  // the end\n}\n',
  "block comments": '{\n  /* , */ "model": "opus" /* }, */\n}\n',
  "a comment in an empty object": "{\n  // nothing yet\n}\n",
  "a trailing comma": '{\n  "model": "opus",\n}\n',
  "a trailing comma in a list": '{\n  "hooks": {\n    "Stop": [\n      ' + theirs + ",\n    ],\n  },\n}\n",
  "uneven formatting": '{"a" :1\n ,   "b":  [ 1,2,\n3 ]\n     }',
  "servers of others": '{\n  "mcpServers": {\n    "github": { "command": "gh" }\n  }\n}\n',
  "an empty list of servers": '{\n  "mcpServers": {}\n}\n',
  "hooks of others": `{\n  "hooks": {\n    "Stop": [\n      ${theirs}\n    ]\n  }\n}\n`,
  "hooks of others on one line": `{"hooks":{"Stop":[${theirs}],"PreToolUse":[]}}`,
  "an older entry of ours": `{\n  "mcpServers": {\n    "claudemesh": ${older},\n    "z": {}\n  }\n}\n`,
  "an older entry of ours alone": `{"mcpServers":{"claudemesh":${older}}}`,
  "keys with dots, spaces and quotes": '{\n  "a.b": { "c d": "\\"" },\n  "": null\n}\n',
  "characters of all planes": '{\n  "naïve": "日本 🙂 \\ud83d\\ude42 \u2028"\n}\n',
  "numbers as they are written": '{\n  "n": 1.0e+10,\n  "big": 12345678901234567890\n}\n',
  "our keys at the top": `{\n  "hooks": {},\n  "mcpServers": {},\n  "model": "opus"\n}\n`,
  "much of it": `{\n${Array.from({ length: 300 }, (_, n) => `  "key${n}": { "n": ${n} }`).join(",\n")}\n}\n`,
}

interface Place {
  readonly home: string
  readonly path: string
}

const withPlace = (tell: (place: Place) => Effect.Effect<void, unknown, never>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      yield* tell({ home: join(folder, "home"), path: join(folder, "user's settings", "settings.json") })
    }),
  ).pipe(Effect.provide(BunServices.layer))

const put = (path: string, text: string | undefined): void => {
  mkdirSync(dirname(path), { recursive: true })
  if (text !== undefined) writeFileSync(path, text)
}
const bytesOf = (path: string): string | undefined =>
  statSync(path, { throwIfNoEntry: false }) === undefined ? undefined : readFileSync(path, "latin1")
const latin1 = (text: string | undefined) => (text === undefined ? undefined : Buffer.from(text).toString("latin1"))

const install = ({ home, path }: Place) =>
  carryOut(home, path, registering({ path, entries })).pipe(Effect.provide(BunServices.layer))
const uninstall = ({ home, path }: Place) =>
  carryOut(home, path, unregistering({ path, entries })).pipe(Effect.provide(BunServices.layer))
const refusal = (place: Place) => Effect.map(Effect.flip(install(place)), ({ message }) => message)

/** As a host reads it that allows comments. */
const read = (text: string): unknown => {
  const bare = text.replace(/^\uFEFF/, "").replaceAll(/\/\/ .*$|\/\*.*?\*\//gm, "")
  return bare.trim() === "" ? {} : JSON.parse(bare.replaceAll(/,(\s*[}\]])/g, "$1"))
}

const without = (value: unknown): unknown => {
  const { hooks: _h, mcpServers: _m, ...others } = value as Record<string, unknown>
  return others
}

describe("a settings file", () => {
  it("is tried in at least 30 shapes", () => assert.isAtLeast(Object.keys(shapes).length, 30))

  for (const [name, before] of Object.entries(shapes)) {
    it.effect(`with ${name} keeps what it has, is the same after a second install, and comes back byte for byte`, () =>
      withPlace((place) =>
        Effect.gen(function* () {
          put(place.path, before)
          yield* install(place)
          const once = bytesOf(place.path)
          const text = readFileSync(place.path, "utf8")
          const now = read(text) as {
            mcpServers: Record<string, unknown>
            hooks: Record<string, ReadonlyArray<unknown>>
          }
          assert.deepStrictEqual(now.mcpServers["claudemesh"], { ...server, alwaysLoad: true })
          assert.lengthOf(now.hooks["UserPromptSubmit"] ?? [], 1)
          assert.include(JSON.stringify(now.hooks["Stop"]), '"server":"claudemesh"')
          assert.deepStrictEqual(without(now), without(read(before ?? "")))
          assert.strictEqual(text.startsWith("\uFEFF"), before?.startsWith("\uFEFF") ?? false)
          if (before?.includes("\r\n") === true) assert.notMatch(text, /[^\r]\n/)

          yield* install(place)
          assert.strictEqual(bytesOf(place.path), once)
          yield* uninstall(place)
          assert.strictEqual(bytesOf(place.path), latin1(before))
          assert.deepStrictEqual(readdirSync(place.home), [])
        }),
      ),
    )

    it.effect(`with ${name} loses nothing but ours where its host has written it meanwhile`, () =>
      withPlace((place) =>
        Effect.gen(function* () {
          put(place.path, before)
          yield* install(place)
          const rewritten = { ...(read(readFileSync(place.path, "utf8")) as object), added: [1] }
          writeFileSync(place.path, JSON.stringify(rewritten, undefined, 2))
          yield* install(place)
          yield* uninstall(place)
          const left = read(readFileSync(place.path, "utf8"))
          assert.deepStrictEqual(left, { ...(read(before ?? "") as object), added: [1] })
        }),
      ),
    )
  }
})

describe("a settings file that cannot be used", () => {
  const refused = (name: string, text: string, expected: RegExp) =>
    it.effect(`${name} is refused in words, and stays as it is`, () =>
      withPlace((place) =>
        Effect.gen(function* () {
          put(place.path, text)
          const words = yield* refusal(place)
          assert.match(words, expected)
          assert.match(words, /Nothing was changed\./)
          assert.strictEqual(bytesOf(place.path), latin1(text))
          assert.deepStrictEqual(readdirSync(dirname(place.path)), ["settings.json"])
        }),
      ),
    )
  refused("with half an object", '{\n  "a": 1,\n  "b": ', /it is not valid JSON \(line 3, column \d+, \w+\)/)
  refused("with two objects", "{}\n{}\n", /it is not valid JSON \(line 2, column 1/)
  refused("that is a list", "[]", /it is an array and not an object/)
  refused("whose servers are a list", '{"mcpServers":[]}', /"mcpServers" is an array and not an object/)
  refused("whose hooks are a text", '{"hooks":"none"}', /"hooks" is a string and not an object/)
  refused("whose hooks of an event are an object", '{"hooks":{"Stop":{}}}', /"hooks.Stop" is not a list/)
  refused(
    "that has our entry twice",
    `{"mcpServers":{"claudemesh":${older},"claudemesh":{"command":"x"}}}`,
    /"mcpServers\.claudemesh" is there 2 times/,
  )
  refused("that has a key twice", '{"hooks":{},"a":1,"hooks":{}}', /"hooks" is there 2 times/)
  refused(
    "with a server of that name of somebody else",
    '{"mcpServers":{"claudemesh":{"command":"x"}}}',
    /not an entry of claudemesh/,
  )

  it.effect("with secrets of somebody else under our name is refused without them", () =>
    withPlace((place) =>
      Effect.gen(function* () {
        const foreign = { command: "/opt/gh --key sk-d", args: ["--token", "sk-a"], env: { KEY: "sk-b" } }
        put(place.path, JSON.stringify({ mcpServers: { claudemesh: foreign } }))
        const words = yield* refusal(place)
        assert.include(words, `"mcpServers.claudemesh" is there and is not an entry of claudemesh: it starts "/opt/gh"`)
        assert.notInclude(words, "sk-")
        put(place.path, JSON.stringify({ mcpServers: { claudemesh: { url: "https://sk-c@x" } } }))
        assert.notInclude(yield* refusal(place), "sk-")
      }),
    ),
  )

  it.effect("that is not UTF-8, a folder, read-only, or a link in a circle is refused, and stays as it is", () =>
    withPlace((place) =>
      Effect.gen(function* () {
        put(place.path, undefined)
        const at = (name: string): Place => ({ ...place, path: join(dirname(place.path), name) })
        writeFileSync(at("utf16").path, Buffer.from("\uFEFF{}", "utf16le"))
        assert.match(yield* refusal(at("utf16")), /it is not UTF-8 text\. Nothing was changed/)
        mkdirSync(at("folder").path)
        assert.match(yield* refusal(at("folder")), /it is a folder and not a file\. Nothing was changed/)
        writeFileSync(at("fixed").path, "{}")
        chmodSync(at("fixed").path, 0o444)
        assert.match(yield* refusal(at("fixed")), /it is read-only\. Nothing was changed\. Run: chmod u\+w/)
        writeFileSync(at("large").path, "{}")
        truncateSync(at("large").path, settingsBytesMax + 1)
        assert.match(yield* refusal(at("large")), /it is larger than 33554432 bytes\. Nothing was changed/)
        symlinkSync("circle", at("circle").path)
        assert.match(yield* refusal(at("circle")), /its links lead in a circle/)
        assert.strictEqual(readFileSync(at("fixed").path, "utf8"), "{}")
      }),
    ),
  )
})

describe("the record of an installation", () => {
  it.effect("keeps nothing of what others have in the file", () =>
    withPlace((place) =>
      Effect.gen(function* () {
        const token = "sk-a-token-of-somebody-else"
        put(
          place.path,
          `{\n  "env": { "TOKEN": "${token}" },\n  "mcpServers": {\n    "x": { "env": { "K": "${token}" } }\n  }\n}\n`,
        )
        yield* install(place)
        const record = join(place.home, "installed.json")
        assert.notInclude(readFileSync(record, "utf8"), token)
        assert.strictEqual(statSync(record).mode & 0o777, 0o600)
      }),
    ),
  )
})

describe("writing a settings file", () => {
  it.effect("leaves a link a link, also one that leads to nothing yet, and the mode as it was", () =>
    withPlace((place) =>
      Effect.gen(function* () {
        put(place.path, undefined)
        const real = join(dirname(place.path), "real.json")
        symlinkSync("real.json", place.path)
        yield* install(place)
        yield* uninstall(place)
        writeFileSync(real, '{"a":1}', { mode: 0o640 })
        chmodSync(real, 0o640)
        yield* install(place)
        assert.isTrue(lstatSync(place.path).isSymbolicLink())
        assert.strictEqual(statSync(real).mode & 0o777, 0o640)
        assert.include(readFileSync(real, "utf8"), "claudemesh")
        yield* uninstall(place)
        assert.isTrue(lstatSync(place.path).isSymbolicLink())
        assert.strictEqual(readFileSync(real, "utf8"), '{"a":1}')
      }),
    ),
  )

  it.effect("starts anew where another program has written it meanwhile, and loses nothing of that", () =>
    withPlace((place) =>
      Effect.gen(function* () {
        put(place.path, '{"a":1}')
        let asked = 0
        yield* carryOut(place.home, place.path, (text, record) => {
          // Between the look and the write.
          if (asked++ === 0) writeFileSync(place.path, '{"a":1,"b":2}')
          return registering({ path: place.path, entries })(text, record)
        }).pipe(Effect.provide(BunServices.layer))
        assert.strictEqual(asked, 2)
        assert.deepInclude(JSON.parse(readFileSync(place.path, "utf8")), { a: 1, b: 2 })
        yield* uninstall(place)
        assert.strictEqual(readFileSync(place.path, "utf8"), '{"a":1,"b":2}')
      }),
    ),
  )

  it.live("waits for Claude Code's lock, and takes it", () =>
    withPlace((place) =>
      Effect.gen(function* () {
        put(place.path, "{}")
        mkdirSync(`${place.path}.lock`)
        const waiting = yield* Effect.forkChild(install(place))
        yield* Effect.sleep(200)
        assert.strictEqual(readFileSync(place.path, "utf8"), "{}")
        yield* Effect.sync(() => Bun.spawnSync(["rmdir", `${place.path}.lock`]))
        yield* Fiber.join(waiting)
        assert.include(readFileSync(place.path, "utf8"), "claudemesh")
        assert.deepStrictEqual(readdirSync(dirname(place.path)), ["settings.json"])
      }),
    ),
  )
})

describe("--dry-run", () => {
  it.effect("shows a difference that patch applies, and writes nothing", () =>
    withPlace((place) =>
      Effect.gen(function* () {
        const text = shapes["hooks of others"] ?? ""
        put(place.path, text)
        const plan = registering({ path: place.path, entries })
        const { after, before, path } = yield* preview(place.home, place.path, plan).pipe(
          Effect.provide(BunServices.layer),
        )
        assert.strictEqual(readFileSync(place.path, "utf8"), text)
        const shown = difference(path, before, after)
        assert.match(shown, /^--- .*settings\.json\n\+\+\+ .*settings\.json\n@@ -\d+,\d+ \+\d+,\d+ @@\n/)
        assert.notInclude(shown.replaceAll(/^[-+]{3} .*$/gm, ""), "\n-{")
        const patched = Bun.spawnSync(["patch", "-s", place.path], { stdin: Buffer.from(`${shown}\n`) })
        if (patched.success) assert.strictEqual(readFileSync(place.path, "utf8"), after)
      }),
    ),
  )
})
