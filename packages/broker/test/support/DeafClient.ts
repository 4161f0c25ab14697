/** A client over a bare TCP socket that says hello and is never read again: what a WebSocket of the runtime cannot do. */
import { randomBytes } from "node:crypto"
import { connect } from "node:net"
import { type Identity, sign } from "./RawClient.ts"

/** One short text frame from a client, as RFC 6455 section 5.2 has it. */
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

export interface DeafClient {
  readonly send: (frame: object) => void
  readonly end: () => void
}

export const deafClient = (port: number, { keys, memberId, meshId }: Identity): Promise<DeafClient> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1")
    let heard = ""
    const send = (frame: object) => void socket.write(frameOf(JSON.stringify(frame)))
    socket.on("error", reject)
    socket.write(
      [
        "GET /ws HTTP/1.1",
        `Host: 127.0.0.1:${port}`,
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
        "\r\n",
      ].join("\r\n"),
    )
    socket.on("data", (bytes) => {
      heard += bytes.toString("latin1")
      const nonce = /"nonce":"([0-9a-f]{64})"/.exec(heard)?.[1]
      if (heard.includes("hello_ack")) {
        socket.pause()
        resolve({ send, end: () => void socket.destroy() })
      } else if (nonce !== undefined) {
        heard = ""
        const pubkey = keys.publicKey
        const lines = ["claudemesh-hello-v2", `ws://127.0.0.1:${port}`, meshId, memberId, pubkey, "deaf", nonce]
        const client = { name: "deaf", version: "1" }
        const identity = { meshId, memberId, pubkey, sessionId: "deaf", nonce, client }
        send({ type: "hello", protocol: 2, ...identity, signature: sign(lines.join("\n"), keys) })
      }
    })
  })
