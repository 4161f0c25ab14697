/**
 * Who waits for an answer of the mesh, by the number that the question carries. Each gets one answer: what the mesh
 * replies, or that it has failed meanwhile.
 */
import { Deferred, Effect, Schema } from "effect"
import { type Answer, CorrelationId } from "../state/MeshCommand.ts"

/** The mesh is being restarted, or the broker stops. */
export class MeshUnavailable extends Schema.TaggedError<MeshUnavailable>()("MeshUnavailable", {}) {}

type AnswerOf<Tag extends Answer["_tag"]> = Extract<Answer, { readonly _tag: Tag }>

export class Askers {
  readonly #waiting = new Map<CorrelationId, Deferred.Deferred<Answer, MeshUnavailable>>()
  #asked = 0

  /** Puts the question, and waits for its answer, which is of the same kind. `put` gives what it has to wait for before it is put, if anything. */
  ask<Tag extends Answer["_tag"]>(
    tag: Tag,
    put: (replyTo: CorrelationId) => Effect.Effect<void> | undefined,
  ): Effect.Effect<AnswerOf<Tag>, MeshUnavailable> {
    return Effect.suspend(() => {
      const replyTo = CorrelationId.make(++this.#asked)
      const answered = Deferred.makeUnsafe<Answer, MeshUnavailable>()
      this.#waiting.set(replyTo, answered)
      const waits = put(replyTo)
      const answer = Deferred.await(answered)
      // Put or not: while it waits for a place, the mesh may fail.
      return (waits === undefined ? answer : Effect.raceFirst(Effect.andThen(waits, Effect.never), answer)).pipe(
        Effect.ensuring(Effect.sync(() => this.#waiting.delete(replyTo))),
        Effect.flatMap((answer) =>
          isOf(answer, tag) ? Effect.succeed(answer) : Effect.die(`a ${tag} was answered by ${answer._tag}`),
        ),
      )
    })
  }

  /** Nobody may be waiting any more: then nobody is told. */
  reply(to: CorrelationId, answer: Answer): void {
    const answered = this.#waiting.get(to)
    if (answered !== undefined) Deferred.doneUnsafe(answered, Effect.succeed(answer))
  }

  failAll(): void {
    for (const answered of this.#waiting.values()) Deferred.doneUnsafe(answered, Effect.fail(new MeshUnavailable()))
    this.#waiting.clear()
  }
}

const isOf = <Tag extends Answer["_tag"]>(answer: Answer, tag: Tag): answer is AnswerOf<Tag> => answer._tag === tag
