/**
 * A WebSocket client that costs next to nothing, so that a benchmark measures the server: frames are read as text without being
 * parsed, all that is said in one turn goes out in one write, and the mask is zeros, which leaves a text as it is.
 */
import type { Socket } from "bun"

/** For all sockets of the process: what one says is handed to the kernel before another one speaks. */
const scratch = Buffer.alloc(4 * 1024 * 1024)
const headerMax = 14

export class RawSocket {
  #unread: Buffer = Buffer.alloc(0)
  #unwritten: Buffer = Buffer.alloc(0)
  #said: Array<string> = []
  #isOpen = false

  private constructor(
    readonly socket: Socket,
    readonly onText: (text: string, socket: RawSocket) => void,
  ) {}

  static readonly connect = (
    port: number,
    onText: (text: string, socket: RawSocket) => void,
    onEnd: () => void,
  ): Promise<RawSocket> =>
    new Promise((resolve, reject) => {
      let raw: RawSocket | undefined
      void Bun.connect({
        hostname: "127.0.0.1",
        port,
        socket: {
          open: (socket) => {
            raw = new RawSocket(socket, onText)
            const key = Buffer.alloc(16, 7).toString("base64")
            socket.write(
              `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
            )
            resolve(raw)
          },
          data: (_, bytes) => raw?.received(bytes),
          drain: () => raw?.writeOn(),
          close: onEnd,
          error: (_, error) => {
            console.error(error)
            process.exit(1)
          },
          connectError: (_, error) => reject(error),
        },
      })
    })

  /** It is written when all that came with what is being handled has been handled, or at `flush`. */
  say(text: string): void {
    this.#said.push(text)
  }

  flush(): void {
    if (this.#said.length === 0) return
    let end = 0
    for (const text of this.#said) {
      if (end + headerMax + text.length > scratch.length) end = this.#write(end)
      end += writeFrame(text, end)
    }
    this.#said = []
    this.#write(end)
  }

  #write(end: number): 0 {
    const bytes = scratch.subarray(0, end)
    const written = this.#unwritten.length > 0 ? 0 : this.socket.write(bytes)
    if (written < end) this.#unwritten = Buffer.concat([this.#unwritten, bytes.subarray(Math.max(0, written))])
    return 0
  }

  writeOn(): void {
    if (this.#unwritten.length === 0) return
    this.#unwritten = this.#unwritten.subarray(this.socket.write(this.#unwritten))
  }

  received(bytes: Buffer): void {
    const all = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes])
    let at = 0
    if (!this.#isOpen) {
      const end = all.indexOf("\r\n\r\n")
      if (end === -1) return void (this.#unread = Buffer.from(all))
      this.#isOpen = true
      at = end + 4
    }
    while (at + 2 <= all.length) {
      const short = (all[at + 1] ?? 0) & 127
      const header = short === 127 ? 10 : short === 126 ? 4 : 2
      if (at + header > all.length) break
      const length =
        short === 127 ? Number(all.readBigUInt64BE(at + 2)) : short === 126 ? all.readUInt16BE(at + 2) : short
      const begin = at + header
      if (begin + length > all.length) break
      at = begin + length
      if (((all[begin - header] ?? 0) & 15) === 1) this.onText(all.toString("latin1", begin, at), this)
    }
    this.#unread = at === all.length ? Buffer.alloc(0) : Buffer.from(all.subarray(at))
    this.flush()
  }

  end(): void {
    this.socket.end()
  }
}

/** Of a text of ASCII. Gives its length. */
const writeFrame = (text: string, at: number): number => {
  const { length } = text
  scratch[at] = 0x81
  let header = 2
  if (length < 126) scratch[at + 1] = 0x80 | length
  else if (length < 65_536) {
    scratch[at + 1] = 0x80 | 126
    scratch.writeUInt16BE(length, at + 2)
    header = 4
  } else {
    scratch[at + 1] = 0x80 | 127
    scratch.writeBigUInt64BE(BigInt(length), at + 2)
    header = 10
  }
  scratch.fill(0, at + header, at + header + 4)
  scratch.write(text, at + header + 4, "latin1")
  return header + 4 + length
}
