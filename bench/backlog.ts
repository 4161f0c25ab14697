/**
 * Memory holds windows, never backlogs: the broker's memory with 200,000 messages waiting in one mesh, beside the
 * same broker with none, after a restart and with a member that reads its window.
 *
 *   npm run bench:backlog [-- --messages 200000]
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { answers, freePort, launch, makeMesh, memoryMiB, person, runLoad } from "./Server.ts"

const { values } = parseArgs({ options: { messages: { type: "string", default: "200000" } } })
const messages = Number(values.messages)
/** An inbox takes 10,000. */
const receivers = Array.from({ length: Math.ceil(messages / 8_000) }, person)
const senders = Array.from({ length: 10 }, person)

/** Of a broker that has just started, with some traffic in the mesh, and then with members reading what waits. */
const memoryOf = async (folder: string, port: number, meshId: string, waiting: number) => {
  const server = launch([join(import.meta.dirname, "broker.ts")], {
    BROKER_DATA_DIR: folder,
    BROKER_PORT: String(port),
  })
  try {
    await answers(port)
    const load = common(port, meshId)
    await runLoad({ ...load, receivers: senders.slice(0, 5), senders: senders.slice(5), messages: 2_000 })
    const inUse = memoryMiB(server.pid)
    // Ends only when so many have come: it shows, too, that they did wait.
    if (waiting > 0) await runLoad({ ...load, receivers: receivers.slice(0, 5), senders: [], messages: read(waiting) })
    return { inUse, reading: memoryMiB(server.pid) }
  } finally {
    server.kill("SIGTERM")
    await server.exited
  }
}

const read = (waiting: number) => Math.ceil(waiting / 100)

const common = (port: number, meshId: string) => ({
  url: `ws://127.0.0.1:${port}/ws`,
  meshId,
  inFlight: 16,
  ciphertextBytes: 700,
  sessionsEach: 1,
  toEveryone: false,
})

const folder = await mkdtemp(join(tmpdir(), "claudemesh-backlog-"))
try {
  const rows = []
  for (const waiting of [0, messages]) {
    const port = await freePort()
    const data = join(folder, String(waiting))
    const environment = { BROKER_DATA_DIR: data, BROKER_PORT: String(port) }
    const server = launch([join(import.meta.dirname, "broker.ts")], environment)
    await answers(port)
    const meshId = await makeMesh(port, [...senders, ...receivers])
    if (waiting > 0) {
      await runLoad({ ...common(port, meshId), senders, receivers, messages: waiting, receiversAway: true })
    }
    const afterFilling = memoryMiB(server.pid)
    server.kill("SIGTERM")
    await server.exited
    const restarted = await memoryOf(data, port, meshId, waiting)
    rows.push({
      waiting,
      "MiB after filling": Math.round(afterFilling),
      "MiB restarted, in use": Math.round(restarted.inUse),
      "MiB, 5 members reading": Math.round(restarted.reading),
    })
  }
  console.table(rows)
} finally {
  await rm(folder, { recursive: true, force: true })
}
process.exit(0)
