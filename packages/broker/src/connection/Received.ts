/**
 * What a socket has received, in order. While its connection waits for the next of it, that is handled where it comes in, and no
 * fiber is woken for it (decision 0087). It is kept here while the connection waits for something else, and where it is more than a socket has
 * handled at once: then it is handled in turn with that of other sockets (decision 0095). Whoever owns the
 * socket bounds what is kept, by reading no more: what the kernel already gave must not be dropped.
 */
import { Cause, Effect } from "effect"
import type { InLine, Turns } from "./Turns.ts"

/** So many places of what is kept no longer are given up together. */
const keptBehindMax = 256

/** What is left to do of one, where something has to be waited for. */
export type Rest<E> = Effect.Effect<void, E> | undefined

export class Received<A extends object | string> implements InLine {
  #kept: Array<A | undefined> = []
  /** Of those before it nothing is left: to move all others up for each that is taken would cost more than to handle it. */
  #first = 0
  #ended = false
  /** Set while the connection waits for the next one. */
  #waiting: { readonly give: (one: A) => void; readonly end: () => void } | undefined

  /** `taken` hears of each that was kept when it is kept no longer. */
  constructor(
    readonly turns: Turns,
    readonly taken: (one: A) => void = () => {},
  ) {}

  /** How many are kept. */
  get size(): number {
    return this.#kept.length - this.#first
  }

  /** True: it is kept. False: it was handled at once, or nothing more is taken. */
  add(one: A): boolean {
    if (this.#ended) return false
    const waiting = this.#waiting
    if (waiting !== undefined && this.size === 0 && this.turns.takesAtOnce(this)) {
      waiting.give(one)
      return false
    }
    this.#kept.push(one)
    if (waiting !== undefined) this.turns.enter(this)
    return true
  }

  takeTurn(): boolean {
    const waiting = this.#waiting
    if (waiting === undefined) return false
    const one = this.#takeKept()
    if (one !== undefined) waiting.give(one)
    if (this.size > 0) return this.#waiting !== undefined
    if (this.#ended) this.#endWait()
    return false
  }

  /** Nothing more comes. What is kept is given still. */
  end(): void {
    this.#ended = true
    if (this.size === 0) this.#endWait()
  }

  #endWait(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.end()
  }

  /** What is kept is not given any more either. */
  drop(): void {
    this.#kept = []
    this.#first = 0
    this.end()
  }

  /** The next one. */
  get next(): Effect.Effect<A, Cause.Done> {
    return Effect.suspend(() => {
      const kept = this.#takeKept()
      return kept === undefined
        ? Effect.flatten(this.#wait<A, never>((one) => Effect.succeed(one)))
        : Effect.succeed(kept)
    })
  }

  /**
   * Each of them, until nothing more comes: `handle` does what can be done at once, and gives what else there is to do. Until that
   * is done the next one waits.
   */
  each<E>(handle: (one: A) => Rest<E>): Effect.Effect<never, E | Cause.Done> {
    // A rest is done behind the wait and not within it: else each would leave something to come back to, for as long as the connection.
    const next: Effect.Effect<never, E | Cause.Done> = Effect.flatMap(
      Effect.suspend(() => this.#wait(handle)),
      (rest) => Effect.andThen(rest, next),
    )
    return next
  }

  /** Gives those that come to `take`, until that gives something: with it the waiting is over. */
  #wait<B, E>(take: (one: A) => Effect.Effect<B, E> | undefined): Effect.Effect<Effect.Effect<B, E>, Cause.Done> {
    if (this.#ended && this.size === 0) return Cause.done()
    return Effect.callback<Effect.Effect<B, E>, Cause.Done>((resume) => {
      const waiting = {
        give: (one: A) => {
          const rest = restOf(take, one)
          // Handling one may have ended it all.
          if (rest === undefined || this.#waiting !== waiting) return
          this.#waiting = undefined
          resume(Effect.succeed(rest))
        },
        end: () => resume(Cause.done()),
      }
      this.#waiting = waiting
      if (this.size > 0) this.turns.enter(this)
      return Effect.sync(() => void (this.#waiting = undefined))
    })
  }

  #takeKept(): A | undefined {
    const one = this.#kept[this.#first]
    if (one === undefined) return undefined
    this.#kept[this.#first] = undefined
    this.#first += 1
    if (this.#first === this.#kept.length) {
      this.#kept.length = 0
      this.#first = 0
    } else if (this.#first === keptBehindMax) {
      this.#kept.splice(0, this.#first)
      this.#first = 0
    }
    this.taken(one)
    return one
  }
}

/** A defect is the connection's, and not of whoever brings what came. */
const restOf = <A, B, E>(
  take: (one: A) => Effect.Effect<B, E> | undefined,
  one: A,
): Effect.Effect<B, E> | undefined => {
  try {
    return take(one)
  } catch (defect) {
    return Effect.die(defect)
  }
}
