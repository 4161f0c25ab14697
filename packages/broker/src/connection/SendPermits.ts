/**
 * How many sends and leases of one connection may be under way: each takes a permit, and its answer returns it. The
 * permits end with the socket: whoever waits for one then waits no longer, for nobody would hear an answer.
 *
 * What a connection seldom needs is made when it is asked for, here and in its neighbours: there are thousands that say nothing.
 */
import { Cause, Effect } from "effect"

export class SendPermits {
  #free: number
  #ended = false
  /** The connection handles one frame at a time, so there is one who waits at most, for so many. */
  #waiting: { readonly permits: number; readonly go: (effect: Effect.Effect<void, Cause.Done>) => void } | undefined

  constructor(readonly max: number) {
    this.#free = max
  }

  /** False: too many are under way. */
  takeNow(): boolean {
    if (this.#free === 0) return false
    this.#free -= 1
    return true
  }

  /** Waits while too many are under way. */
  get take(): Effect.Effect<void, Cause.Done> {
    return Effect.suspend(() => this.#take(1))
  }

  /** Waits until all that was sent is answered. */
  get allReturned(): Effect.Effect<void, Cause.Done> {
    return Effect.suspend(() => this.#take(this.max))
  }

  return(): void {
    this.#free = Math.min(this.max, this.#free + 1)
    const waiting = this.#waiting
    if (waiting === undefined || waiting.permits > this.#free) return
    this.#waiting = undefined
    this.#free -= waiting.permits
    waiting.go(Effect.void)
  }

  end(): void {
    this.#ended = true
    this.#waiting?.go(Cause.done())
    this.#waiting = undefined
  }

  #take(permits: number): Effect.Effect<void, Cause.Done> {
    if (this.#free >= permits) {
      this.#free -= permits
      return Effect.void
    }
    if (this.#ended) return Cause.done()
    return Effect.callback((go) => {
      this.#waiting = { permits, go }
      return Effect.sync(() => (this.#waiting = undefined))
    })
  }
}
