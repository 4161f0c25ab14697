import { MeshId, MessageId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { formatTarget } from "@claudemesh/domain/routing/Target"
import { encodeEnvelope } from "@claudemesh/domain/trust/Plaintext"
import type { Peer, Push } from "@claudemesh/domain/wire/BrokerFrame"
import { Base64, Nonce } from "@claudemesh/domain/Base64"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Option, Result } from "effect"
import { TestClock } from "effect/testing"
import sodium from "libsodium-wrappers"
import { Sodium } from "../src/keys/Sodium.ts"
import { type Content, openPush } from "../src/seal/OpenPush.ts"
import { recipientSpeaksV1 } from "../src/seal/SealMessage.ts"
import { openProfile, sealProfile } from "../src/seal/SealProfile.ts"
import { certificateOf, trustOf, verified } from "./support/Certified.ts"
import { startClient } from "./support/Clients.ts"
import { memberOf, membershipOf, peerOf, person, pushOf, settle, testLayer } from "./support/FakeBroker.ts"
import { memberTarget, sealedSend, sessionTarget } from "./support/SealedSend.ts"
import { plainKey } from "./support/Plain.ts"

const noPoint = PublicKey.make("02" + "00".repeat(31))

const people = Effect.all({ alice: person("Alice"), bob: person("Bob") })

