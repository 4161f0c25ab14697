/** The first answer, which waits for no library: what it answers, what it leaves to the SDK, and that both say the same. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { LATEST_PROTOCOL_VERSION, SUPPORTED_PROTOCOL_VERSIONS } from "@modelcontextprotocol/sdk/types.js"
import { protocolVersions } from "../../src/mcp/About.ts"
import { answering, earlyBytesMax } from "../../src/mcp/FirstAnswer.ts"

const initialize = (version = "2025-06-18", id: unknown = 1, changes: object = {}) => ({
  jsonrpc: "2.0",
  id,
  method: "initialize",
  params: { protocolVersion: version, capabilities: {}, clientInfo: { name: "host", version: "1" }, ...changes },
})
const lines = (...messages: ReadonlyArray<unknown>) => messages.map((one) => `${JSON.stringify(one)}\n`).join("")

/** Reads these pieces one after the other. */
const answered = (...pieces: ReadonlyArray<string>) => {
  const said: Array<string> = []
  const left = [...pieces]
  const early = answering(
    () => Buffer.from(left.shift() ?? ""),
    (text) => {
      said.push(text)
      return true
    },
  )
  return {
    said: said.map((text) => JSON.parse(text)),
    ids: [...early.answered],
    read: Buffer.from(early.bytes).toString(),
  }
}

describe("the first answer", () => {
  it("knows the versions of the protocol that the SDK knows", () => {
    assert.deepStrictEqual([...protocolVersions], SUPPORTED_PROTOCOL_VERSIONS)
    assert.strictEqual(protocolVersions[0], LATEST_PROTOCOL_VERSION)
  })

  it("is to initialize, also behind the question of a newer protocol, and whatever the pieces are", () => {
    const discover = { jsonrpc: "2.0", id: "d", method: "server/discover", params: {} }
    const text = lines(discover, initialize())
    const { ids, read, said } = answered(text.slice(0, 20), text.slice(20, 100), text.slice(100))
    assert.deepStrictEqual(ids, ["d", 1])
    assert.strictEqual(said[0].error.code, -32_601)
    assert.strictEqual(said[1].result.protocolVersion, "2025-06-18")
    assert.strictEqual(read, text, "every byte is left for the SDK")
  })

  it("leaves to the SDK whatever it does not understand, and what comes behind it", () => {
    const others = [
      lines({ jsonrpc: "2.0", id: 1, method: "ping" }, initialize()),
      lines(initialize("2025-06-18", null)),
      lines(initialize("2025-06-18", 1.5)),
      lines(initialize("2025-06-18", 1, { capabilities: undefined })),
      lines(initialize("2025-06-18", 1, { clientInfo: { name: "host" } })),
      lines({ ...initialize(), jsonrpc: "1.0" }),
      lines([initialize()]),
      "no JSON\n",
      "\n",
      lines(initialize()).trimEnd(),
      "",
    ]
    for (const text of others) assert.deepStrictEqual(answered(text), { said: [], ids: [], read: text }, text)
  })

  it("reads no more than its bound without the end of a line", () => {
    let reads = 0
    const early = answering(
      () => {
        reads += 1
        return Buffer.alloc(earlyBytesMax / 4, "x")
      },
      () => true,
    )
    assert.strictEqual(reads, 4)
    assert.strictEqual(early.bytes.length, earlyBytesMax)
    assert.strictEqual(early.answered.size, 0)
  })

  it("counts as given only where it was taken", () => {
    const text = lines(initialize())
    const left = [text]
    const early = answering(
      () => Buffer.from(left.shift() ?? ""),
      () => false,
    )
    assert.strictEqual(early.answered.size, 0)
    assert.strictEqual(Buffer.from(early.bytes).toString(), text)
  })

  it("is what the SDK says, and is said once", async () => {
    const start = join(import.meta.dirname, "../../src/start.ts")
    const said = async (input: string): Promise<ReadonlyArray<Record<string, unknown>>> => {
      const child = spawn(process.execPath, [start, "mcp"], {
        env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", CLAUDEMESH_HOME: "/nonexistent" },
        stdio: ["pipe", "pipe", "ignore"],
      })
      child.stdin.end(input)
      let text = ""
      for await (const chunk of child.stdout) text += String(chunk)
      return text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
    }
    const versions = ["2025-06-18", "2024-11-05", "1999-01-01"]
    const ping = { jsonrpc: "2.0", id: "p", method: "ping" }
    const [direct, bySdk] = await Promise.all([
      said(lines(initialize(versions[0]), ping)),
      said(lines(ping, ...versions.map((version, id) => initialize(version, id)))),
    ])
    assert.deepStrictEqual(
      direct.map(({ id }) => id),
      [1, "p"],
    )
    versions.forEach((version, id) => {
      const { said: own } = answered(lines(initialize(version, id)))
      assert.deepStrictEqual(
        own[0],
        bySdk.find((one) => one["id"] === id),
        version,
      )
    })
  })
})
