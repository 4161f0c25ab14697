/**
 * Bun's WebSocket as a `ServerSocket`. It holds the two bounds of a socket: what was received and not yet handled
 * (the socket is then not read) and what was sent and not yet taken by the other side (the socket is then
 * dropped). Bun's own handlers call it; nothing here waits.
 */
import { idIn } from "@claudemesh/domain/wire/ClientFrame"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import type { ServerWebSocket } from "bun"
import { Cause, Effect, Queue } from "effect"
import type { OversizedFrame, ServerSocket } from "../connection/ServerSocket.ts"
import type { BrokerLimits } from "../Limits.ts"
import type { PeerId } from "../state/PeerId.ts"

const normalClose = 1000

/** What of Bun's own is used. */
type Socket = Pick<
  ServerWebSocket<BunSocket>,
  "close" | "getBufferedAmount" | "pause" | "resume" | "send" | "terminate"
>

export class BunSocket implements ServerSocket {
  readonly receive: ServerSocket["receive"]
  readonly #incoming: Queue.Queue<string | OversizedFrame | undefined, Cause.Done>
  #ws: Socket | undefined
  #open = true
  /** What came before and was not looked at is not looked at any more. */
  #closedHere = false
  readonly #whenClosed: Array<() => void> = []
  #paused = false
  #goodbye = false

  private constructor(
    readonly id: PeerId,
    /** Whom it counts for, see `Address.ts`. */
    readonly address: string,
    readonly limits: BrokerLimits,
    /** A longer text is not kept. */
    readonly frameBytesMax: number,
    incoming: Queue.Queue<string | OversizedFrame | undefined, Cause.Done>,
  ) {
    this.#incoming = incoming
    const take = Effect.tap(Queue.take(incoming), () => Effect.sync(() => this.#taken()))
    this.receive = Effect.suspend(() => (this.#closedHere ? Cause.done() : take))
  }

  static readonly make = (
    id: PeerId,
    address: string,
    limits: BrokerLimits,
    frameBytesMax: number,
  ): Effect.Effect<BunSocket> =>
    Effect.map(
      // Bounded by pausing the socket, not by the queue: what the kernel already gave us must not be dropped.
      Queue.unbounded<string | OversizedFrame | undefined, Cause.Done>(),
      (incoming) => new BunSocket(id, address, limits, frameBytesMax, incoming),
    )

  opened(ws: Socket): void {
    this.#ws = ws
  }

  received(message: string | Buffer): void {
    Queue.offerUnsafe(this.#incoming, typeof message === "string" ? this.#frameOf(message) : undefined)
    if (!this.#paused && Queue.sizeUnsafe(this.#incoming) >= this.limits.inboundFramesMax) {
      this.#paused = true
      this.#ws?.pause()
    }
  }

  #frameOf(text: string): string | OversizedFrame {
    const isShort = text.length * 3 <= this.frameBytesMax || Buffer.byteLength(text) <= this.frameBytesMax
    return isShort ? text : { _tag: "OversizedFrame", id: idIn(text) }
  }

  #taken(): void {
    if (!this.#paused || Queue.sizeUnsafe(this.#incoming) > this.limits.inboundFramesMax / 2) return
    this.#paused = false
    this.#ws?.resume()
  }

  closed(code: number): void {
    this.#goodbye = code === normalClose
    this.#end()
  }

  #end(): void {
    this.#open = false
    Queue.endUnsafe(this.#incoming)
    for (const then of this.#whenClosed.splice(0)) then()
  }

  onClosed(then: () => void): void {
    if (this.#open) this.#whenClosed.push(then)
    else then()
  }

  /** Nothing more is read; the connection ends when it has handled what came. */
  drain(): void {
    Queue.endUnsafe(this.#incoming)
  }

  saidGoodbye(): boolean {
    return this.#goodbye
  }

  isOpen(): boolean {
    return this.#open
  }

  send(text: string): boolean {
    const ws = this.#ws
    if (!this.#open || ws === undefined) return false
    // One long frame alone is never too much: else a long list would end the socket of whoever asks, at each connect again.
    const isFull = ws.getBufferedAmount() > this.limits.outboundBacklogBytesMax
    if (!isFull && ws.send(text) !== 0) return true
    ws.terminate()
    return false
  }

  unreadBytes(): number {
    return this.#open ? (this.#ws?.getBufferedAmount() ?? 0) : 0
  }

  close(code: CloseCode, reason?: string): void {
    if (!this.#open) return
    this.#closedHere = true
    this.#ws?.close(code.code, reason ?? code.meaning)
    this.#end()
  }
}
