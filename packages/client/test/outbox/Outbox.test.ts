import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import { formatTarget } from "@claudemesh/domain/routing/Target"
import type { Send } from "@claudemesh/domain/wire/ClientFrame"
import type { ErrorCode } from "@claudemesh/domain/wire/ErrorCode"
import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { Enqueued } from "../../src/BrokerClient.ts"
import { startClient } from "../support/Clients.ts"
import { settle, testLayer } from "../support/FakeBroker.ts"

const message = (text: string) => ({ to: "Bob", text, priority: "next" as const })

const refusalOf = ({ id }: Send, code: ErrorCode) =>
  ({ type: "error", code, message: "not now", ...(id && { id }), retryable: true }) as const

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
      // The first one alone had left: of one target only one is on the wire.
      assert.strictEqual(first?.length, 1)
      assert.deepStrictEqual(second?.slice(0, 1), first)
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

  for (const code of ["unavailable", "internal", "capacity", "rate_limited", "backlog_full"] as const) {
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
        yield* settle
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

  it.effect("pauses once for many refusals at once, and not for each of them", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.override = (frame) => frame.type === "send"
      const sent: Array<Enqueued> = []
      const groups = Array.from({ length: 50 }, (_, n) => `#c${n}`)
      for (const to of groups) sent.push(yield* client.enqueue({ ...message("to many"), to }))
      yield* settle
      broker.override = () => false
      for (const send of broker.sends) broker.latest.say(refusalOf(send, "rate_limited"))
      yield* TestClock.adjust("1300 millis")
      for (const { ack } of sent) yield* ack
      assert.strictEqual(broker.sends.length, 100)
    }),
  )

  it.effect("holds back what goes to a full inbox, in order, and nothing else", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client } = yield* startClient()
      let full = true
      broker.override = (frame, { say }) => {
        if (!full || frame.type !== "send" || formatTarget(frame.targetSpec) !== bob.publicKey) return false
        say(refusalOf(frame, "backlog_full"))
        return true
      }
      const first = yield* client.enqueue(message("1"))
      yield* settle
      full = false
      const second = yield* client.enqueue(message("2"))
      const other = yield* client.enqueue({ ...message("to myself"), to: alice.publicKey })
      yield* other.ack
      assert.deepStrictEqual(
        broker.sends.map((send) => send.id),
        [first.id, other.id],
      )
      yield* TestClock.adjust("1300 millis")
      yield* Effect.all([first.ack, second.ack])
      assert.deepStrictEqual(
        broker.sends.map((send) => send.id),
        [first.id, other.id, first.id, second.id],
      )
    }),
  )

  for (const [code, tries, seconds] of [
    ["backlog_full", 4, 10],
    ["internal", 8, 120],
    ["rate_limited", 8, 120],
  ] as const) {
    it.effect(`tells the sender after ${tries} refusals with ${code}, and lets go what waited behind`, () =>
      Effect.gen(function* () {
        const { broker, client } = yield* startClient()
        let refused: string | undefined
        broker.override = (frame, { say }) => {
          if (frame.type !== "send") return false
          refused ??= frame.id
          if (frame.id !== refused) return false
          say(refusalOf(frame, code))
          return true
        }
        const first = yield* client.enqueue(message("never"))
        yield* settle
        const second = yield* client.enqueue(message("behind"))
        const told = yield* Effect.forkChild(Effect.flip(first.ack))
        for (let passed = 0; passed < seconds; passed++) yield* Effect.andThen(TestClock.adjust("1 second"), settle)
        assert.deepInclude(yield* Fiber.join(told), { _tag: "SendRefused", code })
        yield* second.ack
        assert.strictEqual(broker.sends.filter((send) => send.id === first.id).length, tries)
        assert.strictEqual(yield* client.outboxSize, 0)
      }),
    )
  }

  it.effect("outlasts an outage of the broker's database, however long", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      let down = true
      broker.override = (frame, { say }) => {
        if (!down || frame.type !== "send") return false
        say(refusalOf(frame, "unavailable"))
        return true
      }
      const { ack } = yield* client.enqueue(message("later"))
      yield* TestClock.adjust("1 hour")
      assert.isAbove(broker.sends.length, 50)
      down = false
      yield* TestClock.adjust("1 minute")
      yield* ack
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
