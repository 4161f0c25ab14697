/** Messages to a channel, a tag and everyone: who gets one, who does not, and what becomes of it when a session ends. */
import { Base64 } from "@claudemesh/domain/Base64"
import { Label, RequestId } from "@claudemesh/domain/Ids"
import { assert, describe, it } from "@effect/vitest"
import type { MemberRecord } from "../src/store/MessageStore.ts"
import {
  alice,
  bob,
  carol,
  MeshStory,
  type Peer,
  rulesWith,
  type SendChoices,
  storeFailure,
} from "./support/MeshStory.ts"

const keyOf = (who: MemberRecord): Base64 => Base64.make(Buffer.from(`key of ${who.memberId}`).toString("base64"))
const sealedTo = (...members: ReadonlyArray<MemberRecord>) =>
  members.map((who) => ({ pubkey: who.publicKey, key: keyOf(who) }))

const label = (text: string) => Label.make(text)
const requestId = (text: string) => RequestId.make(text)

const toAll: SendChoices = { id: "m1", sealedKeys: sealedTo(alice, bob, carol) }
const sessionLeaseMillis = rulesWith().limits.sessionLeaseMillis

const sealedKeysPushed = (peer: Peer) => peer.of("push").map(({ sealedKey }) => sealedKey)
/** Of the last list of peers. */
const attachedByKey = (peer: Peer) =>
  peer
    .of("peers")
    .at(-1)
    ?.peers.map(({ attached, pubkey }) => [pubkey, attached])
const ackOf = (peer: Peer) => peer.of("ack").at(-1)

describe("a message to everyone", () => {
  it("is one message, pushed once to each live session but the sender's, each with its own key (I6)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const others = [story.attach(alice, { session: "s2" }), story.attach(bob), story.attach(carol)]
    const id = story.send(sender, "*", toAll)
    story.settle()
    assert.strictEqual(story.store.messages.size, 1)
    assert.deepStrictEqual(
      others.map((peer) => peer.pushed),
      [[id], [id], [id]],
    )
    assert.deepStrictEqual(others.map(sealedKeysPushed), [[keyOf(alice)], [keyOf(bob)], [keyOf(carol)]])
    assert.deepStrictEqual(sender.pushed, [])
    assert.deepStrictEqual(
      ackOf(sender)?.recipients?.map(({ state }) => state),
      ["delivered", "delivered", "delivered"],
    )
  })

  it("waits in the inbox of a member without a live session, for the first that comes (I14)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const id = story.send(sender, "*", toAll)
    story.settle()
    assert.deepStrictEqual(ackOf(sender)?.recipients, [
      { pubkey: bob.publicKey, state: "queued" },
      { pubkey: carol.publicKey, state: "queued" },
    ])
    const late = story.attach(bob, { session: "new" })
    assert.deepStrictEqual(late.pushed, [id])
    assert.deepStrictEqual(sealedKeysPushed(late), [keyOf(bob)])
    assert.deepStrictEqual(story.attach(bob, { session: "newer" }).pushed, [])
  })

  it("obeys gates, windows and pulls like any other (I9, I14)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const busy = story.attach(bob)
    story.status(busy, "dnd")
    const held = story.send(sender, "*", { ...toAll, id: "m1" })
    const urgent = story.send(sender, "*", { ...toAll, id: "m2", priority: "now" })
    const low = story.send(sender, "*", { ...toAll, id: "m3", priority: "low" })
    story.settle()
    assert.deepStrictEqual(sender.of("ack")[0]?.recipients?.[0], { pubkey: bob.publicKey, state: "held" })
    assert.deepStrictEqual(busy.pushed, [urgent])
    story.status(busy, "idle")
    story.settle()
    story.pull(busy, "p")
    story.settle()
    assert.deepStrictEqual(busy.pushed, [urgent, held, low])
  })

  it("passes by who has no key or speaks v1, and the ack names them (I22)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const v1 = story.attach(bob, { protocol: 1 })
    const v2 = story.attach(carol)
    story.send(sender, "*", { id: "m1", sealedKeys: sealedTo(alice, bob) })
    story.settle()
    assert.deepStrictEqual(ackOf(sender)?.unsealed, [bob.publicKey, carol.publicKey])
    assert.deepStrictEqual(ackOf(sender)?.recipients, [])
    assert.deepStrictEqual([v1.pushed, v2.pushed], [[], []])
    // Away, it is known by what it spoke last.
    story.detach(v1)
    story.send(sender, "*", { ...toAll, id: "m2" })
    story.settle()
    assert.deepStrictEqual(ackOf(sender)?.unsealed, [bob.publicKey])
  })

  it("that nobody can have is accepted all the same, so that a resend gets the same answer (I7)", () => {
    const story = new MeshStory(rulesWith(), [alice])
    const sender = story.attach(alice)
    for (const _ of [1, 2]) {
      story.send(sender, "*", { id: "m1", sealedKeys: sealedTo(alice) })
      story.settle()
    }
    assert.deepStrictEqual(
      sender.of("ack").map(({ duplicate, recipients }) => ({ duplicate, recipients })),
      [
        { duplicate: false, recipients: [] },
        { duplicate: true, recipients: [] },
      ],
    )
  })

  it("is refused when it is sealed to more members than the broker takes (I23)", () => {
    const story = new MeshStory(rulesWith({ sealedKeysMax: 2 }))
    const sender = story.attach(alice)
    story.send(sender, "*", { id: "m1", sealedKeys: sealedTo(bob, carol) })
    story.settle()
    story.send(sender, "*", { ...toAll, id: "m2" })
    assert.deepInclude(sender.last, { type: "error", code: "too_large", id: "m2", retryable: false })
    assert.deepStrictEqual(story.writes, [])
  })
})

