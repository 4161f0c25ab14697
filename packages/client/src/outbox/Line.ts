/** Effects that run one at a time, in the order in which they were begun: a semaphore's permit goes to whoever comes when it is free. */
import { Effect, Latch } from "effect"

export class Line {
  /** The first one's turn is now. */
  readonly #turns: Array<Latch.Latch> = []

  inTurn<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const turn = Latch.makeUnsafe()
      this.#turns.push(turn)
      this.#next()
      return Effect.andThen(turn.await, effect).pipe(Effect.ensuring(Effect.sync(() => this.#leave(turn))))
    })
  }

  #leave(turn: Latch.Latch): void {
    this.#turns.splice(this.#turns.indexOf(turn), 1)
    this.#next()
  }

  #next(): void {
    this.#turns[0]?.openUnsafe()
  }
}
