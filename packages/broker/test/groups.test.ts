/** Messages to a channel, a tag and everyone: who gets one, who does not, and what becomes of it when a session ends. */
import { Base64 } from "@claudemesh/domain/Base64"
import { Label, RequestId } from "@claudemesh/domain/Ids"
import { assert, describe, it } from "@effect/vitest"
import type { MemberRecord } from "../src/store/MessageStore.ts"
import {
  alice,
  bob,
  carol,
  MeshScenario,
  type Peer,
  rulesWith,
  type SendChoices,
  storeFailure,
} from "./support/MeshScenario.ts"

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
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const others = [scenario.attach(alice, { session: "s2" }), scenario.attach(bob), scenario.attach(carol)]
    const id = scenario.send(sender, "*", toAll)
    scenario.settle()
    assert.strictEqual(scenario.store.messages.size, 1)
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
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const id = scenario.send(sender, "*", toAll)
    scenario.settle()
    assert.deepStrictEqual(ackOf(sender)?.recipients, [
      { pubkey: bob.publicKey, state: "queued" },
      { pubkey: carol.publicKey, state: "queued" },
    ])
    const late = scenario.attach(bob, { session: "new" })
    assert.deepStrictEqual(late.pushed, [id])
    assert.deepStrictEqual(sealedKeysPushed(late), [keyOf(bob)])
    assert.deepStrictEqual(scenario.attach(bob, { session: "newer" }).pushed, [])
  })

  it("obeys gates, windows and pulls like any other (I9, I14)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const busy = scenario.attach(bob)
    scenario.status(busy, "dnd")
    const held = scenario.send(sender, "*", { ...toAll, id: "m1" })
    const urgent = scenario.send(sender, "*", { ...toAll, id: "m2", priority: "now" })
    const low = scenario.send(sender, "*", { ...toAll, id: "m3", priority: "low" })
    scenario.settle()
    assert.deepStrictEqual(sender.of("ack")[0]?.recipients?.[0], { pubkey: bob.publicKey, state: "held" })
    assert.deepStrictEqual(busy.pushed, [urgent])
    scenario.status(busy, "idle")
    scenario.settle()
    scenario.pull(busy, "p")
    scenario.settle()
    assert.deepStrictEqual(busy.pushed, [urgent, held, low])
  })

  it("passes by who has no key or speaks v1, and the ack names them (I22)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const v1 = scenario.attach(bob, { protocol: 1 })
    const v2 = scenario.attach(carol)
    scenario.send(sender, "*", { id: "m1", sealedKeys: sealedTo(alice, bob) })
    scenario.settle()
    assert.deepStrictEqual(ackOf(sender)?.unsealed, [bob.publicKey, carol.publicKey])
    assert.deepStrictEqual(ackOf(sender)?.recipients, [])
    assert.deepStrictEqual([v1.pushed, v2.pushed], [[], []])
    // Away, it is known by what it spoke last.
    scenario.detach(v1)
    scenario.send(sender, "*", { ...toAll, id: "m2" })
    scenario.settle()
    assert.deepStrictEqual(ackOf(sender)?.unsealed, [bob.publicKey])
  })

  it("that nobody can have is accepted all the same, so that a resend gets the same answer (I7)", () => {
    const scenario = new MeshScenario(rulesWith(), [alice])
    const sender = scenario.attach(alice)
    for (const _ of [1, 2]) {
      scenario.send(sender, "*", { id: "m1", sealedKeys: sealedTo(alice) })
      scenario.settle()
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
    const scenario = new MeshScenario(rulesWith({ sealedKeysMax: 2 }))
    const sender = scenario.attach(alice)
    scenario.send(sender, "*", { id: "m1", sealedKeys: sealedTo(bob, carol) })
    scenario.settle()
    scenario.send(sender, "*", { ...toAll, id: "m2" })
    assert.deepInclude(sender.last, { type: "error", code: "too_large", id: "m2", retryable: false })
    assert.deepStrictEqual(scenario.writes, [])
  })
})

