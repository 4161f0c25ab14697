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
const full = Effect.sync(() => {
  const mailbox = new Mailbox(2)
  assert.isTrue(mailbox.offerNow(commandOf(1)))
  assert.isTrue(mailbox.offerNow(commandOf(2)))
  return mailbox
})

/** An actor that lives, until it is interrupted. */
const takeEach = (mailbox: Mailbox, take: (input: Command | Completion) => void) =>
  Effect.forkScoped(mailbox.takeEach(take), { startImmediately: true })

describe("a mailbox without a place", () => {
  it.effect("takes who waits in the order in which they came, once there are places again (I23)", () =>
    Effect.gen(function* () {
      const mailbox = yield* full
      assert.isFalse(mailbox.offerNow(commandOf(9)))
      const waiting = yield* Effect.forEach([3, 4, 5], (peer) => Effect.forkScoped(mailbox.offer(commandOf(peer))))
      yield* settled
      assert.isTrue(waiting.every((fiber) => fiber.pollUnsafe() === undefined))
      const taken: Array<Command | Completion> = []
      yield* takeEach(mailbox, (input) => taken.push(input))
      assert.deepStrictEqual(peersOf(taken), [1, 2, 3, 4, 5])
      yield* settled
      assert.isTrue(waiting.every((fiber) => fiber.pollUnsafe() !== undefined))
    }),
  )

  it.effect("keeps no place for who waits no longer", () =>
    Effect.gen(function* () {
      const mailbox = yield* full
      yield* Fiber.interrupt(yield* Effect.forkScoped(mailbox.offer(commandOf(3)), { startImmediately: true }))
      const taken: Array<Command | Completion> = []
      yield* Fiber.interrupt(yield* takeEach(mailbox, (input) => taken.push(input)))
      assert.isTrue(mailbox.offerNow(commandOf(4)))
      assert.isTrue(mailbox.offerNow(commandOf(5)))
      assert.isFalse(mailbox.offerNow(commandOf(6)))
      assert.deepStrictEqual(peersOf(taken), [1, 2])
    }),
  )

  it.effect("takes what the actor itself has begun, and that a connection has left (I23)", () =>
    Effect.gen(function* () {
      const mailbox = yield* full
      mailbox.completions()(Completion.Tick())
      mailbox.left(Command.Detach({ peer: PeerId.make(1), saidGoodbye: false }))
      const taken: Array<Command | Completion> = []
      yield* takeEach(mailbox, (input) => taken.push(input))
      assert.deepStrictEqual(peersOf(taken), [1, 2, "Tick", "Detach"])
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
      const taken: Array<Command | Completion> = []
      yield* takeEach(mailbox, (input) => taken.push(input))
      assert.deepStrictEqual(peersOf(taken), [3, 4])
    }),
  )
})

describe("an actor that lives", () => {
  it.effect("looks at each input where it comes in, and at what comes in meanwhile behind it", () =>
    Effect.gen(function* () {
      const mailbox = new Mailbox(2)
      const seen: Array<string> = []
      yield* takeEach(mailbox, (input) => {
        seen.push(`begins ${input._tag}`)
        if (input._tag === "Request") mailbox.completions()(Completion.Tick())
        seen.push(`ends ${input._tag}`)
      })
      for (const peer of [1, 2, 3]) assert.isTrue(mailbox.offerNow(commandOf(peer)), "each gives its place back")
      assert.deepStrictEqual(seen.slice(0, 4), ["begins Request", "ends Request", "begins Tick", "ends Tick"])
      assert.strictEqual(seen.length, 12)
    }),
  )

  it.effect("that fails takes nothing more, and whoever brought what it failed over is not told (I24)", () =>
    Effect.gen(function* () {
      const mailbox = new Mailbox(2)
      const seen: Array<string> = []
      const actor = yield* takeEach(mailbox, (input) => {
        seen.push(input._tag)
        throw new Error("a defect")
      })
      assert.isTrue(mailbox.offerNow(commandOf(1)))
      assert.isTrue(mailbox.offerNow(commandOf(2)))
      assert.isTrue(Exit.isFailure(yield* Fiber.await(actor)))
      assert.deepStrictEqual([seen, mailbox.size], [["Request"], 1])
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
