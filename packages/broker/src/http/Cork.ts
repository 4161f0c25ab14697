/**
 * What a socket is sent in one turn goes out in one write, at the end of the turn: a system call for each frame costs more
 * than the frame (decision 0074). What the other side has left unread is looked at once a write, and what is held here counts as
 * unread, so the bound is the same as without. Nothing waits here longer than the turn.
 */
import type { ServerWebSocket } from "bun"
import type { BrokerLimits } from "../Limits.ts"

/** What of Bun's own is used. */
export interface CorkedSocket extends Pick<ServerWebSocket<unknown>, "getBufferedAmount" | "send"> {
  readonly cork: (write: () => void) => void
}

type Bounds = Pick<BrokerLimits, "outboundBacklogBytesMax" | "outboundTurnCharactersMax">

export class Cork {
  /** Undefined while nothing is held: an idle socket keeps nothing. */
  #held: Array<string> | undefined
  #characters = 0
  /** As the socket said it when the first of what is held came. */
  #unreadBytes = 0

  constructor(
    readonly ws: CorkedSocket,
    readonly limits: Bounds,
    /** A write was not taken: the socket is of no use any more. */
    readonly lost: () => void,
  ) {}

  /** False: too much is unread, and the text is not taken. One long text alone is never too much. */
  add(text: string): boolean {
    if (this.#held === undefined) this.#unreadBytes = this.ws.getBufferedAmount()
    if (this.#unreadBytes + this.#characters > this.limits.outboundBacklogBytesMax) return false
    if (this.#held === undefined) {
      this.#held = [text]
      queueMicrotask(this.#flushHeld)
    } else this.#held.push(text)
    this.#characters += text.length
    if (this.#characters < this.limits.outboundTurnCharactersMax) return true
    // What is held is counted in characters, and what is unread in bytes: so not much is held.
    return this.flush()
  }

  /** False: the socket did not take it. */
  flush(): boolean {
    const held = this.#held
    if (held === undefined) return true
    this.drop()
    if (held.length === 1) return this.#write(held)
    let isTaken = true
    this.ws.cork(() => {
      isTaken = this.#write(held)
    })
    return isTaken
  }

  /** The socket has closed: nobody will get it. */
  drop(): void {
    this.#held = undefined
    this.#characters = 0
  }

  unreadBytes(): number {
    return this.ws.getBufferedAmount() + this.#characters
  }

  #write(held: ReadonlyArray<string>): boolean {
    for (const text of held) if (this.ws.send(text) === 0) return false
    return true
  }

  /** Made once: a function for each turn would be more than the rest. */
  readonly #flushHeld = (): void => {
    if (!this.flush()) this.lost()
  }
}