describe("a message to a tag", () => {
  it("reaches the live sessions that carry it, also one that is expected back, and no inbox", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const tagged = scenario.attach(bob, { tags: ["review"] })
    const other = scenario.attach(bob, { session: "s2", tags: ["build"] })
    scenario.detach(tagged)
    const id = scenario.send(sender, "tag:review", toAll)
    scenario.settle()
    assert.deepStrictEqual(ackOf(sender)?.recipients, [{ pubkey: bob.publicKey, state: "queued" }])
    assert.deepStrictEqual(other.pushed, [])
    assert.deepStrictEqual(scenario.attach(bob, { tags: ["review"] }).pushed, [id])
  })
})

describe("a channel", () => {
  it("reaches the sessions that joined, until they leave", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const inside = scenario.attach(bob)
    const outside = scenario.attach(carol)
    scenario.join(inside, "builds")
    assert.deepStrictEqual(inside.last, { type: "ok", id: "join-builds" })
    const first = scenario.send(sender, "#builds", { ...toAll, id: "m1" })
    scenario.settle()
    scenario.leave(inside, "builds")
    assert.deepStrictEqual(inside.last, { type: "ok", id: "leave-builds" })
    scenario.send(sender, "#builds", { ...toAll, id: "m2" })
    scenario.settle()
    assert.deepStrictEqual([inside.pushed, outside.pushed], [[first], []])
    assert.deepStrictEqual(ackOf(sender)?.recipients, [])
  })

  it("is joined only once it is stored: the answer comes after the commit (I7)", () => {
    const scenario = new MeshScenario()
    const peer = scenario.attach(bob)
    scenario.request(peer, { type: "join_channel", channel: label("builds"), id: requestId("j") })
    assert.notStrictEqual(peer.last?.type, "ok")
    scenario.commitOne(storeFailure("rejected"))
    assert.deepInclude(peer.last, { type: "error", code: "internal", id: "j", retryable: true })
    scenario.send(scenario.attach(alice), "#builds", toAll)
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [])
  })

  it("is as it is stored when words on it fail one after the other, and what is stored is said once more behind them (I7)", () => {
    for (const [before, words] of [
      [false, ["join_channel", "leave_channel"]],
      [true, ["leave_channel", "join_channel"]],
      [false, ["join_channel", "leave_channel", "join_channel"]],
    ] as const) {
      const scenario = new MeshScenario()
      const peer = scenario.attach(bob)
      if (before) scenario.join(peer, "builds")
      for (const type of words) scenario.request(peer, { type, channel: label("builds"), id: requestId("j") })
      // The error of the first comes before it takes effect, which nobody hears of.
      const late = scenario.writes[0]?.write
      for (const _ of words) scenario.commitOne(storeFailure("unavailable"))
      assert.ok(late)
      scenario.store.apply(late)
      scenario.commit()
      assert.strictEqual(scenario.store.subscriptions.size, before ? 1 : 0)
      const id = scenario.send(scenario.attach(alice), "#builds", toAll)
      scenario.settle()
      assert.deepStrictEqual(peer.pushed, before ? [id] : [])
    }
  })

  it("keeps its sessions over a lost connection and over a restart of the broker", () => {
    const scenario = new MeshScenario()
    const peer = scenario.attach(bob)
    scenario.join(peer, "builds")
    scenario.restart()
    const back = scenario.attach(bob)
    const id = scenario.send(scenario.attach(alice), "#builds", toAll)
    scenario.settle()
    assert.deepStrictEqual(back.pushed, [id])
  })

  it("waits in the inbox of a member whose sessions are away, and not of one that is here by another session", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const joined = [scenario.attach(bob), scenario.attach(carol)]
    for (const peer of joined) scenario.join(peer, "builds")
    const elsewhere = scenario.attach(carol, { session: "s2" })
    for (const peer of joined) scenario.detach(peer)
    scenario.pass(sessionLeaseMillis)
    scenario.settle()
    const id = scenario.send(sender, "#builds", toAll)
    scenario.settle()
    assert.deepStrictEqual(ackOf(sender)?.recipients, [{ pubkey: bob.publicKey, state: "queued" }])
    assert.deepStrictEqual(elsewhere.pushed, [])
    assert.deepStrictEqual(scenario.attach(bob, { session: "later" }).pushed, [id])
  })

  it("is forgotten with a session that stayed away for thirty days, as its rows are (I17)", () => {
    const scenario = new MeshScenario()
    const peer = scenario.attach(bob)
    scenario.join(peer, "builds")
    scenario.detach(peer)
    scenario.pass(rulesWith().limits.sessionRetentionMillis - 1)
    scenario.settle()
    assert.deepInclude(scenario.attach(bob).of("hello_ack")[0], { resumed: true })
    scenario.detach(scenario.attach(bob))
    scenario.pass(rulesWith().limits.sessionRetentionMillis)
    scenario.settle()
    const back = scenario.attach(bob)
    assert.deepInclude(back.of("hello_ack")[0], { resumed: false })
    scenario.request(back, { type: "list_channels", id: requestId("l") })
    assert.deepInclude(back.last, { channels: [] })
  })

  it("is listed with its live sessions and its members, and whether the asker is in it", () => {
    const scenario = new MeshScenario()
    const [here, away] = [scenario.attach(bob), scenario.attach(carol)]
    for (const channel of ["builds", "alerts"]) scenario.join(here, channel)
    scenario.join(away, "builds")
    scenario.detach(away)
    scenario.pass(sessionLeaseMillis)
    scenario.settle()
    scenario.request(here, { type: "list_channels", id: requestId("l") })
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
    const scenario = new MeshScenario(rulesWith({ channelsListedMax: 2 }))
    const [here, other, third] = [scenario.attach(bob), scenario.attach(carol), scenario.attach(alice)]
    for (const channel of ["a", "b", "shared"]) scenario.join(other, channel)
    scenario.join(third, "shared")
    scenario.join(here, "own")
    scenario.request(here, { type: "list_channels", id: requestId("l") })
    assert.deepStrictEqual(
      here.of("channels").flatMap(({ channels }) => channels.map(({ channel }) => channel)),
      [label("own"), label("shared")],
    )
  })

  it("takes no session that takes no messages, and no session more than its share (I23)", () => {
    const scenario = new MeshScenario(rulesWith({ channelsPerSessionMax: 1 }))
    const sends = scenario.attach(alice, { maxInFlight: 0 })
    scenario.join(sends, "builds")
    assert.deepInclude(sends.last, { type: "error", code: "unsupported" })
    const peer = scenario.attach(bob)
    scenario.join(peer, "one")
    scenario.join(peer, "one")
    assert.strictEqual(peer.last?.type, "ok")
    scenario.join(peer, "two")
    assert.deepInclude(peer.last, { type: "error", code: "capacity", retryable: true })
    scenario.leave(peer, "one")
    scenario.join(peer, "two")
    assert.strictEqual(peer.last?.type, "ok")
  })
})