describe("a message to a tag", () => {
  it("reaches the live sessions that carry it, also one that is expected back, and no inbox", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const tagged = story.attach(bob, { tags: ["review"] })
    const other = story.attach(bob, { session: "s2", tags: ["build"] })
    story.detach(tagged)
    const id = story.send(sender, "tag:review", toAll)
    story.settle()
    assert.deepStrictEqual(ackOf(sender)?.recipients, [{ pubkey: bob.publicKey, state: "queued" }])
    assert.deepStrictEqual(other.pushed, [])
    assert.deepStrictEqual(story.attach(bob, { tags: ["review"] }).pushed, [id])
  })
})

describe("a channel", () => {
  it("reaches the sessions that joined, until they leave", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const inside = story.attach(bob)
    const outside = story.attach(carol)
    story.join(inside, "builds")
    assert.deepStrictEqual(inside.last, { type: "ok", id: "join-builds" })
    const first = story.send(sender, "#builds", { ...toAll, id: "m1" })
    story.settle()
    story.leave(inside, "builds")
    assert.deepStrictEqual(inside.last, { type: "ok", id: "leave-builds" })
    story.send(sender, "#builds", { ...toAll, id: "m2" })
    story.settle()
    assert.deepStrictEqual([inside.pushed, outside.pushed], [[first], []])
    assert.deepStrictEqual(ackOf(sender)?.recipients, [])
  })

  it("is joined only once it is stored: the answer comes after the commit (I7)", () => {
    const story = new MeshStory()
    const peer = story.attach(bob)
    story.request(peer, { type: "join_channel", channel: label("builds"), id: requestId("j") })
    assert.notStrictEqual(peer.last?.type, "ok")
    story.commitOne(storeFailure("rejected"))
    assert.deepInclude(peer.last, { type: "error", code: "internal", id: "j", retryable: true })
    story.send(story.attach(alice), "#builds", toAll)
    story.settle()
    assert.deepStrictEqual(peer.pushed, [])
  })

  it("keeps its sessions over a lost connection and over a restart of the broker", () => {
    const story = new MeshStory()
    const peer = story.attach(bob)
    story.join(peer, "builds")
    story.restart()
    const back = story.attach(bob)
    const id = story.send(story.attach(alice), "#builds", toAll)
    story.settle()
    assert.deepStrictEqual(back.pushed, [id])
  })

  it("waits in the inbox of a member whose sessions are away, and not of one that is here by another session", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const joined = [story.attach(bob), story.attach(carol)]
    for (const peer of joined) story.join(peer, "builds")
    const elsewhere = story.attach(carol, { session: "s2" })
    for (const peer of joined) story.detach(peer)
    story.pass(sessionLeaseMillis)
    story.settle()
    const id = story.send(sender, "#builds", toAll)
    story.settle()
    assert.deepStrictEqual(ackOf(sender)?.recipients, [{ pubkey: bob.publicKey, state: "queued" }])
    assert.deepStrictEqual(elsewhere.pushed, [])
    assert.deepStrictEqual(story.attach(bob, { session: "later" }).pushed, [id])
  })

  it("is forgotten with a session that stayed away for thirty days, as its rows are (I17)", () => {
    const story = new MeshStory()
    const peer = story.attach(bob)
    story.join(peer, "builds")
    story.detach(peer)
    story.pass(rulesWith().limits.sessionRetentionMillis - 1)
    story.settle()
    assert.deepInclude(story.attach(bob).of("hello_ack")[0], { resumed: true })
    story.detach(story.attach(bob))
    story.pass(rulesWith().limits.sessionRetentionMillis)
    story.settle()
    const back = story.attach(bob)
    assert.deepInclude(back.of("hello_ack")[0], { resumed: false })
    story.request(back, { type: "list_channels", id: requestId("l") })
    assert.deepInclude(back.last, { channels: [] })
  })

  it("is listed with its live sessions and its members, and whether the asker is in it", () => {
    const story = new MeshStory()
    const [here, away] = [story.attach(bob), story.attach(carol)]
    for (const channel of ["builds", "alerts"]) story.join(here, channel)
    story.join(away, "builds")
    story.detach(away)
    story.pass(sessionLeaseMillis)
    story.settle()
    story.request(here, { type: "list_channels", id: requestId("l") })
    assert.deepStrictEqual(here.last, {
      type: "channels",
      id: "l",
      channels: [
        { channel: label("alerts"), joined: true, sessions: 1, members: 1 },
        { channel: label("builds"), joined: true, sessions: 1, members: 2 },
      ],
    })
  })

  it("is listed before those with fewer members, and one of the asker's before all, where there are too many (I23)", () => {
    const story = new MeshStory(rulesWith({ channelsListedMax: 2 }))
    const [here, other, third] = [story.attach(bob), story.attach(carol), story.attach(alice)]
    for (const channel of ["a", "b", "shared"]) story.join(other, channel)
    story.join(third, "shared")
    story.join(here, "own")
    story.request(here, { type: "list_channels", id: requestId("l") })
    assert.deepStrictEqual(
      here.of("channels").flatMap(({ channels }) => channels.map(({ channel }) => channel)),
      [label("own"), label("shared")],
    )
  })

  it("takes no session that takes no messages, and no session more than its share (I23)", () => {
    const story = new MeshStory(rulesWith({ channelsPerSessionMax: 1 }))
    const sends = story.attach(alice, { maxInFlight: 0 })
    story.join(sends, "builds")
    assert.deepInclude(sends.last, { type: "error", code: "unsupported" })
    const peer = story.attach(bob)
    story.join(peer, "one")
    story.join(peer, "one")
    assert.strictEqual(peer.last?.type, "ok")
    story.join(peer, "two")
    assert.deepInclude(peer.last, { type: "error", code: "capacity", retryable: true })
    story.leave(peer, "one")
    story.join(peer, "two")
    assert.strictEqual(peer.last?.type, "ok")
  })
})

