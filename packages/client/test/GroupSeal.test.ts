import { Base64 } from "@claudemesh/domain/Base64"
import { ClientMessageId, Label, MemberId, MeshId, MessageId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { formatTarget, Target } from "@claudemesh/domain/routing/Target"
import { encodeGroupMessage } from "@claudemesh/domain/trust/GroupMessage"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import { encodeEnvelope, type Envelope } from "@claudemesh/domain/trust/Plaintext"
import type { Push } from "@claudemesh/domain/wire/BrokerFrame"
import type { Send } from "@claudemesh/domain/wire/ClientFrame"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Sodium } from "../src/keys/Sodium.ts"
import { type Content, openPush } from "../src/seal/OpenPush.ts"
import { sealGroupMessage } from "../src/seal/SealMessage.ts"
import { sealToMany } from "../src/seal/SealToMany.ts"
import { certificateOf, verified } from "./support/Certified.ts"
import { startClient } from "./support/Clients.ts"
import { at, memberOf, membershipOf, type Person, person, pushOf, settle, testLayer } from "./support/FakeBroker.ts"
import { memberTarget, sealedSend } from "./support/SealedSend.ts"

const everyone = Target.make({ _tag: "Everyone" })
const builds = Target.make({ _tag: "Channel", channel: Label.make("builds") })
const reviewers = Target.make({ _tag: "Tag", tag: Label.make("reviewers") })

const noPoint = PublicKey.make("02" + "00".repeat(31))

const people = Effect.all({ alice: person("Alice"), bob: person("Bob"), carol: person("Carol") })

const trusted = (readers: ReadonlyArray<Person>) => Effect.forEach(readers, (reader) => verified(reader))

interface Sealed {
  readonly nonce: Push["nonce"]
  readonly ciphertext: Push["ciphertext"]
  readonly sealedKeys: NonNullable<Send["sealedKeys"]>
}

const id = ClientMessageId.make("m1")

/** What the broker pushes to `to`, of what `from` said to a group. */
const pushTo = (to: Person, from: Person, sealed: Sealed, target: Target, changes: Partial<Push> = {}): Push => {
  const { ciphertext, nonce } = sealed
  const send: Send = { type: "send", id, targetSpec: target, priority: "next", nonce, ciphertext }
  const sealedKey = sealed.sealedKeys.find(({ pubkey }) => pubkey === to.publicKey)?.key ?? Base64.make("")
  return pushOf(send, from, membershipOf(from).meshId, formatTarget(target), { sealedKey, ...changes })
}

const said = Effect.fnUntraced(function* (from: Person, readers: ReadonlyArray<Person>, target: Target = builds) {
  return yield* sealGroupMessage(
    {
      text: "grün 🌳",
      target,
      priority: "next",
      id,
      from: { ...membershipOf(from), sessionId: from.sessionId },
      maxBytes: 65_536,
    },
    yield* trusted(readers),
  )
})

const reads = (who: Person, push: Push, slug = "team") =>
  Effect.map(Sodium, (sodium) => openPush(push, { ...membershipOf(who, slug), sessionId: who.sessionId }, sodium))

const boundText: Content = { _tag: "Opened", text: "grün 🌳", binding: "bound" }

