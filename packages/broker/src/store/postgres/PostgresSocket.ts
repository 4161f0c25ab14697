/**
 * One connection to Postgres, as the stream that the driver speaks over: encrypted as `sslmode` says, kept alive,
 * and ended when the other side owes an answer and is silent. So whatever the driver waits for, in a transaction or
 * at its end, fails after a time, also where the network lost the connection without a word.
 */
import { connect, isIP, type Socket } from "node:net"
import { Duplex } from "node:stream"
import { connect as connectTls, type ConnectionOptions } from "node:tls"
import { Context, Fiber } from "effect"
import { StatementMillis } from "../Deadlines.ts"
import type { PostgresTarget } from "./PostgresUrl.ts"

export interface PostgresRoute extends PostgresTarget {
  /** Certificates to trust, in PEM. */
  readonly ca: string | undefined
}

const keepAliveMillis = 10_000
/** The database ends a statement that takes too long; its word of that is given some time to arrive. */
const silenceFactor = 1.1

const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
/** The end of an answer, but for the state of the transaction: nothing more is owed. */
const readyForQuery = Buffer.from([0x5a, 0, 0, 0, 5])

export class PostgresSocket extends Duplex {
  #socket: Socket
  #isOpen = false
  /** What the driver writes before the connection is open. The stream gives one chunk at a time. */
  #waiting: (() => void) | undefined

  constructor(readonly route: PostgresRoute) {
    super()
    const { host, path, port } = route
    this.#socket = path === undefined ? connect({ host, port, noDelay: true }) : connect({ path })
    this.#socket.setKeepAlive(true, keepAliveMillis)
    this.#socket.on("error", this.#failed).on("close", this.#closed)
    this.#socket.once("connect", () => (route.sslMode === "disable" ? this.#opened() : this.#askForTls()))
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    // The driver writes on the fiber that runs the statement, which knows how long that may take.
    const fiber = Fiber.getCurrent()
    if (fiber !== undefined) this.#listenFor(Context.get(fiber.context, StatementMillis))
    const write = () => {
      if (this.#socket.write(chunk)) done()
      else this.#socket.once("drain", () => done())
    }
    if (this.#isOpen) write()
    else this.#waiting = write
  }

  override _read(): void {
    if (this.#isOpen) this.#socket.resume()
  }

  override _final(done: () => void): void {
    this.#socket.end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy()
    done(error)
  }

  #failed = (error: Error): void => void this.destroy(error)

  #closed = (): void => void this.destroy()

  #opened(): void {
    this.#isOpen = true
    this.#socket.on("timeout", () => this.destroy(new Error("the database owes an answer and is silent")))
    this.#socket.on("data", (chunk: Buffer) => {
      const end = chunk.subarray(-6, -1)
      if (end.equals(readyForQuery)) this.#socket.setTimeout(0)
      if (!this.push(chunk)) this.#socket.pause()
    })
    this.#waiting?.()
    this.#waiting = undefined
  }

  /** Begins again with each byte that comes. */
  #listenFor(millis: number): void {
    this.#socket.setTimeout(millis * silenceFactor)
  }

  #askForTls(): void {
    const { host, sslMode } = this.route
    this.#socket.once("data", (answer: Buffer) => {
      const [said] = answer
      // More than one byte is not the server's: somebody put it there before the encryption.
      if (answer.length === 1 && said === 0x53) return this.#encrypt()
      if (answer.length === 1 && said === 0x4e && (sslMode === "prefer" || sslMode === "allow")) return this.#opened()
      this.destroy(
        new Error(`the database at ${host} offers no encryption, and sslmode=${sslMode} asks for it; nothing was sent`),
      )
    })
    this.#socket.write(sslRequest)
  }

  #encrypt(): void {
    const { ca, host, sslMode } = this.route
    const raw = this.#socket
    raw.off("error", this.#failed).off("close", this.#closed)
    const name: ConnectionOptions = isIP(host) === 0 ? { servername: host } : {}
    const verifies = sslMode === "verify-ca" || sslMode === "verify-full"
    const whose: ConnectionOptions = sslMode === "verify-full" ? {} : { checkServerIdentity: () => undefined }
    const trusted: ConnectionOptions = ca === undefined ? {} : { ca }
    const encrypted = connectTls({
      host,
      ...name,
      ...trusted,
      ...whose,
      rejectUnauthorized: verifies,
      socket: raw,
    })
    this.#socket = encrypted
    encrypted.on("error", this.#failed).on("close", this.#closed)
    encrypted.once("secureConnect", () => this.#opened())
  }
}