describe("a session that was cut off", () => {
  it("is live for 90 s: listed as away, and its messages wait for it (I2, I4)", () => {
    const story = new MeshStory()
    const asker = story.attach(alice)
    story.detach(story.attach(bob))
    story.pass(sessionLeaseMillis - 1)
    story.settle()
    const id = story.send(asker, "*", { id: "m1", sealedKeys: sealedTo(alice, bob) })
    story.settle()
    story.request(asker, { type: "list_peers", id: requestId("l") })
    assert.deepStrictEqual(attachedByKey(asker), [
      [alice.publicKey, true],
      [bob.publicKey, false],
    ])
    // Another session of its member does not get what is its own.
    assert.deepStrictEqual(story.attach(bob, { session: "s2" }).pushed, [])
    assert.deepStrictEqual(story.attach(bob).pushed, [id])
  })

  it("is no peer after its lease, and gets nothing more (I4)", () => {
    const story = new MeshStory()
    const asker = story.attach(alice)
    story.detach(story.attach(bob))
    story.pass(sessionLeaseMillis)
    story.request(asker, { type: "list_peers", id: requestId("l") })
    assert.deepStrictEqual(attachedByKey(asker), [[alice.publicKey, true]])
  })

  it("leaves to its member what was said to a group, and keeps what was said to itself", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const gone = story.attach(bob)
    const toGroup = story.send(sender, "*", toAll)
    const toSession = story.send(sender, `${bob.publicKey}/s1`, { id: "m2" })
    story.settle()
    assert.deepStrictEqual(gone.pushed, [toGroup, toSession])
    story.detach(gone)
    const other = story.attach(bob, { session: "s2" })
    assert.deepStrictEqual(other.pushed, [])
    story.pass(sessionLeaseMillis)
    story.settle()
    assert.deepStrictEqual(
      other.of("push").map(({ messageId, redelivered }) => ({ messageId, redelivered })),
      [{ messageId: toGroup, redelivered: false }],
    )
    story.ack(other, toGroup)
    story.settle()
    assert.deepStrictEqual(story.attach(bob).pushed, [toSession])
  })

  it("leaves nothing that its member has already, in another session or by having said it", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const [gone, here] = [story.attach(bob), story.attach(bob, { session: "s2" })]
    const own = story.attach(alice, { session: "s2" })
    const id = story.send(sender, "*", toAll)
    story.settle()
    for (const peer of [gone, own]) story.detach(peer)
    story.pass(sessionLeaseMillis)
    story.settle()
    assert.deepStrictEqual(here.pushed, [id])
    assert.deepStrictEqual(sender.pushed, [])
    story.ack(here, id)
    story.settle()
    assert.deepStrictEqual(story.attach(bob, { session: "s3" }).pushed, [])
  })

  it("is expected back from when the broker began again, if it was attached when the last one stopped (I4)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    story.attach(bob)
    const id = story.send(sender, "*", toAll)
    story.settle()
    story.pass(10 * sessionLeaseMillis)
    story.restart()
    story.settle()
    const other = story.attach(bob, { session: "s2" })
    story.pass(sessionLeaseMillis - 1)
    story.settle()
    assert.deepStrictEqual(other.pushed, [])
    story.pass(1)
    story.settle()
    assert.deepStrictEqual(other.pushed, [id])
  })

  it("leaves its messages to its member also when its lease ended while no broker ran", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const gone = story.attach(bob)
    const id = story.send(sender, "*", toAll)
    story.settle()
    story.detach(gone)
    story.settle()
    story.nowMillis += 2 * sessionLeaseMillis
    story.restart()
    story.settle()
    assert.deepStrictEqual(story.attach(bob, { session: "s2" }).pushed, [id])
  })

  it("that comes back while its messages are moved is pushed nothing that is moved away under it (I8)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const gone = story.attach(bob)
    const id = story.send(sender, "*", toAll)
    story.settle()
    story.detach(gone)
    story.pass(sessionLeaseMillis)
    const back = story.arrive(bob)
    assert.deepStrictEqual(back.pushed, [])
    story.settle()
    assert.deepStrictEqual(back.pushed, [id])
    story.ack(back, id)
    story.settle()
    assert.deepStrictEqual(story.store.backlog([{ memberId: bob.memberId, session: undefined }], story.nowMillis), {
      messages: 0,
      characters: 0,
    })
  })

  it("that said goodbye is not waited for: what groups sent to it is its member's at once (I4)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const gone = story.attach(bob)
    const id = story.send(sender, "*", toAll)
    story.settle()
    story.detach(gone, true)
    story.settle()
    assert.deepStrictEqual(story.attach(bob, { session: "s2" }).pushed, [id])
    story.request(sender, { type: "list_peers", id: requestId("l") })
    assert.deepStrictEqual(attachedByKey(sender), [
      [alice.publicKey, true],
      [bob.publicKey, true],
    ])
  })

  it("is not ended in its wait by a connection that takes no messages", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const gone = story.attach(bob)
    const id = story.send(sender, "*", toAll)
    story.settle()
    story.detach(gone)
    story.detach(story.attach(bob, { maxInFlight: 0 }))
    story.pass(sessionLeaseMillis)
    story.settle()
    assert.deepStrictEqual(story.attach(bob, { session: "s2" }).pushed, [id])
  })
})
