/**
 * A recipient that never reads, beside a hundred that do: what the hundred notice of it. The same load of broadcasts
 * with it and without it, in turn; a socket that is open, has said hello, and is never read again.
 *
 *   npm run bench:slow-reader [-- --rounds 3]
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { deafClient } from "../packages/broker/test/support/DeafClient.ts"
import { answers, freePort, launch, makeMesh, memoryMiB, person, runLoad } from "./Server.ts"

const { values } = parseArgs({ options: { rounds: { type: "string", default: "3" } } })
/** Of fifty members, two sessions each. */
const readers = 50
const messages = 150
const ciphertextBytes = 20_000

const keysOf = ({ publicKey, secretKey }: ReturnType<typeof person>) => ({
  publicKey,
  secretKey: Buffer.from(secretKey, "hex"),
})

const measure = async (withDeaf: boolean) => {
  const folder = await mkdtemp(join(tmpdir(), "claudemesh-slow-"))
  const port = await freePort()
  const environment = { BROKER_DATA_DIR: folder, BROKER_PORT: String(port) }
  const server = launch([join(import.meta.dirname, "broker.ts")], environment)
  try {
    await answers(port)
    const [sender, deaf] = [person(), person()]
    const receivers = Array.from({ length: readers }, person)
    const meshId = await makeMesh(port, [sender, deaf, ...receivers])
    const socket = withDeaf
      ? await deafClient(port, { meshId, memberId: deaf.memberId, keys: keysOf(deaf) })
      : undefined
    const figures = await runLoad({
      url: `ws://127.0.0.1:${port}/ws`,
      meshId,
      senders: [sender],
      receivers,
      others: [deaf],
      inFlight: 2,
      messages,
      ciphertextBytes,
      sessionsEach: 2,
      toEveryone: true,
    })
    socket?.end()
    return { ...figures, memory: memoryMiB(server.pid) }
  } finally {
    server.kill("SIGKILL")
    await server.exited
    await rm(folder, { recursive: true, force: true })
  }
}

const rows = []
for (let round = 1; round <= Number(values.rounds); round++) {
  for (const withDeaf of [false, true]) {
    const { memory, p50, p99, perSecond } = await measure(withDeaf)
    rows.push({
      round,
      "beside one that never reads": withDeaf,
      "deliveries/s": Math.round(perSecond),
      "p50 ms": Number(p50.toFixed(1)),
      "p99 ms": Number(p99.toFixed(1)),
      "broker MiB": Math.round(memory),
    })
  }
}
console.table(rows)
process.exit(0)
