import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import { ClientMessageId, MessageId } from "@claudemesh/domain/Ids"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { startClient } from "./support/Clients.ts"
import { at, pushOf, settle, testLayer } from "./support/FakeBroker.ts"
import { sealedSend } from "./support/SealedSend.ts"

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
      yield* lease.consumed
      assert.deepStrictEqual(
        broker.sent("client_ack").map(({ messageIds }) => messageIds),
        [[messageIdOf(membership.meshId, bob.publicKey, send.id ?? "")]],
      )
    }),
  )

  it.effect("acks again, on the new connection, what was handed over while there was none (I7)", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const send = yield* sealedSend({ from: bob, to: alice, text: "hello" })
      const push = pushOf(send, bob, membership.meshId, alice.publicKey)
      broker.latest.say(push)
      yield* client.inbox.awaitAvailable
      const lease = yield* client.inbox.take()
      broker.latest.close(1001)
      yield* settle
      yield* lease.consumed
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

  it.effect("forgets with its connection what another session may now be given, and keeps what is its own (I8)", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const send = yield* sealedSend({ from: bob, to: alice, text: "to any of your sessions" })
      broker.latest.say(pushOf(send, bob, membership.meshId, alice.publicKey))
      yield* client.inbox.awaitAvailable
      broker.latest.close(1001)
      yield* settle
      assert.deepStrictEqual(client.inbox.waiting, [])
    }),
  )

  it.effect("forgets with its connection what a group sent, and shows it once if it comes again (I8)", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const push = pushOf(yield* sealedSend({ from: bob, to: alice, text: "" }), bob, membership.meshId, "#builds")
      broker.latest.say(push)
      yield* client.inbox.awaitAvailable
      broker.latest.close(1001)
      yield* settle
      assert.deepStrictEqual(client.inbox.waiting, [])
      yield* TestClock.adjust("2 seconds")
      for (const redelivered of [true, true]) broker.latest.say({ ...push, redelivered })
      yield* settle
      assert.strictEqual(client.inbox.waiting.length, 1)
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

  it.effect("has what a pull brought when the pull returns", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const send = yield* sealedSend({ from: bob, to: alice, text: "low" })
      broker.override = (frame, { say }) => {
        if (frame.type !== "pull") return false
        say(pushOf(send, bob, membership.meshId, alice.publicKey, { priority: "low" }))
        say({ type: "ok", id: frame.id, remaining: 7 })
        return true
      }
      assert.strictEqual(yield* client.pull(1), 7)
      assert.strictEqual(client.inbox.waiting.length, 1)
    }),
  )

  it.effect("acks in frames of at most 500 ids, and drops what the broker pushes over its window (I23)", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const send = yield* sealedSend({ from: bob, to: alice, text: "many" })
      for (let n = 0; n < 501; n++) {
        const messageId = MessageId.make(n.toString(16).padStart(32, "0"))
        broker.latest.say(pushOf(send, bob, membership.meshId, alice.publicKey, { messageId }))
      }
      yield* client.ping
      assert.deepStrictEqual([client.inbox.waiting.length, client.inbox.dropped], [500, 1])
      yield* (yield* client.inbox.take()).consumed
      assert.deepStrictEqual(
        broker.sent("client_ack").map(({ messageIds }) => messageIds.length),
        [500],
      )
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
