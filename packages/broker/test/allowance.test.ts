/** What one member may ask of a mesh in all its sessions together, and that the others notice nothing when it asks more. */
import { Base64 } from "@claudemesh/domain/Base64"
import { Label, MessageId, RequestId } from "@claudemesh/domain/Ids"
import { assert, describe, it } from "@effect/vitest"
import type { MeshRequest } from "../src/state/MeshCommand.ts"
import { TokenBucket } from "../src/TokenBucket.ts"
import { alice, bob, carol, MeshStory, type Peer, rulesWith, storeFailure } from "./support/MeshStory.ts"

const sealedTo = (...members: ReadonlyArray<typeof alice>) =>
  members.map(({ publicKey }) => ({ pubkey: publicKey, key: Base64.make("AAAA") }))

const answers = (peer: Peer) =>
  peer.frames.flatMap((frame) =>
    frame.type === "error" ? [frame.code] : frame.type === "hello_ack" ? [] : [frame.type],
  )

describe("a token bucket", () => {
  it("may be charged more than it has, and gives nothing before that is paid off", () => {
    const bucket = new TokenBucket(1, 2, 0)
    assert.isTrue(bucket.take(0))
    bucket.charge(4)
    assert.deepStrictEqual(
      [0, 3_000, 3_999, 4_000].map((millis) => bucket.take(millis)),
      [false, false, false, true],
    )
  })
})

describe("a message to a group", () => {
  const withSessions = (limits: Parameters<typeof rulesWith>[0]) => {
    const story = new MeshStory(rulesWith(limits))
    const sender = story.attach(alice)
    for (const session of ["s1", "s2", "s3"]) story.attach(bob, { session })
    const toAll = (id: string) => {
      story.send(sender, "*", { id, sealedKeys: sealedTo(alice, bob, carol) })
      story.settle()
      return answers(sender).at(-1)
    }
    const toOne = (from: Peer, id: string) => {
      story.send(from, carol.publicKey, { id })
      story.settle()
      return answers(from).at(-1)
    }
    return { story, sender, toAll, toOne }
  }

  it("counts as many sends as it has recipients (I23)", () => {
    const { sender, story, toAll, toOne } = withSessions({ sendsPerSecond: 1, sendsBurst: 5 })
    assert.deepStrictEqual([toAll("m1"), toOne(sender, "m2"), toAll("m3")], ["ack", "ack", "rate_limited"])
    // Others have their own.
    assert.strictEqual(toOne(story.attach(bob, { session: "s4" }), "m4"), "ack")
    story.pass(1_000)
    assert.deepStrictEqual([toOne(sender, "m5"), toOne(sender, "m6")], ["ack", "rate_limited"])
  })

  it("may have more recipients than a burst, and the next waits for as long as they take (I23)", () => {
    const { sender, story, toAll, toOne } = withSessions({ sendsPerSecond: 1, sendsBurst: 1 })
    // Three sessions, and the member that is away.
    assert.strictEqual(toAll("m1"), "ack")
    story.pass(3_000)
    assert.strictEqual(toOne(sender, "m2"), "rate_limited")
    story.pass(1_000)
    assert.strictEqual(toOne(sender, "m2"), "ack")
  })

  it("that nobody gets counts as one", () => {
    const { sender, story, toOne } = withSessions({ sendsPerSecond: 1, sendsBurst: 2 })
    story.send(sender, "tag:nobody", { id: "m1", sealedKeys: [] })
    assert.deepStrictEqual([toOne(sender, "m2"), toOne(sender, "m3")], ["ack", "rate_limited"])
  })
})

describe("what a member sends and is not stored yet", () => {
  it("is bounded in characters, of sealed keys too, over all its sessions; stored or not, its room is free again (I13, I23)", () => {
    const story = new MeshStory(rulesWith({ sendCharactersUnderWayMax: 20 }))
    const [one, two, other] = [story.attach(alice), story.attach(alice, { session: "s2" }), story.attach(carol)]
    story.attach(bob)
    const ciphertext = "A".repeat(12)
    // 12, and 4 for each of the two keys that it is sealed to.
    story.send(one, "*", { id: "m1", ciphertext, sealedKeys: sealedTo(bob, carol) })
    story.send(two, bob.publicKey, { id: "m2", ciphertext })
    story.send(other, bob.publicKey, { id: "m3", ciphertext })
    assert.deepStrictEqual([answers(one), answers(two), answers(other)], [[], ["rate_limited"], []])
    assert.strictEqual(two.settled, 1)
    story.commitOne()
    story.send(two, bob.publicKey, { id: "m2", ciphertext })
    story.commitOne()
    story.commitOne(storeFailure("unavailable"))
    assert.deepStrictEqual(answers(two), ["rate_limited", "unavailable"])
    for (let n = 0; n < 4; n++) {
      story.send(one, bob.publicKey, { id: `n${n}`, ciphertext: "A".repeat(20) })
      story.commitOne()
    }
    assert.deepStrictEqual(answers(one), ["ack", "ack", "ack", "ack", "ack"])
  })

  it("may be one message of any size", () => {
    const story = new MeshStory(rulesWith({ sendCharactersUnderWayMax: 4 }))
    const sender = story.attach(alice)
    story.send(sender, bob.publicKey, { id: "m1", ciphertext: "A".repeat(400) })
    story.settle()
    assert.deepStrictEqual(answers(sender), ["ack"])
  })
})

