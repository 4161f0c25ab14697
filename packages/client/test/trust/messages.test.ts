/** One test for one attack: the broker changes what carries a message, or what it says of its sender. */
import { MeshId, SessionId } from "@claudemesh/domain/Ids"
import { formatTarget } from "@claudemesh/domain/routing/Target"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import type { Certificate } from "@claudemesh/domain/trust/Certificate"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { certified, withRevocation } from "../support/Certified.ts"
import { startClient } from "../support/Clients.ts"
import { peerOf, person, pushOf, settle, testLayer } from "../support/FakeBroker.ts"
import { memberTarget, sealedSend, sessionTarget } from "../support/SealedSend.ts"

import { hello, mallory } from "../support/Malice.ts"

layer(testLayer)("a message that the broker", (it) => {
  const received = Effect.fnUntraced(function* (
    changes: Partial<Parameters<typeof pushOf>[4]>,
    message: { readonly bare?: boolean; readonly to?: "session" } = {},
    own: Partial<Certificate> = {},
  ) {
    const alice = yield* person("Alice")
    const started = yield* startClient(() => {}, { membership: certified(alice, "team", own) })
    const { bob, broker, client, membership } = started
    const target = message.to === "session" ? sessionTarget(alice) : memberTarget(alice)
    const send = yield* sealedSend({ from: bob, to: alice, text: "hi", target, bare: message.bare ?? false })
    broker.latest.say({ ...pushOf(send, bob, membership.meshId, formatTarget(target)), ...changes })
    yield* settle
    const take = (yield* client.take()).messages
    return { ...started, content: take[0]?.content, message: take[0] }
  })

  it.effect("leaves as it was is shown, under the name of its sender's certificate", () =>
    Effect.gen(function* () {
      const { bob, message } = yield* received({})
      assert.deepInclude(message?.content, { _tag: "Opened", text: "hi", binding: "bound" })
      assert.strictEqual(message?.sender.name, bob.name)
      assert.strictEqual(message?.sender.standing._tag, "Certified")
    }),
  )

  it.effect("replays under another id is not shown", () =>
    Effect.gen(function* () {
      const bob = yield* person("Bob")
      const messageId = messageIdOf(MeshId.make("mesh-team"), bob.publicKey, "m2")
      assert.deepInclude((yield* received({ messageId })).content, { _tag: "Mismatch", field: "messageId" })
    }),
  )

  it.effect("moves to another target is not shown", () =>
    Effect.gen(function* () {
      assert.deepInclude((yield* received({ targetSpec: "*" })).content, { _tag: "Mismatch", field: "targetSpec" })
    }),
  )

  it.effect("moves to another session is not shown, nor under another session of its sender", () =>
    Effect.gen(function* () {
      const alice = yield* person("Alice")
      const other = { targetSpec: `${alice.publicKey}/other` }
      assert.deepInclude((yield* received(other, { to: "session" })).content, { field: "targetSpec" })
      const from = { senderSessionId: SessionId.make("other") }
      assert.deepInclude((yield* received(from)).content, { _tag: "Mismatch", field: "senderSessionId" })
    }),
  )

  it.effect("moves to another mesh is not shown", () =>
    Effect.gen(function* () {
      const meshId = MeshId.make("mesh-other")
      assert.deepInclude((yield* received({ meshId })).content, { _tag: "Mismatch", field: "meshId" })
    }),
  )

  it.effect("kept and delivers again after 31 days is not shown, also to who has forgotten it", () =>
    Effect.gen(function* () {
      const send = yield* sealedSend({ from: yield* person("Bob"), to: yield* person("Alice"), text: "hi" })
      for (const [days, tag] of [
        ["30 days", "Opened"],
        ["25 hours", "Mismatch"],
      ] as const) {
        yield* TestClock.adjust(days)
        const { alice, bob, broker, client, membership } = yield* startClient()
        broker.latest.say(pushOf(send, bob, membership.meshId, alice.publicKey))
        yield* settle
        const lease = yield* client.take()
        assert.strictEqual(lease.messages[0]?.content._tag, tag)
      }
    }),
  )

  it.effect("delivers as bare text is not shown, where neither we nor its sender use clients of v1", () =>
    Effect.gen(function* () {
      const { content } = yield* received({}, { bare: true })
      assert.deepStrictEqual(content?._tag === "Mismatch" && content.field, "downgraded")
      // To a member with clients of v1 a sender seals bare text, and any session of ours may be given it.
      const toV1 = yield* received({}, { bare: true }, { allowV1: true })
      assert.deepInclude(toV1.content, { _tag: "Opened", binding: "bare" })
    }),
  )

  it.effect("brings from somebody who is no member has no name, and says so", () =>
    Effect.gen(function* () {
      const { alice, broker, client, membership } = yield* startClient()
      const stranger = yield* mallory
      const send = yield* sealedSend({ from: stranger, to: alice, text: "trust me" })
      broker.latest.say(pushOf(send, stranger, membership.meshId, alice.publicKey, { senderName: alice.name }))
      yield* settle
      const [message] = (yield* client.take()).messages
      assert.deepInclude(message?.sender, { name: undefined })
      assert.deepInclude(message?.sender.standing, { _tag: "Uncertified", doubt: "no_certificate" })
    }),
  )

  it.effect("was given before its sender was revoked still comes, under the sender's name, as a revoked one's", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      broker.trust = { ...broker.trust, revocations: withRevocation([], bob.publicKey) }
      broker.latest.say({ type: "trust_changed", version: 1 })
      broker.latest.say(
        pushOf(yield* sealedSend({ from: bob, to: alice, text: "bye" }), bob, membership.meshId, alice.publicKey),
      )
      yield* settle
      const [message] = (yield* client.take()).messages
      assert.deepInclude(message?.content, { _tag: "Opened", text: "bye" })
      assert.strictEqual(message?.sender.name, bob.name)
      assert.strictEqual(message?.sender.standing._tag, "Revoked")
    }),
  )

  it.effect("sends for a v1 client that the recipient is said to have is sealed with its bindings all the same", () =>
    Effect.gen(function* () {
      const { bob, broker, client } = yield* startClient()
      broker.members = broker.members.map((member) => ({ ...member, protocol: 1 }))
      broker.peers = [peerOf(bob, { protocol: 1 })]
      yield* client.send({ ...hello, to: "Bob" })
      assert.isAbove(Buffer.from(broker.sends[0]?.ciphertext ?? "", "base64").length, 16 + hello.text.length)
    }),
  )

  it.effect("holds up by not answering for its sender's proof is shown as nobody's, and reading goes on", () =>
    Effect.gen(function* () {
      const { alice, broker, client, membership } = yield* startClient((broker) => {
        broker.override = (frame) => frame.type === "get_trust"
      })
      const bob = yield* person("Bob")
      broker.latest.say(
        pushOf(yield* sealedSend({ from: bob, to: alice, text: "hi" }), bob, membership.meshId, alice.publicKey),
      )
      yield* client.ping
      const taken = yield* Effect.forkChild(client.take())
      yield* TestClock.adjust("2 seconds")
      const [message] = (yield* Fiber.join(taken)).messages
      assert.deepInclude(message?.sender.standing, { _tag: "Uncertified", doubt: "not_asked" })
    }),
  )
})