layer(testLayer)("sealing", (it) => {
  it.effect("gives the recipient the text, bound to where it was sent", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* people
      const self = { ...membershipOf(alice), sessionId: alice.sessionId }
      for (const target of [memberTarget(alice), sessionTarget(alice)]) {
        const send = yield* sealedSend({ from: bob, to: alice, text: "häuser 🏠", target })
        const push = pushOf(send, bob, self.meshId, formatTarget(target))
        assert.deepInclude(openPush(push, self, yield* Sodium), { _tag: "Opened", text: "häuser 🏠", binding: "bound" })
      }
    }),
  )

  it.effect("makes for a v1 recipient what libsodium opens to the bare text", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* people
      const send = yield* sealedSend({ from: bob, to: alice, text: "hello", bare: true })
      const bytes = sodium.crypto_box_open_easy(
        Buffer.from(send.ciphertext, "base64"),
        Buffer.from(send.nonce, "base64"),
        sodium.crypto_sign_ed25519_pk_to_curve25519(Buffer.from(bob.publicKey, "hex")),
        sodium.crypto_sign_ed25519_sk_to_curve25519(Buffer.from(plainKey(alice.secretKey), "hex")),
      )
      assert.strictEqual(Buffer.from(bytes).toString(), "hello")
      const self = { ...membershipOf(alice), sessionId: alice.sessionId }
      const push = pushOf(send, bob, self.meshId, alice.publicKey)
      assert.deepInclude(openPush(push, self, yield* Sodium), { _tag: "Opened", text: "hello", binding: "bare" })
    }),
  )

  const moved: ReadonlyArray<readonly [Extract<Content, { _tag: "Mismatch" }>["field"], Partial<Push>]> = [
    ["meshId", { meshId: MeshId.make("mesh-other") }],
    ["senderSessionId", { senderSessionId: SessionId.make("another") }],
    ["targetSpec", { targetSpec: "*" }],
    ["messageId", { messageId: MessageId.make("0".repeat(32)) }],
    ["createdAt", { createdAt: IsoTime.make("1969-12-31T23:54:59.999Z") }],
  ]
  for (const [field, changes] of moved) {
    it.effect(`tells a message whose frame says another ${field} than its seal (I16)`, () =>
      Effect.gen(function* () {
        const { alice, bob } = yield* people
        const self = { ...membershipOf(alice), sessionId: alice.sessionId }
        const send = yield* sealedSend({ from: bob, to: alice, text: "hello" })
        const push = pushOf(send, bob, self.meshId, alice.publicKey, changes)
        assert.deepInclude(openPush(push, self, yield* Sodium), { _tag: "Mismatch", field })
      }),
    )
  }

  it.effect("tells a message that was sealed for another session or mesh of ours (I16)", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* people
      const self = { ...membershipOf(alice), sessionId: SessionId.make("second") }
      const send = yield* sealedSend({ from: bob, to: alice, text: "hello", target: sessionTarget(alice) })
      const push = pushOf(send, bob, self.meshId, formatTarget(sessionTarget(alice)))
      const library = yield* Sodium
      assert.deepInclude(openPush(push, self, library), { _tag: "Mismatch", field: "targetSpec" })
      const elsewhere = { ...membershipOf(alice, "other"), sessionId: alice.sessionId }
      assert.deepInclude(openPush(push, elsewhere, library), { _tag: "Mismatch", field: "meshId" })
    }),
  )

  it.effect("tells an envelope that has not the shape of one (I16)", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* people
      const self = { ...membershipOf(alice), sessionId: alice.sessionId }
      const header = encodeEnvelope({
        text: "",
        meshId: self.meshId,
        senderSessionId: bob.sessionId,
        targetSpec: "",
        priority: "next",
        id: (yield* sealedSend({ from: bob, to: alice, text: "" })).id,
        sentAt: self.joinedAt,
      }).split("\n")[0]
      const send = yield* sealedSend({ from: bob, to: alice, text: `${header}\n{}`, bare: true })
      const push = pushOf(send, bob, self.meshId, alice.publicKey)
      assert.deepInclude(openPush(push, self, yield* Sodium), { _tag: "Mismatch", field: "shape" })
    }),
  )

  it.effect("says why a message cannot be opened, and never throws (I16)", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* people
      const library = yield* Sodium
      const self = { ...membershipOf(alice), sessionId: alice.sessionId }
      const good = pushOf(yield* sealedSend({ from: bob, to: alice, text: "hello" }), bob, self.meshId, alice.publicKey)
      const nonce = Nonce.make(Buffer.alloc(24).toString("base64"))
      const notText = sodium.crypto_box_easy(
        Uint8Array.of(0xff, 0xfe),
        Buffer.alloc(24),
        sodium.crypto_sign_ed25519_pk_to_curve25519(Buffer.from(alice.publicKey, "hex")),
        sodium.crypto_sign_ed25519_sk_to_curve25519(Buffer.from(plainKey(bob.secretKey), "hex")),
      )
      const cases: ReadonlyArray<readonly [Extract<Content, { _tag: "Undecryptable" }>["reason"], Partial<Push>]> = [
        ["not_sealed_to_us", { nonce }],
        ["not_sealed_to_us", { senderPubkey: alice.publicKey }],
        ["not_sealed_to_us", { ciphertext: Base64.make("") }],
        ["not_sealed_to_us", { ciphertext: Base64.make(Buffer.from("plain text for everyone").toString("base64")) }],
        ["bad_key", { senderPubkey: noPoint }],
        ["not_text", { nonce, ciphertext: Base64.make(Buffer.from(notText).toString("base64")) }],
        ["unsealed", { targetSpec: "*", ciphertext: Base64.make(Buffer.from("in clear").toString("base64")) }],
      ]
      for (const [reason, changes] of cases) {
        assert.deepInclude(openPush({ ...good, ...changes }, self, library), { _tag: "Undecryptable", reason })
      }
    }),
  )

  it.effect("refuses a key that is no valid point when it is learned", () =>
    Effect.gen(function* () {
      const trusted = (yield* Sodium).trust(noPoint)
      if (Result.isSuccess(trusted)) return assert.fail("the key was trusted")
      assert.deepInclude(trusted.failure, { _tag: "UnusableKey", key: noPoint })
    }),
  )

  it.effect("is bare when a session of protocol 1 may get it, and only then", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* people
      const mayV1 = yield* verified(bob, { allowV1: true })
      const speaksV1 = (target: Parameters<typeof recipientSpeaksV1>[0], peers: ReadonlyArray<Peer>, last?: 1 | 2) =>
        recipientSpeaksV1(target, mayV1, { members: [memberOf(alice), memberOf(bob, last)], peers })
      const v1 = peerOf(bob, { protocol: 1 })
      const v2 = peerOf(bob, { sessionId: SessionId.make("other") })
      assert.isTrue(speaksV1(sessionTarget(bob), [v1, v2]))
      assert.isFalse(speaksV1(sessionTarget(bob), [peerOf(bob), v1].slice(0, 1)))
      assert.isFalse(speaksV1(sessionTarget(bob), [v2], 1))
      assert.isTrue(speaksV1(memberTarget(bob), [v2, v1]))
      assert.isFalse(speaksV1(memberTarget(bob), [v2], 1))
      assert.isTrue(speaksV1(memberTarget(bob), [], 1))
      assert.isFalse(speaksV1(memberTarget(bob), [], 2))
      assert.isFalse(speaksV1(memberTarget(bob), []))
      assert.isFalse(speaksV1(memberTarget(bob), [peerOf(alice, { protocol: 1 })]))
      const v2Only = yield* verified(bob)
      assert.isFalse(recipientSpeaksV1(memberTarget(bob), v2Only, { members: [memberOf(bob, 1)], peers: [v1] }))
    }),
  )
})

