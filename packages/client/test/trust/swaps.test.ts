/** One test for one attack: the broker shows members and their sessions under keys and names that are not theirs. */
import { DisplayName, SessionId } from "@claudemesh/domain/Ids"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { sealProfile } from "../../src/seal/SealProfile.ts"
import { certificateOf, trustOf, verified } from "../support/Certified.ts"
import { startClient } from "../support/Clients.ts"
import { memberOf, membershipOf, peerOf, pushOf, settle, testLayer } from "../support/FakeBroker.ts"
import { memberTarget, sealedSend, sessionTarget } from "../support/SealedSend.ts"

import { carol, hello, lists, mallory, sealsNothingTo } from "../support/Malice.ts"

layer(testLayer)("a broker that swaps", (it) => {
  it.effect(
    "the key under a member id that is known is told, with both keys, and nothing is sealed to the new one",
    () =>
      Effect.gen(function* () {
        const { alice, bob, broker, client } = yield* startClient()
        const swapped = { ...(yield* mallory), memberId: bob.memberId, name: bob.name }
        broker.members = [memberOf(alice), memberOf(swapped)]
        // Even with a certificate of an invite that somebody let it have.
        for (const certificates of [[], [certificateOf(swapped)]]) {
          broker.trust = { ...broker.trust, certificates }
          const refused = yield* sealsNothingTo(broker, client, swapped)
          assert.deepInclude(refused, { _tag: "UntrustedTarget", standing: "KeyChanged" })
          assert.include(refused.message, bob.publicKey.slice(0, 8))
          assert.include(refused.message, swapped.publicKey.slice(0, 8))
          broker.latest.close(1001)
          yield* TestClock.adjust("5 seconds")
        }
        assert.deepInclude(yield* client.standingOf(swapped.publicKey), {
          _tag: "KeyChanged",
          pinned: bob.publicKey,
          shown: swapped.publicKey,
        })
      }),
  )

  it.effect("a member's name changes nothing: names are those of certificates", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client } = yield* startClient()
      const [asBob, asAlice] = [
        { ...memberOf(alice), displayName: bob.name },
        { ...memberOf(bob), displayName: alice.name },
      ]
      broker.members = [asBob, asAlice]
      yield* client.send({ ...hello, to: "Bob" })
      assert.deepStrictEqual(broker.sends[0]?.targetSpec, memberTarget(bob))
      assert.deepStrictEqual(
        (yield* client.roster).map(({ displayName }) => displayName),
        [alice.name, bob.name],
      )
      const push = pushOf(
        yield* sealedSend({ from: bob, to: alice, text: "hi" }),
        bob,
        membershipOf(alice).meshId,
        alice.publicKey,
      )
      broker.latest.say({ ...push, senderName: alice.name })
      yield* settle
      const { messages } = yield* client.take()
      assert.deepStrictEqual(messages[0]?.sender.name, bob.name)
    }),
  )

  it.effect("a certificate of a known key for another one changes neither the name nor what may be sent bare", () =>
    Effect.gen(function* () {
      const { bob, broker, client } = yield* startClient()
      const second = certificateOf(bob, { displayName: DisplayName.make("Alice"), allowV1: true })
      broker.trust = { ...broker.trust, certificates: [second] }
      broker.latest.close(1001)
      yield* TestClock.adjust("2 seconds")
      yield* client.roster
      assert.strictEqual(client.nameOf(bob.publicKey), bob.name)
      broker.peers = [peerOf(bob, { protocol: 1 })]
      yield* client.send({ ...hello, to: "Bob" })
      assert.isAbove(Buffer.from(broker.sends[0]?.ciphertext ?? "", "base64").length, 16 + hello.text.length)
    }),
  )

  it.effect("what a session is called finds nobody: a session has the name that its member signed", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client } = yield* startClient()
      broker.peers = [peerOf(alice), peerOf(bob, { displayName: DisplayName.make("Build bot") })]
      const refused = yield* Effect.flip(client.send({ ...hello, to: "Build bot" }))
      assert.strictEqual(refused._tag, "UnknownTarget")
      const signed = yield* sealProfile(
        { summary: "", name: DisplayName.make("Build bot") },
        { ...membershipOf(bob), sessionId: bob.sessionId },
        [yield* verified(alice)],
      )
      const sealedKey = signed.sealedKeys[0]?.key ?? assert.fail("nothing was sealed")
      const profile = { nonce: signed.nonce, ciphertext: signed.ciphertext, sealedKey }
      broker.peers = [peerOf(bob, { profile })]
      yield* client.send({ ...hello, to: "Build bot" })
      assert.deepStrictEqual(broker.sends[0]?.targetSpec, sessionTarget(bob))
      assert.strictEqual((yield* client.peers)[0]?.profile?.name, "Build bot")

      // The same profile under another session, or another member, is nobody's.
      for (const peer of [peerOf(bob, { sessionId: SessionId.make("other"), profile }), peerOf(alice, { profile })]) {
        broker.peers = [peer]
        assert.isUndefined((yield* client.peers)[0]?.profile)
        assert.strictEqual((yield* Effect.flip(client.send({ ...hello, to: "Build bot" })))._tag, "UnknownTarget")
      }
    }),
  )

  it.effect("a member that is not listed does not give its name to another member's session that has taken it", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client } = yield* startClient()
      const third = yield* carol
      lists(broker, third, trustOf([third]))
      yield* client.roster
      const signed = yield* sealProfile(
        { summary: "", name: third.name },
        { ...membershipOf(bob), sessionId: bob.sessionId },
        [yield* verified(alice)],
      )
      const sealedKey = signed.sealedKeys[0]?.key ?? assert.fail("nothing was sealed")
      broker.members = [memberOf(alice), memberOf(bob)]
      broker.peers = [peerOf(bob, { profile: { nonce: signed.nonce, ciphertext: signed.ciphertext, sealedKey } })]
      yield* client.send({ ...hello, to: third.name })
      assert.deepStrictEqual(broker.sends[0]?.targetSpec, memberTarget(third))
    }),
  )
})
