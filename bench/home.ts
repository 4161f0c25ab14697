/**
 * One home that is full and shared: `send_message` and `check_messages` of real agents, beside an empty home with one agent.
 * The full one holds ten thousand messages that were shown, and ten agents use it at once.
 *
 *   npm run bench:home [-- --messages 100 --history 10000 --agents 10]
 */
import { Database } from "bun:sqlite"
import { mkdtemp, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { answers, freePort, launch } from "./Server.ts"

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "100" },
    history: { type: "string", default: "10000" },
    agents: { type: "string", default: "10" },
  },
})
const messages = Number(values.messages)
const textCharacters = 700

const main = join(import.meta.dirname, "../packages/cli/src/main.ts")

const environmentOf = (home: string) => ({
  PATH: process.env["PATH"] ?? "",
  HOME: "/nonexistent",
  CLAUDEMESH_HOME: home,
  CLAUDEMESH_HISTORY: values.history,
})

const claudemesh = async (home: string, ...args: ReadonlyArray<string>): Promise<string> => {
  const child = Bun.spawn([process.execPath, main, ...args], { env: environmentOf(home), stderr: "inherit" })
  const text = await new Response(child.stdout).text()
  if ((await child.exited) !== 0) throw new Error(`claudemesh ${args.join(" ")} failed`)
  return text
}

const agent = async (home: string): Promise<Client> => {
  const client = new Client({ name: "bench", version: "1" })
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [main, "mcp"],
      env: environmentOf(home),
      stderr: "ignore",
    }),
  )
  await client.callTool({ name: "list_peers", arguments: {} })
  return client
}

/** As messages that were shown are kept, each under an id of its own. */
const fill = (home: string, rows: number): void => {
  const database = new Database(join(home, "state.db"))
  const { mesh_id: meshId } = database
    .query<{ readonly mesh_id: string }, []>("SELECT mesh_id FROM known_record LIMIT 1")
    .get() ?? { mesh_id: "" }
  const message = (messageId: string) =>
    JSON.stringify({
      messageId,
      meshId,
      slug: "team",
      senderKey: "ab".repeat(32),
      priority: "next",
      createdAt: "2026-01-01T00:00:00.000Z",
      redelivered: false,
      arrival: 1,
      content: { _tag: "Opened", text: "x".repeat(textCharacters), binding: "bound" },
      sender: { standing: { _tag: "Uncertified", doubt: "not_asked" } },
    })
  database.transaction(() => {
    for (let row = 0; row < rows; row += 1) {
      const messageId = row.toString(16).padStart(32, "0")
      database
        .query("INSERT INTO shown_message (mesh_id, message_id, shown_millis, message) VALUES (?, ?, ?, ?)")
        .run(meshId, messageId, Date.now(), message(messageId))
      database
        .query("INSERT INTO seen_message (mesh_id, message_id, session_id, millis) VALUES (?, ?, 'bench', ?)")
        .run(meshId, messageId, Date.now())
    }
  })()
  database.close()
}

const quantile = (times: ReadonlyArray<number>, share: number): number =>
  Number((times.toSorted((a, b) => a - b)[Math.floor(share * (times.length - 1))] ?? Number.NaN).toFixed(1))

const timed = async (times: Array<number>, call: () => Promise<unknown>) => {
  const began = performance.now()
  await call()
  times.push(performance.now() - began)
}

const sizeMiB = async (home: string): Promise<number> => {
  const files = await Promise.all(
    ["state.db", "state.db-wal"].map((name) => stat(join(home, name)).catch(() => ({ size: 0 }))),
  )
  return Number((files.reduce((sum, { size }) => sum + size, 0) / 1_048_576).toFixed(1))
}

const measure = async (history: number, agents: number) => {
  const folder = await mkdtemp(join(tmpdir(), "claudemesh-home-"))
  const port = await freePort()
  const server = launch([join(import.meta.dirname, "broker.ts")], {
    BROKER_DATA_DIR: join(folder, "broker"),
    BROKER_PORT: String(port),
  })
  const clients: Array<Client> = []
  try {
    await answers(port)
    const [ann, bob] = [join(folder, "ann"), join(folder, "bob")]
    await claudemesh(ann, "create", "team", "--as", "Ann", "--broker", `ws://127.0.0.1:${port}/ws`)
    const { link } = JSON.parse(await claudemesh(ann, "invite", "--json"))
    await claudemesh(bob, "join", link, "--as", "Bob")
    await claudemesh(ann, "peers")
    fill(ann, history)
    const startMillis: Array<number> = []
    for (let count = 0; count < agents; count += 1) {
      await timed(startMillis, async () => clients.push(await agent(ann)))
    }
    const sends: Array<number> = []
    const text = "x".repeat(textCharacters)
    await Promise.all(
      clients.map(async (client) => {
        for (let count = 0; count < messages; count += 1) {
          await timed(sends, () =>
            client.callTool({ name: "send_message", arguments: { target: "Bob", message: text } }),
          )
        }
      }),
    )
    const writer = await agent(bob)
    clients.push(writer)
    const checks: Array<number> = []
    for (let count = 0; count < messages; count += 1) {
      await writer.callTool({ name: "send_message", arguments: { target: "Ann", message: text } })
      const [reader] = clients.slice(count % agents)
      await timed(checks, () => reader?.callTool({ name: "check_messages", arguments: {} }) ?? Promise.resolve())
    }
    return { sends, checks, startMillis, sizeMiB: await sizeMiB(ann) }
  } finally {
    await Promise.all(clients.map((client) => client.close()))
    server.kill("SIGKILL")
    await server.exited
    await rm(folder, { recursive: true, force: true })
  }
}

const rows = []
for (const [history, agents] of [
  [0, 1],
  [Number(values.history), 1],
  [Number(values.history), Number(values.agents)],
] as const) {
  const { checks, sends, sizeMiB, startMillis } = await measure(history, agents)
  rows.push({
    "messages kept": history,
    agents,
    "start p50 ms": quantile(startMillis, 0.5),
    "send p50 ms": quantile(sends, 0.5),
    "send p99 ms": quantile(sends, 0.99),
    "check p50 ms": quantile(checks, 0.5),
    "check p99 ms": quantile(checks, 0.99),
    "state.db MiB": sizeMiB,
  })
}
console.table(rows)
process.exit(0)
