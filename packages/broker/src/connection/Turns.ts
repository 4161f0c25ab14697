/**
 * Whose frame is handled next, when more come than can be handled. In one turn of the event loop a socket has one handled where it
 * comes in, as long as those of all sockets have taken a short time. What is said beyond that stands in line: the sockets that have something there take
 * turns with one frame each, for a short time in each turn of the event loop. So who says little waits for nobody's much, and neither do commits and what is read.
 *
 * All sockets of a broker share one. Nothing here holds a frame, and nothing is refused: whoever stands in line keeps its own.
 */
import { Clock, Effect } from "effect"
import type { BrokerLimits } from "../Limits.ts"

/** It has frames that wait, and a connection that waits for them. */
export interface InLine {
  /** Handles the next of them. True: it is still in line. */
  readonly takeTurn: () => boolean
}

type Bounds = Pick<BrokerLimits, "waitingFramesMillis">

const nanosPerMilli = 1_000_000n

/** To ask for the time costs some of it: of what is handled at once it is asked before each eighth. */
const atOnceBetween = 8

export class Turns {
  /** Whoever had its turn goes to the end. */
  readonly #line = new Set<InLine>()
  /** Who has had one in this turn of the event loop. */
  readonly #atOnce = new Set<InLine>()
  #atOnceUntilNanos = 0n
  #isTold = false

  /** By the clock and the event loop of whoever makes it. */
  static readonly make = (limits: Bounds): Effect.Effect<Turns> =>
    Effect.map(Effect.zip(Clock.Clock, Effect.fiber), ([clock, { currentDispatcher }]) => {
      const atEndOfTurn = (then: () => void) => currentDispatcher.scheduleTask(then, 0)
      return new Turns(limits, () => clock.monotonicTimeNanosUnsafe(), atEndOfTurn)
    })

  constructor(
    readonly limits: Bounds,
    readonly nowNanos: () => bigint,
    /** Calls it when this turn of the event loop is over. */
    readonly atEndOfTurn: (then: () => void) => void,
  ) {}

  /** Whether one more is handled where it comes in. */
  takesAtOnce(one: InLine): boolean {
    if (this.#atOnce.has(one)) return false
    const { size } = this.#atOnce
    if (size === 0) this.#atOnceUntilNanos = this.#soon()
    else if (size % atOnceBetween === 0 && this.nowNanos() >= this.#atOnceUntilNanos) return false
    this.#atOnce.add(one)
    this.#askForEnd()
    return true
  }

  enter(one: InLine): void {
    this.#line.add(one)
    this.#askForEnd()
  }

  #askForEnd(): void {
    if (this.#isTold) return
    this.#isTold = true
    this.atEndOfTurn(this.#endOfTurn)
  }

  #soon(): bigint {
    return this.nowNanos() + BigInt(this.limits.waitingFramesMillis) * nanosPerMilli
  }

  readonly #endOfTurn = (): void => {
    this.#isTold = false
    this.#atOnce.clear()
    if (this.#line.size === 0) return
    const untilNanos = this.#soon()
    // Who is put back at the end is come by again.
    for (const one of this.#line) {
      this.#line.delete(one)
      if (one.takeTurn()) this.#line.add(one)
      if (this.nowNanos() >= untilNanos) break
    }
    if (this.#line.size > 0) this.#askForEnd()
  }
}