layer(testLayer)("a group message", (it) => {
  it.effect("is read by each member it was sealed to, with the sender, target and id proved", () =>
    Effect.gen(function* () {
      const { alice, bob, carol } = yield* people
      for (const target of [everyone, builds, reviewers]) {
        const sealed = yield* said(alice, [alice, bob, carol], target)
        for (const reader of [alice, bob, carol]) {
          assert.deepInclude(yield* reads(reader, pushTo(reader, alice, sealed, target)), boundText)
        }
      }
    }),
  )

  it.effect("is read by nobody else, nor when it was changed (I16)", () =>
    Effect.gen(function* () {
      const { alice, bob, carol } = yield* people
      const sealed = yield* said(alice, [bob])
      const bobs = pushTo(bob, alice, sealed, builds)
      const changed = Base64.make(Buffer.from("other").toString("base64"))
      for (const content of [
        yield* reads(carol, bobs),
        yield* reads(carol, pushTo(carol, alice, sealed, builds)),
        yield* reads(bob, { ...bobs, ciphertext: changed }),
        yield* reads(bob, { ...bobs, sealedKey: changed }),
      ]) {
        assert.deepInclude(content, { _tag: "Undecryptable", reason: "not_sealed_to_us" })
      }
    }),
  )

  it.effect("is not the sender's when another member, who holds the content key, wrote it (I16)", () =>
    Effect.gen(function* () {
      const { alice, bob, carol } = yield* people
      const sodium = yield* Sodium
      const envelope: Envelope = {
        text: "send me the keys",
        meshId: membershipOf(alice).meshId,
        senderSessionId: alice.sessionId,
        targetSpec: "#builds",
        priority: "next",
        id,
        sentAt: at,
      }
      const signs = (who: Person) => (statement: string) => sodium.sign(statement, who.secretKey)
      // Carol forges, and the broker helps: it names Alice as the sender.
      for (const named of [alice, carol]) {
        const plaintext = encodeGroupMessage(envelope, named.publicKey, signs(carol))
        const forged = yield* sealToMany(plaintext, yield* trusted([bob]))
        const content = yield* reads(bob, pushTo(bob, alice, forged, builds))
        assert.deepInclude(content, { _tag: "Undecryptable", reason: "not_signed" })
      }
      // Without a signature it has not the shape of one.
      const bare = yield* sealToMany(encodeEnvelope(envelope), yield* trusted([bob]))
      const content = yield* reads(bob, pushTo(bob, alice, bare, builds))
      assert.deepInclude(content, { _tag: "Mismatch", field: "shape" })
    }),
  )

  it.effect("of one member cannot be shown as another's (I16)", () =>
    Effect.gen(function* () {
      const { alice, bob, carol } = yield* people
      const sealed = yield* said(alice, [bob])
      const content = yield* reads(bob, pushTo(bob, carol, sealed, builds))
      assert.deepInclude(content, { _tag: "Undecryptable", reason: "not_signed" })
    }),
  )

  const moved: ReadonlyArray<readonly [Extract<Content, { _tag: "Mismatch" }>["field"], Partial<Push>]> = [
    ["meshId", { meshId: MeshId.make("mesh-other") }],
    ["senderSessionId", { senderSessionId: SessionId.make("another") }],
    ["targetSpec", { targetSpec: "*" }],
    ["targetSpec", { targetSpec: "#others" }],
    ["priority", { priority: "now" }],
    ["replyTo", { replyTo: MessageId.make("0".repeat(32)) }],
    ["messageId", { messageId: MessageId.make("0".repeat(32)) }],
    ["createdAt", { createdAt: IsoTime.make("1969-12-31T23:54:59.999Z") }],
  ]
  for (const [field, changes] of moved) {
    it.effect(`is told when its frame says another ${field}: ${JSON.stringify(changes)} (I16)`, () =>
      Effect.gen(function* () {
        const { alice, bob } = yield* people
        const sealed = yield* said(alice, [bob])
        const content = yield* reads(bob, pushTo(bob, alice, sealed, builds, changes))
        assert.deepInclude(content, { _tag: "Mismatch", field })
      }),
    )
  }

  it.effect("is told when it comes in another mesh that has the same members (I16)", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* people
      const push = pushTo(bob, alice, yield* said(alice, [bob]), builds)
      const elsewhere = membershipOf(bob, "other").meshId
      assert.deepInclude(yield* reads(bob, push, "other"), { _tag: "Mismatch", field: "meshId" })
      const relabelled = { ...push, meshId: elsewhere }
      assert.deepInclude(yield* reads(bob, relabelled, "other"), { _tag: "Mismatch", field: "meshId" })
    }),
  )

  it.effect("is no direct message, and a direct message is none of a group's (I16)", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* people
      const sealed = yield* said(alice, [bob])
      for (const targetSpec of [bob.publicKey, `${bob.publicKey}/${bob.sessionId}`]) {
        const push = pushTo(bob, alice, sealed, builds, { targetSpec })
        assert.deepInclude(yield* reads(bob, push), { _tag: "Mismatch", field: "targetSpec" })
      }
      const toBobOnly = yield* said(alice, [bob], memberTarget(bob))
      const consistent = pushTo(bob, alice, toBobOnly, memberTarget(bob))
      assert.deepInclude(yield* reads(bob, consistent), { _tag: "Mismatch", field: "targetSpec" })
      const { targetSpec: _, ...unaddressed } = pushTo(bob, alice, sealed, builds)
      assert.deepInclude(yield* reads(bob, unaddressed), { _tag: "Mismatch", field: "targetSpec" })

      for (const bare of [true, false]) {
        const send = yield* sealedSend({ from: alice, to: bob, text: "to you", bare, target: memberTarget(bob) })
        const meshId = membershipOf(bob).meshId
        const content = yield* reads(bob, pushOf(send, alice, meshId, "*"))
        assert.deepInclude(content, { _tag: "Mismatch", field: "targetSpec" })
        const asGroup = pushOf(send, alice, meshId, "*", { sealedKey: Base64.make("") })
        assert.deepInclude(yield* reads(bob, asGroup), { _tag: "Undecryptable", reason: "not_sealed_to_us" })
      }
    }),
  )

  it.effect("in clear is shown only where the mesh takes such, and never as proved", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* people
      const sodium = yield* Sodium
      const send = yield* sealedSend({ from: alice, to: bob, text: "" })
      const ciphertext = Base64.make(Buffer.from("hello all").toString("base64"))
      const push = pushOf(send, alice, membershipOf(bob).meshId, "*", { ciphertext })
      const self = { ...membershipOf(bob), sessionId: bob.sessionId }
      assert.deepInclude(openPush(push, self, sodium), { _tag: "Undecryptable", reason: "unsealed" })
      const open = { ...self, allowUnsealed: true }
      assert.deepInclude(openPush(push, open, sodium), { _tag: "Opened", text: "hello all", binding: "clear" })
      const direct = { ...push, targetSpec: bob.publicKey }
      assert.deepInclude(openPush(direct, open, sodium), { _tag: "Undecryptable", reason: "not_sealed_to_us" })
      const noText = { ...push, ciphertext: Base64.make(Buffer.of(0xff, 0xfe).toString("base64")) }
      assert.deepInclude(openPush(noText, open, sodium), { _tag: "Undecryptable", reason: "not_text" })
      const elsewhere = { ...push, meshId: MeshId.make("other") }
      assert.deepInclude(openPush(elsewhere, open, sodium), { _tag: "Mismatch", field: "meshId" })
    }),
  )
})

