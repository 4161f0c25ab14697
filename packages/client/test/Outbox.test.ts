import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { startClient } from "./support/Clients.ts"
import { settle, testLayer } from "./support/FakeBroker.ts"

const message = (text: string) => ({ to: "Bob", text, priority: "next" as const })

layer(testLayer)("the outbox", (it) => {
  it.effect("answers a send with what became of it, under the id that follows from the sender's", () =>
    Effect.gen(function* () {
      const { alice, broker, client, membership } = yield* startClient()
      const receipt = yield* client.send(message("hello"))
      assert.strictEqual(receipt.messageId, messageIdOf(membership.meshId, alice.publicKey, receipt.id))
      assert.strictEqual(yield* client.outboxSize, 0)
      assert.strictEqual(broker.sends[0]?.id, receipt.id)
    }),
  )

  it.effect("keeps unanswered messages across reconnects and sends them again, in order, with the same ids (I7)", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.override = (frame) => frame.type === "send"
      const before = [yield* client.enqueue(message("1")), yield* client.enqueue(message("2"))]
      yield* settle
      broker.latest.close(1001)
      yield* settle
      const away = yield* client.enqueue(message("3"))
      broker.override = () => false
      yield* TestClock.adjust("2 seconds")
      yield* settle
      const [first, second] = broker.connections.map(({ sent }) => sent.filter(({ type }) => type === "send"))
      assert.deepStrictEqual(second?.slice(0, 2), first)
      assert.deepStrictEqual(
        second?.map((frame) => ("id" in frame ? frame.id : undefined)),
        [...before, away].map(({ id }) => id),
      )
      for (const { ack } of [...before, away]) yield* ack
      assert.strictEqual(yield* client.outboxSize, 0)
    }),
  )

  it.effect("sends nothing before the hello is acked", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.latest.close(1001)
      yield* settle
      yield* client.enqueue(message("1"))
      broker.override = (frame) => frame.type === "hello"
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(
        broker.latest.sent.map(({ type }) => type),
        ["hello"],
      )
    }),
  )

  it.effect("takes 100 messages and fails the next one at once (I23)", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.latest.close(1001)
      yield* settle
      for (let n = 0; n < 100; n++) yield* client.enqueue(message(String(n)))
      const failed = yield* Effect.flip(client.enqueue(message("100")))
      assert.strictEqual(failed._tag, "OutboxFull")
    }),
  )

  it.effect("keeps a message whose sender gave up waiting", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.override = (frame) => frame.type === "send"
      const { ack } = yield* client.enqueue(message("late"))
      const waiting = yield* Effect.forkChild(Effect.timeoutOption(ack, "15 seconds"))
      yield* settle
      yield* TestClock.adjust("15 seconds")
      yield* Fiber.join(waiting)
      assert.strictEqual(yield* client.outboxSize, 1)
    }),
  )

  for (const code of ["unavailable", "internal", "capacity"] as const) {
    it.effect(`tries again with the same id, after a pause, what was refused with ${code}`, () =>
      Effect.gen(function* () {
        const { broker, client } = yield* startClient()
        let refusals = 0
        broker.override = (frame, { say }) => {
          if (frame.type !== "send" || frame.id === undefined || refusals === 2) return false
          refusals += 1
          say({ type: "error", code, message: "not now", id: frame.id, retryable: true })
          return true
        }
        const { ack, id } = yield* client.enqueue(message("once"))
        yield* TestClock.adjust("700 millis")
        assert.strictEqual(broker.sends.length, 1)
        yield* TestClock.adjust("600 millis")
        assert.strictEqual(broker.sends.length, 2)
        yield* TestClock.adjust("3 seconds")
        yield* ack
        assert.deepStrictEqual(
          broker.sends.map((send) => send.id),
          [id, id, id],
        )
      }),
    )
  }

  it.effect("holds back what follows a refusal that may pass, so that the order stays", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      let refused = false
      broker.override = (frame, { say }) => {
        if (frame.type !== "send" || frame.id === undefined || refused) return false
        refused = true
        say({ type: "error", code: "unavailable", message: "not now", id: frame.id, retryable: true })
        return true
      }
      const first = yield* client.enqueue(message("1"))
      yield* settle
      const second = yield* client.enqueue(message("2"))
      yield* settle
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(
        broker.sends.map((send) => send.id),
        [first.id, first.id, second.id],
      )
    }),
  )

  it.effect("gives the refusal of a message to its sender, and forgets the message", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.override = (frame, { say }) => {
        if (frame.type !== "send" || frame.id === undefined) return false
        say({ type: "error", code: "unknown_target", message: "no such session", id: frame.id, retryable: false })
        return true
      }
      const failed = yield* Effect.flip(client.send(message("1")))
      assert.deepInclude(failed, { _tag: "SendRefused", code: "unknown_target" })
      assert.strictEqual(yield* client.outboxSize, 0)
    }),
  )

  it.effect("fails what waits when the client stops", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.override = (frame) => frame.type === "send"
      const { ack } = yield* client.enqueue(message("1"))
      broker.latest.close(4002)
      const exit = yield* Effect.exit(ack)
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(yield* client.outboxSize, 0)
    }),
  )
})
