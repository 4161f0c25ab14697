/** The way into a mesh: places, those who wait for one, and those who wait for an answer. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { Askers } from "../src/mesh/Askers.ts"
import { Mailbox } from "../src/mesh/Mailbox.ts"
import { Answer, Command, Completion, CorrelationId } from "../src/state/MeshCommand.ts"
import { PeerId } from "../src/state/PeerId.ts"
import { settled } from "./support/ActorScenario.ts"

const commandOf = (peer: number) =>
  Command.Request({ peer: PeerId.make(peer), frame: { type: "client_ack", messageIds: [] } })

const peersOf = (inputs: ReadonlyArray<Command | Completion>): ReadonlyArray<number | string> =>
  inputs.map((input) => (input._tag === "Request" ? input.peer : input._tag))

/** One with two places, both taken. */
const full = Effect.tap(Mailbox.make(2), (mailbox) =>
  Effect.sync(() => {
    assert.isTrue(mailbox.offerNow(commandOf(1)))
    assert.isTrue(mailbox.offerNow(commandOf(2)))
  }),
)

describe("a mailbox without a place", () => {
  it.effect("takes who waits in the order in which they came, once there are places again (I23)", () =>
    Effect.gen(function* () {
      const mailbox = yield* full
      assert.isFalse(mailbox.offerNow(commandOf(9)))
      const waiting = yield* Effect.forEach([3, 4, 5], (peer) => Effect.forkScoped(mailbox.offer(commandOf(peer))))
      yield* settled
      assert.deepStrictEqual(peersOf(yield* mailbox.takeAll), [1, 2])
      yield* settled
      assert.deepStrictEqual(
        waiting.map((fiber) => fiber.pollUnsafe() !== undefined),
        [true, true, false],
      )
      assert.deepStrictEqual(peersOf(yield* mailbox.takeAll), [3, 4])
      assert.deepStrictEqual(peersOf(yield* mailbox.takeAll), [5])
    }),
  )

  it.effect("keeps no place for who waits no longer", () =>
    Effect.gen(function* () {
      const mailbox = yield* full
      yield* Fiber.interrupt(yield* Effect.forkScoped(mailbox.offer(commandOf(3)), { startImmediately: true }))
      yield* mailbox.takeAll
      assert.isTrue(mailbox.offerNow(commandOf(4)))
      assert.isTrue(mailbox.offerNow(commandOf(5)))
      assert.deepStrictEqual(peersOf(yield* mailbox.takeAll), [4, 5])
    }),
  )

  it.effect("takes what the actor itself has begun, and that a connection has left (I23)", () =>
    Effect.gen(function* () {
      const mailbox = yield* full
      mailbox.completions()(Completion.Tick())
      mailbox.left(Command.Detach({ peer: PeerId.make(1), saidGoodbye: false }))
      assert.deepStrictEqual(peersOf(yield* mailbox.takeAll), [1, 2, "Tick", "Detach"])
    }),
  )

  it.effect("has all of its places again when the mesh has failed, and forgets what that one had begun (I24)", () =>
    Effect.gen(function* () {
      const mailbox = yield* full
      const complete = mailbox.completions()
      yield* mailbox.abort
      complete(Completion.Tick())
      assert.isTrue(mailbox.offerNow(commandOf(3)))
      assert.isTrue(mailbox.offerNow(commandOf(4)))
      assert.deepStrictEqual(peersOf(yield* mailbox.takeAll), [3, 4])
    }),
  )
})

describe("who asks a mesh", () => {
  it.effect("is told that it has failed, also while there is no place for the question (I24)", () =>
    Effect.gen(function* () {
      const askers = new Askers()
      const asking = yield* Effect.forkScoped(askers.ask("Report", () => Effect.never))
      yield* settled
      askers.failAll()
      assert.isTrue(Exit.isFailure(yield* Fiber.await(asking)))
    }),
  )

  it.effect("gets the answer to its own question, once", () =>
    Effect.gen(function* () {
      const askers = new Askers()
      const asked = yield* Deferred.make<CorrelationId>()
      const asking = yield* Effect.forkScoped(askers.ask("Report", (replyTo) => Deferred.succeed(asked, replyTo)))
      const replyTo = yield* Deferred.await(asked)
      askers.reply(CorrelationId.make(replyTo + 1), Answer.Report({ answer: "revoked" }))
      askers.reply(replyTo, Answer.Report({ answer: "taken" }))
      askers.reply(replyTo, Answer.Report({ answer: "revoked" }))
      assert.strictEqual((yield* Fiber.join(asking)).answer, "taken")
    }),
  )
})