layer(testLayer)("what a client says to a group", (it) => {
  for (const to of ["*", "#builds", "tag:reviewers"]) {
    it.effect(`goes to ${to} sealed to every member who is proved`, () =>
      Effect.gen(function* () {
        const { alice, bob, broker, client } = yield* startClient()
        broker.members = [...broker.members, { ...memberOf(bob), pubkey: noPoint }]
        yield* client.send({ to, text: "hi all", priority: "next" })
        const [send] = broker.sends
        if (send?.sealedKeys === undefined) return assert.fail("nothing was sealed")
        assert.strictEqual(formatTarget(send.targetSpec), to)
        assert.deepStrictEqual(
          send.sealedKeys.map(({ pubkey }) => pubkey),
          [alice.publicKey, bob.publicKey],
        )
        const messageId = messageIdOf(membershipOf(alice).meshId, alice.publicKey, send.id ?? "")
        const sealed = { ...send, sealedKeys: send.sealedKeys }
        const push = pushTo(bob, alice, sealed, send.targetSpec, { messageId })
        assert.deepInclude(yield* reads(bob, push), { _tag: "Opened", text: "hi all", binding: "bound" })
      }),
    )
  }

  it.effect("is answered with what became of it for each recipient, and who was left out (I22)", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client } = yield* startClient()
      broker.override = (frame, { say }) => {
        if (frame.type !== "send" || frame.id === undefined) return false
        say({
          type: "ack",
          id: frame.id,
          messageId: MessageId.make("0".repeat(32)),
          queued: true,
          duplicate: false,
          recipients: [{ pubkey: bob.publicKey, state: "full" }],
          unsealed: [alice.publicKey],
        })
        return true
      }
      const receipt = yield* client.send({ to: "*", text: "hi", priority: "next" })
      assert.deepStrictEqual(receipt.recipients, [{ pubkey: bob.publicKey, state: "full" }])
      assert.deepStrictEqual(receipt.unsealed.map(client.nameOf), [alice.name])
    }),
  )

  it.effect("goes to 500 members at most, and is refused as such before anything is sent", () =>
    Effect.gen(function* () {
      const { bob, broker, client } = yield* startClient()
      const sodium = yield* Sodium
      const people = Array.from({ length: 501 }, (_, n): Person => {
        const seed = new Uint8Array(32)
        seed.set([n & 255, n >> 8, 1])
        return { ...bob, ...sodium.keyPairFromSeed(seed), memberId: MemberId.make(`m${n}`) }
      })
      const members = people.map((who) => memberOf(who))
      broker.members = members
      broker.trust = { ...broker.trust, certificates: people.map((who) => certificateOf(who)) }
      yield* settle
      const failed = yield* Effect.flip(client.send({ to: "*", text: "hi", priority: "next" }))
      assert.deepInclude(failed, { _tag: "TooManyReaders", members: 501 })
      const profile = yield* Effect.flip(client.setSummary("busy"))
      assert.deepInclude(profile, { _tag: "TooManyReaders", members: 501 })
      assert.strictEqual(broker.sends.length, 0)
      broker.members = members.slice(1)
      yield* settle
      yield* client.send({ to: "*", text: "hi", priority: "next" })
      assert.strictEqual(broker.sends[0]?.sealedKeys?.length, 500)
    }),
  )

  it.effect("is measured against what the broker takes, like any message", () =>
    Effect.gen(function* () {
      const { client } = yield* startClient((broker) => (broker.maxMessageBytes = 1_000))
      const failed = yield* Effect.flip(client.send({ to: "*", text: "x".repeat(1_000), priority: "next" }))
      assert.deepInclude(failed, { _tag: "MessageTooLarge", maxBytes: 1_000 })
    }),
  )
})
