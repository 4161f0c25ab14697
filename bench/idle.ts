/**
 * What a connection costs that says nothing: the broker's memory (RSS, after a rest) with sessions that have said hello and are quiet, over all
 * and at the margin, which is what the connections beyond the first tenth cost.
 *
 *   npm run bench:idle [-- --connections 2000,10000]
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import sodium from "libsodium-wrappers"
import { RawSocket } from "./RawSocket.ts"
import { answers, freePort, launch, makeMesh, memoryMiB, person } from "./Server.ts"

await sodium.ready

const { values } = parseArgs({ options: { connections: { type: "string", default: "2000,10000" } } })
/** Of each member, who may have no more than 200 sessions. */
const people = Array.from({ length: 100 }, person)
/** At once: each proves a key. */
const dialledAtOnce = 50
const restMillis = 5_000

const hold = async (port: number, meshId: string, number: number): Promise<void> => {
  const owner = people[number % people.length] ?? person()
  const { memberId, publicKey: pubkey, secretKey } = owner
  const sessionId = `session-${number}`
  await new Promise<void>((resolve, reject) => {
    const onText = (text: string, socket: RawSocket): void => {
      const { nonce, type } = JSON.parse(text)
      if (type === "hello_ack") return resolve()
      if (type !== "challenge") return reject(new Error(text))
      const lines = ["claudemesh-hello-v2", `ws://127.0.0.1:${port}`, meshId, memberId, pubkey, sessionId, nonce]
      const signature = sodium.to_hex(sodium.crypto_sign_detached(lines.join("\n"), sodium.from_hex(secretKey)))
      const proved = { meshId, memberId, pubkey, sessionId, nonce, signature }
      socket.say(JSON.stringify({ type: "hello", protocol: 2, ...proved, client: { name: "bench", version: "1" } }))
      socket.flush()
    }
    RawSocket.connect(port, onText, () => {}).catch(reject)
  })
}

const holdUpTo = async (port: number, meshId: string, from: number, to: number): Promise<void> => {
  for (let first = from; first < to; first += dialledAtOnce) {
    const last = Math.min(to, first + dialledAtOnce)
    await Promise.all(Array.from({ length: last - first }, (_, n) => hold(port, meshId, first + n)))
  }
  await Bun.sleep(restMillis)
}

const folder = await mkdtemp(join(tmpdir(), "claudemesh-idle-"))
const rows = []
for (const connections of values.connections.split(",").map(Number)) {
  const port = await freePort()
  const environment = { BROKER_DATA_DIR: join(folder, String(connections)), BROKER_PORT: String(port) }
  const server = launch([join(import.meta.dirname, "broker.ts")], environment)
  await answers(port)
  const meshId = await makeMesh(port, people)
  await Bun.sleep(restMillis)
  const before = memoryMiB(server.pid)
  const tenth = Math.round(connections / 10)
  await holdUpTo(port, meshId, 0, tenth)
  const some = memoryMiB(server.pid)
  await holdUpTo(port, meshId, tenth, connections)
  const all = memoryMiB(server.pid)
  rows.push({
    connections,
    "MiB before": Math.round(before),
    "MiB held": Math.round(all),
    "KiB a connection": ((all - before) * 1024) / connections,
    "KiB at the margin": ((all - some) * 1024) / (connections - tenth),
  })
  server.kill("SIGKILL")
  await server.exited
}
console.table(rows)
await rm(folder, { recursive: true, force: true })
process.exit(0)
