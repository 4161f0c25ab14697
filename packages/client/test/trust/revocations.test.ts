/** One test for one attack: the broker hides a revocation, or shows another; what was revoked stays so. */
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { door, keysOf, owner, withRevocation } from "../support/Certified.ts"
import { startClient } from "../support/Clients.ts"
import { type Person, pushOf, settle, testLayer } from "../support/FakeBroker.ts"
import { sealedSend } from "../support/SealedSend.ts"

import { type Known, KnownMembers, nothingKnown } from "../../src/trust/KnownMembers.ts"
import { carol, hello, mallory } from "../support/Malice.ts"

layer(testLayer)("a revocation", (it) => {
  it.effect("is in force at once, and for good, though the broker goes on listing the member", () =>
    Effect.gen(function* () {
      const { bob, broker, client } = yield* startClient()
      yield* client.send({ ...hello, to: "Bob" })
      broker.trust = { ...broker.trust, revocations: withRevocation([], bob.publicKey) }
      broker.latest.say({ type: "trust_changed", version: 1 })
      yield* settle
      // Without another look at the broker's list.
      assert.deepInclude(yield* client.standingOf(bob.publicKey), { _tag: "Revoked", by: owner.publicKey })
      const refused = yield* Effect.flip(client.send({ ...hello, to: "Bob" }))
      assert.deepInclude(refused, { _tag: "UntrustedTarget", standing: "Revoked" })
      const sent = broker.sends.length
      yield* client.send({ ...hello, to: "*" })
      assert.isFalse(broker.sends[sent]?.sealedKeys?.some(({ pubkey }) => pubkey === bob.publicKey))
      assert.deepStrictEqual(yield* client.alarms, [])
    }),
  )

  it.effect("that is announced and cannot be looked at yet holds back what would be sealed by the old list", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.override = (frame) => frame.type === "get_trust"
      broker.latest.say({ type: "trust_changed", version: 1 })
      yield* settle
      broker.mode = "down"
      broker.latest.close(1001)
      yield* settle
      const sending = yield* Effect.forkChild(Effect.flip(client.enqueue({ ...hello, to: "Bob" })))
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual((yield* Fiber.join(sending))._tag, "NotConnected")
      assert.strictEqual(broker.sends.length, 0)
    }),
  )

  it.effect("that the broker hides again is told, and stays in force", () =>
    Effect.gen(function* () {
      const revocations = withRevocation([], (yield* carol).publicKey)
      const { broker, client } = yield* startClient((broker) => (broker.trust = { ...broker.trust, revocations }))
      yield* client.roster
      broker.trust = { ...broker.trust, revocations: [] }
      yield* client.roster
      yield* client.roster
      assert.deepStrictEqual(yield* client.alarms, ["the broker shows 0 revocations, and 1 are known: it hides some"])
      assert.strictEqual((yield* client.standingOf((yield* carol).publicKey))._tag, "Revoked")
    }),
  )

  it.effect("that another list has in its place is told, and ours stays in force", () =>
    Effect.gen(function* () {
      const { bob, broker, client } = yield* startClient()
      const third = yield* carol
      broker.trust = { ...broker.trust, revocations: withRevocation([], bob.publicKey) }
      yield* client.roster
      const fork = withRevocation([], third.publicKey)
      for (const revocations of [withRevocation(fork, keysOf("x").publicKey), fork]) {
        broker.trust = { ...broker.trust, revocations }
        broker.latest.close(1001)
        yield* TestClock.adjust("5 seconds")
        yield* client.roster
        assert.strictEqual((yield* client.standingOf(bob.publicKey))._tag, "Revoked")
      }
      assert.include((yield* client.alarms)[0], "another list of revocations than ours: revocation 1 is another one")
    }),
  )

  it.effect("by somebody who may not revoke is told, and comes to nothing", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client } = yield* startClient()
      broker.trust = { ...broker.trust, revocations: withRevocation([], alice.publicKey, {}, bob) }
      broker.latest.say({ type: "trust_changed", version: 1 })
      yield* settle
      yield* client.send({ ...hello, to: "Alice" })
      assert.include((yield* client.alarms)[0], "not_entitled")
    }),
  )

  it.effect("that the broker hides from us alone is told by the next message of a member who knows it", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const says = Effect.fnUntraced(function* (from: Person, revocations: number) {
        const send = yield* sealedSend({ from, to: alice, text: "hi", revocations })
        broker.latest.say(pushOf(send, from, membership.meshId, alice.publicKey))
        yield* settle
      })
      yield* says(bob, 0)
      assert.deepStrictEqual(yield* client.alarms, [])
      // Nobody's word counts but a member's.
      yield* says(yield* mallory, 7)
      assert.deepStrictEqual(yield* client.alarms, [])
      yield* says({ ...bob, sessionId: bob.sessionId }, 1)
      const [told, ...more] = yield* client.alarms
      assert.include(told, "Bob")
      assert.include(told, "knows of 1 revocations, and the broker shows 0")
      assert.deepStrictEqual(more, [])
    }),
  )

  it.effect("that a member tells of before the broker did is only asked for, where the broker shows it", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      const third = yield* carol
      broker.trust = { ...broker.trust, revocations: withRevocation([], third.publicKey) }
      const send = yield* sealedSend({ from: bob, to: alice, text: "hi", revocations: 1 })
      broker.latest.say(pushOf(send, bob, membership.meshId, alice.publicKey))
      yield* settle
      assert.deepStrictEqual(yield* client.alarms, [])
      assert.strictEqual((yield* client.standingOf(third.publicKey))._tag, "Revoked")
    }),
  )

  it.effect("of ours is the next of the list, keeps who came by the subject, and is remembered", () =>
    Effect.gen(function* () {
      const { alice, bob, client } = yield* startClient()
      const unsigned = yield* client.revocationOf(door.publicKey, 0)
      assert.deepInclude(unsigned, { version: 1, at: isoFromMillis(0), subject: door.publicKey })
      assert.sameMembers([...unsigned.kept], [alice.publicKey, bob.publicKey])
      const [revocation] = withRevocation([], door.publicKey, { kept: unsigned.kept.slice(0, 1) })
      if (revocation === undefined) return assert.fail("no revocation")
      yield* client.remember(revocation)
      yield* client.remember(revocation)
      const standings = [yield* client.standingOf(alice.publicKey), yield* client.standingOf(bob.publicKey)]
      assert.sameMembers(
        standings.map(({ _tag }) => _tag),
        ["Certified", "Revoked"],
      )
      const [other] = withRevocation([], bob.publicKey)
      if (other === undefined) return assert.fail("no revocation")
      assert.strictEqual((yield* Effect.flip(client.remember(other)))._tag, "RevocationRefused")
    }),
  )

  it.effect("of ours that the broker told us of first is on disk before the command that made it ends", () =>
    Effect.gen(function* () {
      const written: Array<Known> = []
      let slow = true
      const memory = Layer.succeed(
        KnownMembers,
        KnownMembers.of({
          read: () => Effect.succeed(nothingKnown),
          names: () => Effect.succeed(new Map()),
          rename: () => Effect.void,
          add: (_, more) =>
            Effect.suspend(() => {
              if (more.revocations.length === 0) return Effect.void
              if (!slow) return Effect.sync(() => void written.push(more))
              slow = false
              return Effect.never
            }),
        }),
      )
      const { bob, broker, client } = yield* startClient(undefined, {}, memory)
      const [revocation] = withRevocation([], bob.publicKey)
      if (revocation === undefined) return assert.fail("no revocation")
      broker.trust = { ...broker.trust, revocations: [revocation] }
      broker.latest.say({ type: "trust_changed", version: 1 })
      yield* settle
      assert.deepStrictEqual([slow, written], [false, []])
      yield* client.remember(revocation)
      assert.deepStrictEqual(
        written.map(({ revocations }) => revocations),
        [[revocation]],
      )
    }),
  )
})
