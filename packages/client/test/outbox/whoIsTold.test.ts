/** Of what was refused somebody is told: the caller that waits for the answer, or else whoever of the session asks later. */
import { ClientMessageId, MeshId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { Base64, Nonce } from "@claudemesh/domain/Base64"
import { Target } from "@claudemesh/domain/routing/Target"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import { assert, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { makeOutbox } from "../../src/outbox/Outbox.ts"
import { OutboxStore } from "../../src/outbox/OutboxStore.ts"

const of = { meshId: MeshId.make("mesh-team"), member: PublicKey.make("ab".repeat(32)) }

const entry = (n: number) => {
  const id = ClientMessageId.make(`m${n}`)
  return {
    ...of,
    id,
    messageId: messageIdOf(of.meshId, of.member, id),
    sessionId: SessionId.make("laptop"),
    to: "Bob",
    frame: {
      type: "send" as const,
      id,
      targetSpec: Target.cases.Member.make({ key: PublicKey.make("cd".repeat(32)) }),
      priority: "next" as const,
      nonce: Nonce.make(Buffer.alloc(24).toString("base64")),
      ciphertext: Base64.make("AAECAwQ="),
    },
    sealedAtMillis: n,
  }
}

const turns = (count: number) => Effect.forEach(Array.from({ length: count }), () => Effect.yieldNow, { discard: true })

it.effect("a refusal is kept for later where its caller was interrupted, in whatever moment, and only there", () =>
  Effect.gen(function* () {
    const outbox = yield* makeOutbox({ of, slug: "team", sender: "one", tooLate: () => undefined })
    const store = yield* OutboxStore
    yield* Effect.forkScoped(outbox.tend)
    const ends = new Set<boolean>()
    for (let moment = 0; moment < 8; moment++) {
      const { id, messageId, ...rest } = entry(moment)
      const { answer } = yield* outbox.offer({ id, messageId, ...rest }, false)
      const caller = yield* Effect.forkChild(answer)
      yield* turns(5)
      const interrupting = yield* Effect.forkChild(Effect.andThen(turns(moment), Fiber.interrupt(caller)))
      yield* turns(4)
      outbox.settle({ type: "error", code: "unknown_target", message: "no such member", id, retryable: false })
      yield* Fiber.join(interrupting)
      const exit = yield* Fiber.await(caller)
      yield* turns(20)
      const isTold = !(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      const kept = (yield* store.problems(of)).map((problem) => problem.messageId)
      assert.deepStrictEqual(kept, isTold ? [] : [messageId], `after ${moment} turns`)
      yield* store.forgetProblems(kept)
      ends.add(isTold)
    }
    assert.strictEqual(ends.size, 2)
  }).pipe(Effect.scoped, Effect.provide(OutboxStore.memory)),
)

it.effect("a refusal of what another process has taken over is that one's to tell, and told once", () =>
  Effect.gen(function* () {
    const outbox = yield* makeOutbox({ of, slug: "team", sender: "one", tooLate: () => undefined })
    const store = yield* OutboxStore
    yield* Effect.forkScoped(outbox.tend)
    const refused = (id: ClientMessageId) =>
      outbox.settle({ type: "error", code: "unknown_target", message: "no such member", id, retryable: false })
    const [told, waiting, unasked] = [entry(1), entry(2), entry(3)]
    const answers = yield* Effect.forEach([told, waiting], (one) =>
      Effect.flatMap(outbox.offer(one, false), ({ answer }) => Effect.forkChild(answer)),
    )
    yield* outbox.offer(unasked, false)
    yield* turns(5)
    // It was stopped for long, so that another one has taken over what it sends, and has told of some of it already.
    const other = { sender: "two", pid: 2, host: "here" }
    yield* store.adopt(of, ["one"], other)
    const problem = { ...told, target: "Bob", code: "unknown_target", explanation: "no such member", atMillis: 1 }
    for (const { messageId } of [told, unasked]) {
      yield* store.finish("two", [messageId], [{ ...problem, messageId }])
      yield* store.forgetProblems([messageId])
    }
    for (const { id } of [told, waiting, unasked]) refused(id)
    const ends = yield* Effect.forEach(answers, (fiber) => Effect.flip(Fiber.join(fiber)))
    yield* turns(20)
    assert.deepStrictEqual(
      ends.map(({ _tag }) => _tag),
      ["SendGone", "SendGone"],
    )
    assert.deepStrictEqual(yield* store.problems(of), [])
    assert.deepStrictEqual(
      (yield* store.list).map(({ messageId }) => messageId),
      [waiting.messageId],
    )
  }).pipe(Effect.scoped, Effect.provide(OutboxStore.memory)),
)