layer(testLayer)("what a client sends", (it) => {
  it.effect("is for a v1 recipient the bare text", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient((broker) => {
        broker.trust = { ...broker.trust, certificates: [] }
      })
      broker.latest.close(1001)
      broker.trust = { ...broker.trust, certificates: [certificateOf(bob, { allowV1: true })] }
      yield* TestClock.adjust("2 seconds")
      broker.peers = [peerOf(bob, { protocol: 1 })]
      yield* client.send({ to: "bob", text: "hello", priority: "now" })
      const [send] = broker.sends
      if (send === undefined) return assert.fail("nothing was sent")
      const push = pushOf(send, alice, membership.meshId, bob.publicKey)
      const opened = openPush(push, { ...membershipOf(bob), sessionId: bob.sessionId }, yield* Sodium)
      assert.deepInclude(opened, { _tag: "Opened", text: "hello", binding: "bare" })
    }),
  )

  it.effect("is refused at once when it is larger than the broker takes", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient((broker) => (broker.maxMessageBytes = 1_000))
      const message = { to: "Bob", priority: "now" as const }
      const failed = yield* Effect.flip(client.send({ ...message, text: "ü".repeat(500) }))
      assert.deepInclude(failed, { _tag: "MessageTooLarge", maxBytes: 1_000 })
      assert.strictEqual(broker.sends.length, 0)
      yield* client.send({ ...message, text: "ü".repeat(300) })
    }),
  )

  it.effect("goes to no member whose key is unusable, and no profile is sealed to it", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client } = yield* startClient()
      const carol = { ...(yield* person("Carol")), publicKey: noPoint }
      broker.members = [memberOf(alice), memberOf(bob), memberOf(carol)]
      broker.trust = trustOf([alice, bob, carol])
      const failed = yield* Effect.flip(client.send({ to: "Carol", text: "hello", priority: "now" }))
      assert.deepInclude(failed, { _tag: "UntrustedTarget", key: noPoint, standing: "Uncertified" })
      assert.include(failed.message, "no valid key")
      yield* client.setSummary("busy")
      assert.deepStrictEqual(
        broker
          .sent("set_profile")
          .at(-1)
          ?.sealedKeys.map(({ pubkey }) => pubkey),
        [alice.publicKey, bob.publicKey],
      )
    }),
  )

  it.effect("is addressed by the last known roster while there is no connection", () =>
    Effect.gen(function* () {
      const { bob, broker, client } = yield* startClient()
      broker.latest.close(1001)
      yield* settle
      const { ack } = yield* client.enqueue({ to: "Bob", text: "later", priority: "next" })
      yield* TestClock.adjust("2 seconds")
      yield* ack
      assert.deepInclude(broker.sends[0]?.targetSpec, { _tag: "Member", key: bob.publicKey })
    }),
  )

  it.effect("needs somebody who is known: to a name that was never heard of nothing is sealed", () =>
    Effect.gen(function* () {
      const { client } = yield* startClient((broker) => (broker.mode = "down"))
      const sending = yield* Effect.forkChild(Effect.flip(client.enqueue({ to: "Bob", text: "hi", priority: "now" })))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Fiber.join(sending))._tag, "NotConnected")
    }),
  )
})

layer(testLayer)("a profile", (it) => {
  const sealed = Effect.fnUntraced(function* (summary: string) {
    const { alice, bob } = yield* people
    const self = { ...membershipOf(alice), sessionId: alice.sessionId }
    const frame = yield* sealProfile({ summary }, self, [yield* verified(bob)])
    const sealedKey = frame.sealedKeys[0]?.key ?? Base64.make("")
    const peer = peerOf(alice, { profile: { nonce: frame.nonce, ciphertext: frame.ciphertext, sealedKey } })
    return { alice, bob, peer, library: yield* Sodium }
  })

  it.effect("is read by a member it was sealed to", () =>
    Effect.gen(function* () {
      const { bob, library, peer } = yield* sealed("reviewing")
      const profile = Option.getOrThrow(openProfile(peer, membershipOf(bob), library))
      assert.strictEqual(profile.summary, "reviewing")
    }),
  )

  it.effect("is nobody's else: not another session's, member's or mesh's", () =>
    Effect.gen(function* () {
      const { alice, bob, library, peer } = yield* sealed("reviewing")
      const reader = membershipOf(bob)
      const opened = [
        openProfile({ ...peer, sessionId: SessionId.make("other") }, reader, library),
        openProfile({ ...peer, pubkey: bob.publicKey }, reader, library),
        openProfile(peer, { ...reader, meshId: MeshId.make("other") }, library),
        openProfile(peer, membershipOf(alice), library),
      ]
      assert.deepStrictEqual(opened.map(Option.isNone), [true, true, true, true])
    }),
  )

  it.effect("is refused when it is longer than a broker takes", () =>
    Effect.gen(function* () {
      const failed = yield* Effect.flip(sealed("x".repeat(7_000)))
      assert.strictEqual(failed._tag, "SummaryTooLong")
    }),
  )

  it.effect("has its content key sealed as libsodium's sealed boxes are", () =>
    Effect.gen(function* () {
      const { bob } = yield* people
      const { sealAnonymously, openAnonymous, trust } = yield* Sodium
      const to = yield* Effect.fromResult(trust(bob.publicKey))
      const secret = new Uint8Array(32).fill(7)
      const box = sealAnonymously(secret, new Uint8Array(32).fill(9), to)
      assert.deepStrictEqual(Option.getOrThrow(openAnonymous(box, bob)).join(), secret.join())
      const theirs = Base64.make(Buffer.from(sodium.crypto_box_seal(secret, to.x25519)).toString("base64"))
      assert.isTrue(Option.isSome(openAnonymous(theirs, bob)))
      assert.strictEqual(box.length, theirs.length)
    }),
  )
})
