/**
 * What a mesh's actor has still to look at. A command needs a place, and whoever offers one waits for it; what the actor
 * itself began comes back without one, since its number is bounded by what is under way. So no circle of full queues can
 * stand still (I23).
 *
 * While an incarnation of the actor lives, each input is looked at where it comes in, and no fiber is woken for it (decision 0087): one
 * after the other, so that what comes in while one is looked at comes behind it.
 */
import { Effect } from "effect"
import type { Command, Completion } from "../state/MeshCommand.ts"

/** All but a connection's end, of which there is one for each connection. */
export type Admitted = Exclude<Command, { readonly _tag: "Detach" }>

interface Waiting {
  readonly command: Admitted
  readonly admitted: () => void
}

type Input = Command | Completion

/** An incarnation that lives. */
interface Taker {
  readonly take: (input: Input) => void
  readonly fail: (defect: unknown) => void
}

export class Mailbox {
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiting>()
  readonly #inputs: Array<Input> = []
  #places: number
  #incarnation = 0
  #taker: Taker | undefined
  #isTaking = false

  constructor(placesMax: number) {
    this.#places = placesMax
  }

  /** What the actor has not taken, and what waits for a place. */
  get size(): number {
    return this.#inputs.length + this.#waiting.size
  }

  /** Waits for a place. */
  offer(command: Admitted): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.offerNow(command)
        ? Effect.void
        : Effect.callback((resume) => {
            const waiting = { command, admitted: () => resume(Effect.void) }
            this.#waiting.add(waiting)
            return Effect.sync(() => this.#waiting.delete(waiting))
          }),
    )
  }

  /** Gives what waits for a place where there is none now. */
  put(command: Admitted): Effect.Effect<void> | undefined {
    return this.offerNow(command) ? undefined : this.offer(command)
  }

  /** False: there is no place now. */
  offerNow(command: Admitted): boolean {
    if (this.#places === 0) return false
    this.#places -= 1
    this.#add(command)
    return true
  }

  /** Takes no place. */
  left(detach: Extract<Command, { readonly _tag: "Detach" }>): void {
    this.#add(detach)
  }

  /** Where what an incarnation of the actor began comes back. To the next one it means nothing. */
  completions(): (completion: Completion) => void {
    const incarnation = this.#incarnation
    return (completion) => {
      if (incarnation === this.#incarnation) this.#add(completion)
    }
  }

  /** Gives all that came and comes to `take`, until that throws: it is a defect of the actor, and never of whoever brought the input. */
  takeEach(take: (input: Input) => void): Effect.Effect<never> {
    return Effect.callback<never>((resume) => {
      const taker = { take, fail: (defect: unknown) => resume(Effect.die(defect)) }
      this.#taker = taker
      this.#takeAll()
      return Effect.sync(() => this.#let(taker))
    })
  }

  /** The incarnation has failed: what it had not looked at is dropped. */
  readonly abort: Effect.Effect<void> = Effect.sync(() => {
    this.#incarnation += 1
    for (const input of this.#inputs.splice(0)) if (takesPlace(input)) this.#places += 1
    this.#admit()
  })

  #add(input: Input): void {
    this.#inputs.push(input)
    this.#takeAll()
  }

  #takeAll(): void {
    if (this.#isTaking) return
    this.#isTaking = true
    for (let taker = this.#taker; taker !== undefined; taker = this.#taker) {
      const input = this.#inputs.shift()
      if (input === undefined) break
      if (takesPlace(input)) {
        this.#places += 1
        if (this.#waiting.size > 0) this.#admit()
      }
      try {
        taker.take(input)
      } catch (defect) {
        this.#let(taker)
        taker.fail(defect)
      }
    }
    this.#isTaking = false
  }

  #let(taker: Taker): void {
    if (this.#taker === taker) this.#taker = undefined
  }

  #admit(): void {
    for (const waiting of this.#waiting) {
      if (!this.offerNow(waiting.command)) return
      this.#waiting.delete(waiting)
      waiting.admitted()
    }
  }
}

const takesPlace = (input: Input): boolean => {
  switch (input._tag) {
    case "Attach":
    case "Send":
    case "Request":
    case "Enrol":
    case "Report":
      return true
    default:
      return false
  }
}
