/**
 * A recipient that never reads, beside a hundred that do: what the hundred notice of it. The same load of broadcasts
 * with it and without it, in turn; a socket that is open, has said hello, and is never read again.
 *
 *   npm run bench:slow-reader [-- --rounds 3]
 */
import { randomBytes } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import sodium from "libsodium-wrappers"
import { answers, freePort, launch, makeMesh, memoryMiB, person, runLoad } from "./Server.ts"

const { values } = parseArgs({ options: { rounds: { type: "string", default: "3" } } })
/** Of fifty members, two sessions each. */
const readers = 50
const messages = 150
const ciphertextBytes = 20_000

/** One text frame from a client, as RFC 6455 section 5.2 has it. */
const frameOf = (text: string): Buffer => {
  const payload = Buffer.from(text)
  const mask = randomBytes(4)
  const head = Buffer.alloc(8)
  head.writeUInt8(0x81, 0)
  head.writeUInt8(0x80 | 126, 1)
  head.writeUInt16BE(payload.length, 2)
  mask.copy(head, 4)
  return Buffer.concat([head, payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0))])
}

/** Says hello over a bare socket, and never reads again. */
const deafRecipient = (port: number, meshId: string, who: ReturnType<typeof person>): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1")
    let heard = ""
    socket.on("error", reject)
    socket.write(
      `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
    )
    socket.on("data", (bytes) => {
      heard += bytes.toString("latin1")
      const nonce = /"nonce":"([0-9a-f]{64})"/.exec(heard)?.[1]
      if (heard.includes("hello_ack")) {
        socket.pause()
        resolve(socket)
      } else if (nonce !== undefined) {
        const { memberId, publicKey: pubkey, secretKey } = who
        const lines = ["claudemesh-hello-v2", `ws://127.0.0.1:${port}`, meshId, memberId, pubkey, "deaf", nonce]
        const signature = sodium.to_hex(sodium.crypto_sign_detached(lines.join("\n"), sodium.from_hex(secretKey)))
        const client = { name: "bench", version: "1" }
        const identity = { meshId, memberId, pubkey, sessionId: "deaf", nonce, signature, client }
        heard = ""
        socket.write(frameOf(JSON.stringify({ type: "hello", protocol: 2, ...identity })))
      }
    })
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
    const socket = withDeaf ? await deafRecipient(port, meshId, deaf) : undefined
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
    socket?.destroy()
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