describe("a session that was cut off", () => {
  it("is live for 90 s: listed as away, and its messages wait for it (I2, I4)", () => {
    const scenario = new MeshScenario()
    const asker = scenario.attach(alice)
    scenario.detach(scenario.attach(bob))
    scenario.pass(sessionLeaseMillis - 1)
    scenario.settle()
    const id = scenario.send(asker, "*", { id: "m1", sealedKeys: sealedTo(alice, bob) })
    scenario.settle()
    scenario.request(asker, { type: "list_peers", id: requestId("l") })
    assert.deepStrictEqual(attachedByKey(asker), [
      [alice.publicKey, true],
      [bob.publicKey, false],
    ])
    // Another session of its member does not get what is its own.
    assert.deepStrictEqual(scenario.attach(bob, { session: "s2" }).pushed, [])
    assert.deepStrictEqual(scenario.attach(bob).pushed, [id])
  })

  it("is no peer after its lease, and gets nothing more (I4)", () => {
    const scenario = new MeshScenario()
    const asker = scenario.attach(alice)
    scenario.detach(scenario.attach(bob))
    scenario.pass(sessionLeaseMillis)
    scenario.request(asker, { type: "list_peers", id: requestId("l") })
    assert.deepStrictEqual(attachedByKey(asker), [[alice.publicKey, true]])
  })

  it("leaves to its member what was said to a group, and keeps what was said to itself", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const gone = scenario.attach(bob)
    const toGroup = scenario.send(sender, "*", toAll)
    const toSession = scenario.send(sender, `${bob.publicKey}/s1`, { id: "m2" })
    scenario.settle()
    assert.deepStrictEqual(gone.pushed, [toGroup, toSession])
    scenario.detach(gone)
    const other = scenario.attach(bob, { session: "s2" })
    assert.deepStrictEqual(other.pushed, [])
    scenario.pass(sessionLeaseMillis)
    scenario.settle()
    assert.deepStrictEqual(
      other.of("push").map(({ messageId, redelivered }) => ({ messageId, redelivered })),
      [{ messageId: toGroup, redelivered: false }],
    )
    scenario.ack(other, toGroup)
    scenario.settle()
    assert.deepStrictEqual(scenario.attach(bob).pushed, [toSession])
  })

  it("leaves nothing that its member has already, in another session or by having said it", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const [gone, here] = [scenario.attach(bob), scenario.attach(bob, { session: "s2" })]
    const own = scenario.attach(alice, { session: "s2" })
    const id = scenario.send(sender, "*", toAll)
    scenario.settle()
    for (const peer of [gone, own]) scenario.detach(peer)
    scenario.pass(sessionLeaseMillis)
    scenario.settle()
    assert.deepStrictEqual(here.pushed, [id])
    assert.deepStrictEqual(sender.pushed, [])
    scenario.ack(here, id)
    scenario.settle()
    assert.deepStrictEqual(scenario.attach(bob, { session: "s3" }).pushed, [])
  })

  it("is expected back from when the broker began again, if it was attached when the last one stopped (I4)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    scenario.attach(bob)
    const id = scenario.send(sender, "*", toAll)
    scenario.settle()
    scenario.pass(10 * sessionLeaseMillis)
    scenario.restart()
    scenario.settle()
    const other = scenario.attach(bob, { session: "s2" })
    scenario.pass(sessionLeaseMillis - 1)
    scenario.settle()
    assert.deepStrictEqual(other.pushed, [])
    scenario.pass(1)
    scenario.settle()
    assert.deepStrictEqual(other.pushed, [id])
  })

  it("leaves its messages to its member also when its lease ended while no broker ran", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const gone = scenario.attach(bob)
    const id = scenario.send(sender, "*", toAll)
    scenario.settle()
    scenario.detach(gone)
    scenario.settle()
    scenario.nowMillis += 2 * sessionLeaseMillis
    scenario.restart()
    scenario.settle()
    assert.deepStrictEqual(scenario.attach(bob, { session: "s2" }).pushed, [id])
  })

  it("that comes back while its messages are moved is pushed nothing that is moved away under it (I8)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const gone = scenario.attach(bob)
    const id = scenario.send(sender, "*", toAll)
    scenario.settle()
    scenario.detach(gone)
    scenario.pass(sessionLeaseMillis)
    const back = scenario.arrive(bob)
    assert.deepStrictEqual(back.pushed, [])
    scenario.settle()
    assert.deepStrictEqual(back.pushed, [id])
    scenario.ack(back, id)
    scenario.settle()
    assert.deepStrictEqual(
      scenario.store.backlog([{ memberId: bob.memberId, session: undefined }], scenario.nowMillis),
      {
        messages: 0,
        characters: 0,
      },
    )
  })

  it("that said goodbye is not waited for: what groups sent to it is its member's at once (I4)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const gone = scenario.attach(bob)
    const id = scenario.send(sender, "*", toAll)
    scenario.settle()
    scenario.detach(gone, true)
    scenario.settle()
    assert.deepStrictEqual(scenario.attach(bob, { session: "s2" }).pushed, [id])
    scenario.request(sender, { type: "list_peers", id: requestId("l") })
    assert.deepStrictEqual(attachedByKey(sender), [
      [alice.publicKey, true],
      [bob.publicKey, true],
    ])
  })

  it("is not ended in its wait by a connection that takes no messages", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const gone = scenario.attach(bob)
    const id = scenario.send(sender, "*", toAll)
    scenario.settle()
    scenario.detach(gone)
    scenario.detach(scenario.attach(bob, { maxInFlight: 0 }))
    scenario.pass(sessionLeaseMillis)
    scenario.settle()
    assert.deepStrictEqual(scenario.attach(bob, { session: "s2" }).pushed, [id])
  })
})
