/**
 * Bun's WebSocket as a `ServerSocket`. It holds the bounds of a socket: what was received and not yet handled, in frames
 * and in characters (the socket is then not read), and what was sent and not yet taken by the other side (the socket is then
 * dropped). Bun's own handlers call it; nothing here waits.
 */
import { idIn } from "@claudemesh/domain/wire/ClientFrame"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import type { ServerWebSocket } from "bun"
import { type Cause, Effect } from "effect"
import { Received, type Rest } from "../connection/Received.ts"
import type { OversizedFrame, ReceivedFrame, ServerSocket } from "../connection/ServerSocket.ts"
import type { Turns } from "../connection/Turns.ts"
import type { BrokerLimits } from "../Limits.ts"
import type { PeerId } from "../state/PeerId.ts"
import { Cork, type CorkedSocket } from "./Cork.ts"

const normalClose = 1000

/** What of Bun's own is used. */
type Socket = Pick<ServerWebSocket<BunSocket>, "close" | "pause" | "resume" | "terminate"> & CorkedSocket

interface Incoming {
  readonly frame: ReceivedFrame
  readonly characters: number
}

export class BunSocket implements ServerSocket {
  readonly #incoming: Received<Incoming>
  #waitingCharacters = 0
  #ws: Socket | undefined
  #cork: Cork | undefined
  #open = true
  /** Few, mostly one. */
  #whenClosed: ReadonlyArray<() => void> = []
  #paused = false
  #goodbye = false

  constructor(
    readonly id: PeerId,
    /** Whom it counts for, see `Address.ts`. */
    readonly address: string,
    readonly limits: BrokerLimits,
    /** A longer text is not kept. */
    readonly frameBytesMax: number,
    turns: Turns,
  ) {
    this.#incoming = new Received(turns, (incoming) => this.#taken(incoming))
  }

  get receive(): ServerSocket["receive"] {
    return Effect.map(this.#incoming.next, ({ frame }) => frame)
  }

  receiveEach<E>(handle: (received: ReceivedFrame) => Rest<E>): Effect.Effect<never, E | Cause.Done> {
    return this.#incoming.each(({ frame }) => handle(frame))
  }

  /** Frames that were received and are not handled yet. */
  get size(): number {
    return this.#incoming.size
  }

  opened(ws: Socket): void {
    this.#ws = ws
    this.#cork = new Cork(ws, this.limits, () => ws.terminate())
  }

  received(message: string | Buffer): void {
    const frame = typeof message === "string" ? this.#frameOf(message) : undefined
    if (!this.#incoming.add({ frame, characters: message.length })) return
    this.#waitingCharacters += message.length
    if (!this.#paused && this.#share() >= 1) {
      this.#paused = true
      this.#ws?.pause()
    }
  }

  /** Of what may wait to be handled. */
  #share(): number {
    const { inboundCharactersMax, inboundFramesMax } = this.limits
    return Math.max(this.size / inboundFramesMax, this.#waitingCharacters / inboundCharactersMax)
  }

  #frameOf(text: string): string | OversizedFrame {
    const isShort = text.length * 3 <= this.frameBytesMax || Buffer.byteLength(text) <= this.frameBytesMax
    return isShort ? text : { _tag: "OversizedFrame", id: idIn(text), characters: text.length }
  }

  #taken({ characters }: Incoming): void {
    this.#waitingCharacters -= characters
    if (this.#paused && this.#share() <= 0.5) {
      this.#paused = false
      this.#ws?.resume()
    }
  }

  closed(code: number): void {
    this.#goodbye = code === normalClose
    this.#end()
  }

  #end(): void {
    this.#open = false
    this.#cork?.drop()
    this.#incoming.end()
    const told = this.#whenClosed
    this.#whenClosed = []
    for (const then of told) then()
  }

  onClosed(then: () => void): () => void {
    if (this.#open) this.#whenClosed = [...this.#whenClosed, then]
    else then()
    return () => void (this.#whenClosed = this.#whenClosed.filter((other) => other !== then))
  }

  /** Nothing more is read; the connection ends when it has handled what came. */
  drain(): void {
    this.#incoming.end()
  }

  saidGoodbye(): boolean {
    return this.#goodbye
  }

  isOpen(): boolean {
    return this.#open
  }

  send(text: string): boolean {
    if (!this.#open || this.#cork === undefined) return false
    if (this.#cork.add(text)) return true
    this.#cork.drop()
    this.#ws?.terminate()
    return false
  }

  unreadBytes(): number {
    return this.#open ? (this.#cork?.unreadBytes() ?? 0) : 0
  }

  close(code: CloseCode, reason?: string): void {
    if (!this.#open) return
    this.#cork?.flush()
    this.#open = false
    this.#ws?.close(code.code, reason ?? code.meaning)
    // What came before and was not looked at is not looked at any more.
    this.#incoming.drop()
    this.#end()
  }
}
