import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import { ClientMessageId, MessageId, SessionId } from "@claudemesh/domain/Ids"
import { formatTarget } from "@claudemesh/domain/routing/Target"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { startClient } from "../support/Clients.ts"
import { at, pushOf, settle, testLayer } from "../support/FakeBroker.ts"
import { memberTarget, sealedSend, sessionTarget } from "../support/SealedSend.ts"

layer(testLayer)("the inbox of a client", (it) => {
  it.effect("holds a pushed message, opened, until the agent has it, and acks it then (I8)", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const send = yield* sealedSend({ from: bob, to: alice, text: "hello" })
      broker.latest.say(pushOf(send, bob, membership.meshId, alice.publicKey))
      yield* client.inbox.awaitAvailable
      const lease = yield* client.take()
      assert.deepInclude(lease.messages[0], { slug: membership.slug, senderKey: bob.publicKey })
      assert.deepInclude(lease.messages[0]?.sender, { name: bob.name })
      assert.deepInclude(lease.messages[0]?.content, { _tag: "Opened", text: "hello", binding: "bound" })
      assert.deepStrictEqual(broker.sent("client_ack"), [])
      yield* lease.commit
      assert.deepStrictEqual(
        broker.sent("client_ack").map(({ messageIds }) => messageIds),
        [[messageIdOf(membership.meshId, bob.publicKey, send.id ?? "")]],
      )
    }),
  )

  it.effect("shows nothing that the broker does not lease to it, and says so before it is handed over (I8)", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const push = pushOf(
        yield* sealedSend({ from: bob, to: alice, text: "hello" }),
        bob,
        membership.meshId,
        alice.publicKey,
      )
      broker.latest.say(push)
      yield* client.inbox.awaitAvailable
      broker.override = (frame, { say }) => {
        if (frame.type !== "lease") return false
        say({ type: "leased", id: frame.id, messageIds: [] })
        return true
      }
      assert.deepStrictEqual((yield* client.take()).messages, [])
      assert.deepStrictEqual(
        broker.sent("lease").map(({ messageIds }) => messageIds),
        [[push.messageId]],
      )
      assert.deepStrictEqual(client.inbox.waiting, [])
    }),
  )

  it.effect("takes nothing from a broker that does not answer in 2 s, and gives back what it may have leased", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const send = yield* sealedSend({ from: bob, to: alice, text: "hello" })
      broker.latest.say(pushOf(send, bob, membership.meshId, alice.publicKey))
      yield* client.inbox.awaitAvailable
      broker.override = (frame) => frame.type === "lease"
      const taking = yield* Effect.forkChild(client.take())
      yield* settle
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual((yield* Fiber.join(taking)).messages, [])
      assert.strictEqual(client.inbox.waiting.length, 1)
      assert.strictEqual(broker.sent("release").length, 1)
    }),
  )

  it.effect("acks again, on the new connection, what was shown while there was none (I7)", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const send = yield* sealedSend({ from: bob, to: alice, text: "hello" })
      const push = pushOf(send, bob, membership.meshId, alice.publicKey)
      broker.latest.say(push)
      yield* client.inbox.awaitAvailable
      const lease = yield* client.take()
      broker.latest.close(1001)
      yield* settle
      yield* lease.commit
      assert.deepStrictEqual(broker.sent("client_ack"), [])
      yield* TestClock.adjust("2 seconds")
      broker.latest.say({ ...push, redelivered: true })
      yield* settle
      assert.deepStrictEqual(
        broker.sent("client_ack").map(({ messageIds }) => messageIds),
        [[push.messageId]],
      )
      assert.deepStrictEqual(client.inbox.waiting, [])
    }),
  )

  it.effect("forgets with its connection all that is not leased, also what is addressed to its very session (I8)", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const [toMember, toSession] = [memberTarget(alice), sessionTarget(alice)].map((target, index) =>
        Effect.map(sealedSend({ from: bob, to: alice, text: "hello", target, id: `m${index}` }), (send) =>
          pushOf(send, bob, membership.meshId, formatTarget(target)),
        ),
      )
      for (const push of [toMember, toSession]) if (push !== undefined) broker.latest.say(yield* push)
      yield* settle
      assert.deepInclude(yield* client.waits, { here: 2, atBroker: 0 })
      broker.latest.close(1001)
      yield* settle
      assert.deepStrictEqual(client.inbox.waiting, [])
      assert.deepInclude(yield* client.waits, { here: 0, atBroker: 2 })
    }),
  )

  it.effect("keeps what does not open, as data and never as text (I16)", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const send = yield* sealedSend({ from: bob, to: bob, text: "not for Alice" })
      broker.latest.say(pushOf(send, bob, membership.meshId, alice.publicKey))
      yield* client.inbox.awaitAvailable
      assert.deepInclude(client.inbox.waiting[0]?.content, { _tag: "Undecryptable", reason: "not_sealed_to_us" })
      assert.deepInclude(client.inbox.waiting[0], { senderKey: bob.publicKey, createdAt: at })
    }),
  )

  it.effect("has what a pull brought when the pull returns, and counts what waits elsewhere", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const send = yield* sealedSend({ from: bob, to: alice, text: "low" })
      const elsewhere = [{ sessionId: SessionId.make("laptop"), messages: 2 }]
      broker.override = (frame, { say }) => {
        if (frame.type !== "pull") return false
        say(pushOf(send, bob, membership.meshId, alice.publicKey, { priority: "low" }))
        say({ type: "ok", id: frame.id, remaining: 7, elsewhere })
        return true
      }
      assert.deepStrictEqual(yield* client.pull(1), { remaining: 7, elsewhere })
      assert.deepStrictEqual(yield* client.waits, { here: 1, urgent: 0, atBroker: 7, elsewhere, forClock: 0 })
    }),
  )

  it.effect("does not count a message twice that was counted at the broker and is pushed later", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const send = yield* sealedSend({ from: bob, to: alice, text: "urgent" })
      broker.override = (frame, { say }) => {
        if (frame.type === "pull") say({ type: "ok", id: frame.id, remaining: 2 })
        return frame.type === "pull"
      }
      yield* client.pull()
      const push = pushOf(send, bob, membership.meshId, alice.publicKey, { priority: "now", createdAt: broker.time })
      broker.latest.say(push)
      yield* settle
      assert.deepInclude(yield* client.waits, { here: 1, urgent: 1, atBroker: 1 })
      yield* TestClock.adjust("1 minute")
      const later = MessageId.make("f".repeat(32))
      broker.latest.say({ ...push, messageId: later, createdAt: broker.time })
      yield* settle
      assert.deepInclude(yield* client.waits, { here: 2, urgent: 2, atBroker: 1 })
    }),
  )

  it.effect("pulls one after the other: the broker takes one at a time", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      let open = 0
      broker.override = (frame, { say }) => {
        if (frame.type !== "pull") return false
        open += 1
        const { id } = frame
        Effect.runFork(
          Effect.andThen(
            Effect.yieldNow,
            Effect.sync(() => {
              say({ type: "ok", id, remaining: open })
              open -= 1
            }),
          ),
        )
        return true
      }
      const pulled = yield* Effect.all([client.pull(), client.pull(), client.pull()], { concurrency: "unbounded" })
      assert.deepStrictEqual(
        pulled.map(({ remaining }) => remaining),
        [1, 1, 1],
      )
    }),
  )

  it.effect("drops what another session of the member has asked for", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const send = yield* sealedSend({ from: bob, to: alice, text: "hello" })
      const push = pushOf(send, bob, membership.meshId, alice.publicKey)
      broker.latest.say(push)
      broker.latest.say({ type: "recalled", messageIds: [push.messageId] })
      yield* client.ping
      assert.deepStrictEqual(client.inbox.waiting, [])
    }),
  )

  it.effect("acks in frames of at most 500 ids (I23)", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const send = yield* sealedSend({ from: bob, to: alice, text: "many" })
      for (let n = 0; n < 500; n++) {
        const messageId = MessageId.make(n.toString(16).padStart(32, "0"))
        broker.latest.say(pushOf(send, bob, membership.meshId, alice.publicKey, { messageId }))
      }
      yield* client.ping
      yield* (yield* client.take()).commit
      assert.deepStrictEqual(
        broker.sent("client_ack").map(({ messageIds }) => messageIds.length),
        [500],
      )
    }),
  )

  it.effect(
    "gives up a connection that pushes more than its window, and is pushed the rest on the next one (I23)",
    () =>
      Effect.gen(function* () {
        const { alice, bob, broker, client, membership } = yield* startClient(() => {}, { maxInFlight: 2 })
        const send = yield* sealedSend({ from: bob, to: alice, text: "many" })
        for (let n = 0; n < 3; n++) {
          const messageId = MessageId.make(n.toString(16).padStart(32, "0"))
          broker.latest.say(pushOf(send, bob, membership.meshId, alice.publicKey, { messageId }))
        }
        yield* settle
        assert.deepInclude(yield* client.state, { _tag: "Waiting" })
        assert.isTrue(broker.latest.closed)
        yield* TestClock.adjust("2 seconds")
        yield* client.awaitConnected("1 second")
      }),
  )

  it.effect("is told the id of the message that is answered", () =>
    Effect.gen(function* () {
      const { broker, client, bob, membership } = yield* startClient()
      const replyTo = messageIdOf(membership.meshId, bob.publicKey, ClientMessageId.make("m1"))
      yield* client.send({ to: "Bob", text: "yes", priority: "now", replyTo })
      assert.strictEqual(broker.sends[0]?.replyTo, replyTo)
    }),
  )
})
