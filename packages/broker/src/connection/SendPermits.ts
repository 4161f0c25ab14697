/**
 * How many sends and leases of one connection may be under way: each takes a permit, and its answer returns it. There are as many as its mesh
 * has for each that sends at the moment. The permits end with the socket: whoever waits for one then waits no longer, for nobody would hear an answer.
 *
 * What a connection seldom needs is made when it is asked for, here and in its neighbours: there are thousands that say nothing.
 */
import { Cause, Effect } from "effect"
import type { SendsUnderWay } from "../mesh/SendsUnderWay.ts"

export class SendPermits {
  #taken = 0
  #ended = false
  /** The connection handles one frame at a time, so there is one who waits at most: for a permit, or for all of them. */
  #waiting: { readonly forAll: boolean; readonly go: (effect: Effect.Effect<void, Cause.Done>) => void } | undefined

  constructor(readonly underWay: SendsUnderWay) {}

  /** False: too many are under way. */
  takeNow(): boolean {
    if (this.#taken >= this.underWay.share) return false
    if (this.#taken === 0 && !this.#ended) this.underWay.began()
    this.#taken += 1
    return true
  }

  /** Waits while too many are under way. */
  get take(): Effect.Effect<void, Cause.Done> {
    return Effect.suspend(() => this.#wait(false))
  }

  /** Waits until all that was sent is answered. */
  get allReturned(): Effect.Effect<void, Cause.Done> {
    return Effect.suspend(() => this.#wait(true))
  }

  return(): void {
    if (this.#taken === 0) return
    this.#taken -= 1
    if (this.#taken === 0 && !this.#ended) this.underWay.ended()
    const waiting = this.#waiting
    if (waiting === undefined || !this.#mayGo(waiting.forAll)) return
    this.#waiting = undefined
    waiting.go(Effect.void)
  }

  end(): void {
    if (this.#taken > 0 && !this.#ended) this.underWay.ended()
    this.#ended = true
    this.#waiting?.go(Cause.done())
    this.#waiting = undefined
  }

  #mayGo(forAll: boolean): boolean {
    return forAll ? this.#taken === 0 : this.takeNow()
  }

  #wait(forAll: boolean): Effect.Effect<void, Cause.Done> {
    if (this.#mayGo(forAll)) return Effect.void
    if (this.#ended) return Cause.done()
    return Effect.callback((go) => {
      this.#waiting = { forAll, go }
      return Effect.sync(() => (this.#waiting = undefined))
    })
  }
}