const id = RequestId.make("q")
const messageId = MessageId.make("0".repeat(32))
/** Each way to ask the store, or for a long answer. */
const asks: ReadonlyArray<MeshRequest & { readonly id: RequestId }> = [
  { type: "message_status", messageId, id },
  { type: "pull", id },
  { type: "lease", messageIds: [messageId], id },
  { type: "get_trust", keys: [], after: 0, id },
  { type: "list_peers", id },
  { type: "list_members", id },
  { type: "list_channels", id },
]

describe("what a member asks", () => {
  for (const ask of asks) {
    it(`by ${ask.type} has one rate for all its sessions; above it nothing is read, and later it may ask again (I23)`, () => {
      const story = new MeshStory(rulesWith({ asksPerSecond: 1, asksBurst: 2 }))
      const [one, two, other] = [story.attach(alice), story.attach(alice, { session: "s2" }), story.attach(bob)]
      for (const peer of [one, two]) story.request(peer, ask)
      story.settle()
      const before = two.settled
      story.request(two, ask)
      assert.deepInclude(two.last, { type: "error", code: "rate_limited", id, retryable: true })
      assert.deepStrictEqual([story.reads.length, story.counts.length, story.writes.length], [0, 0, 0])
      // A lease takes a place among what is under way, and gives it back.
      assert.strictEqual(two.settled - before, ask.type === "lease" ? 1 : 0)
      story.request(other, ask)
      story.settle()
      assert.notStrictEqual(answers(other).at(-1), "rate_limited")
      story.pass(1_000)
      story.request(two, ask)
      story.settle()
      assert.notStrictEqual(answers(two).at(-1), "rate_limited")
    })
  }

  it("costs more where the answer is long: a list by its entries, a status by its recipients, a lease by its messages (I23)", () => {
    const long: ReadonlyArray<readonly [string, (story: MeshStory, peer: Peer, sent: MessageId) => MeshRequest]> = [
      ["list_members", () => ({ type: "list_members", id })],
      ["list_peers", () => ({ type: "list_peers", id })],
      ["list_channels", () => ({ type: "list_channels", id })],
      ["message_status", (_story, _peer, sent) => ({ type: "message_status", messageId: sent, id })],
      ["lease", () => ({ type: "lease", messageIds: ["1", "2"].map((digit) => MessageId.make(digit.repeat(32))), id })],
    ]
    for (const [name, make] of long) {
      const story = new MeshStory(rulesWith({ asksPerSecond: 1, asksBurst: 2, entriesPerAsk: 1, leasesPerAsk: 1 }))
      const sender = story.attach(alice)
      for (const member of [bob, carol]) story.join(story.attach(member), `of-${member.displayName}`)
      const sent = story.send(sender, "*", { id: "m1", sealedKeys: sealedTo(bob, carol) })
      story.settle()
      story.request(sender, make(story, sender, sent))
      story.settle()
      assert.notStrictEqual(answers(sender).at(-1), "rate_limited", name)
      story.request(sender, { type: "pull", id })
      assert.strictEqual(answers(sender).at(-1), "rate_limited", name)
    }
  })
})

describe("the channels that a member joins and leaves", () => {
  const change = (peer: Peer, story: MeshStory, type: "join_channel" | "leave_channel", name: string) => {
    story.request(peer, { type, channel: Label.make(name), id })
  }

  it("have one rate for all its sessions; above it nothing is written (I23)", () => {
    const story = new MeshStory(rulesWith({ channelChangesPerSecond: 1, channelChangesBurst: 2 }))
    const [one, two, other] = [story.attach(alice), story.attach(alice, { session: "s2" }), story.attach(bob)]
    change(one, story, "join_channel", "a")
    change(two, story, "leave_channel", "b")
    story.settle()
    for (const [type, peer] of [
      ["join_channel", one],
      ["leave_channel", two],
    ] as const) {
      change(peer, story, type, "c")
      assert.deepInclude(peer.last, { type: "error", code: "rate_limited", id })
    }
    assert.strictEqual(story.writes.length, 0)
    change(other, story, "join_channel", "a")
    story.pass(1_000)
    change(one, story, "join_channel", "c")
    story.settle()
    assert.deepStrictEqual([answers(one).at(-1), answers(other).at(-1)], ["ok", "ok"])
  })

  it("pile up no further than a bound while nothing can be written, however long that lasts (I13, I23)", () => {
    const story = new MeshStory(rulesWith({ channelChangesUnderWayMax: 2 }))
    const [one, two] = [story.attach(alice), story.attach(alice, { session: "s2" })]
    const joined = [one, two, one, two, one].map((peer, index) => {
      story.pass(60_000)
      change(peer, story, index % 2 === 0 ? "join_channel" : "leave_channel", `c${index}`)
      return peer.last?.type === "error" ? peer.last.code : "kept"
    })
    assert.deepStrictEqual(joined, ["kept", "kept", "unavailable", "unavailable", "unavailable"])
    assert.strictEqual(story.writes.length, 2)
    // What was refused has not taken effect; what is written, or refused by the store, makes room.
    assert.deepStrictEqual([...(story.state.members.get(alice.publicKey)?.subscriptions ?? [])], [Label.make("c0")])
    story.commitOne()
    story.commitOne(storeFailure("rejected"))
    change(one, story, "join_channel", "d")
    change(two, story, "join_channel", "d")
    assert.strictEqual(story.writes.length, 2)
  })
})
