/**
 * What a mesh's actor has still to look at. A command needs a place, and whoever offers one waits for it; what the actor
 * itself began comes back without one, since its number is bounded by what is under way. So no circle of full queues can
 * stand still (I23).
 */
import { Effect, Queue } from "effect"
import type { Command, Completion } from "../state/MeshCommand.ts"

/** All but a connection's end, of which there is one for each connection. */
export type Admitted = Exclude<Command, { readonly _tag: "Detach" }>

interface Waiting {
  readonly command: Admitted
  readonly admitted: () => void
}

export class Mailbox {
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiting>()
  #places: number
  #incarnation = 0

  private constructor(
    placesMax: number,
    private readonly inputs: Queue.Queue<Command | Completion>,
  ) {
    this.#places = placesMax
  }

  static readonly make = (placesMax: number): Effect.Effect<Mailbox> =>
    Effect.map(Queue.unbounded<Command | Completion>(), (inputs) => new Mailbox(placesMax, inputs))

  /** What the actor has not taken, and what waits for a place. */
  get size(): number {
    return Queue.sizeUnsafe(this.inputs) + this.#waiting.size
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

  /** False: there is no place now. */
  offerNow(command: Admitted): boolean {
    if (this.#places === 0) return false
    this.#places -= 1
    Queue.offerUnsafe(this.inputs, command)
    return true
  }

  /** Takes no place. */
  left(detach: Extract<Command, { readonly _tag: "Detach" }>): void {
    Queue.offerUnsafe(this.inputs, detach)
  }

  /** Where what an incarnation of the actor began comes back. To the next one it means nothing. */
  completions(): (completion: Completion) => void {
    const incarnation = this.#incarnation
    return (completion) => {
      if (incarnation === this.#incarnation) Queue.offerUnsafe(this.inputs, completion)
    }
  }

  /** Waits until there is something. */
  readonly takeAll: Effect.Effect<ReadonlyArray<Command | Completion>> = Effect.suspend(() =>
    Effect.tap(Queue.takeAll(this.inputs), (inputs) => Effect.sync(() => this.#free(inputs))),
  )

  /** The incarnation has failed: what it had not looked at is dropped. */
  readonly abort: Effect.Effect<void> = Effect.suspend(() => {
    this.#incarnation += 1
    return Effect.map(Queue.clear(this.inputs), (inputs) => this.#free(inputs))
  })

  #free(inputs: ReadonlyArray<Command | Completion>): void {
    for (const input of inputs) if (takesPlace(input)) this.#places += 1
    for (const waiting of this.#waiting) {
      if (!this.offerNow(waiting.command)) return
      this.#waiting.delete(waiting)
      waiting.admitted()
    }
  }
}

const takesPlace = (input: Command | Completion): boolean => {
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
