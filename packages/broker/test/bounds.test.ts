/** What a mesh takes from one member and keeps for one inbox, and what became of a message it took. */
import { Base64 } from "@claudemesh/domain/Base64"

import { MessageId, RequestId } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import { TokenBucket } from "../src/TokenBucket.ts"
import { alice, bob, carol, MeshStory, type Peer, rulesWith, storeFailure } from "./support/MeshStory.ts"

const sealedTo = (...members: ReadonlyArray<typeof alice>) =>
  members.map(({ publicKey }) => ({ pubkey: publicKey, key: Base64.make("AAAA") }))

const lastAnswer = (peer: Peer) => {
  const { last } = peer
  return last?.type === "error" ? last.code : last?.type
}

describe("a token bucket", () => {
  it("gives its burst at once, then its rate, and saves up no more than a burst", () => {
    const bucket = new TokenBucket(2, 3, 0)
    const takenAt = (millis: number) => {
      let taken = 0
      while (bucket.take(millis)) taken += 1
      return taken
    }
    assert.deepStrictEqual([takenAt(0), takenAt(400), takenAt(500), takenAt(1_500), takenAt(100_000)], [3, 0, 1, 2, 3])
  })

  it("is not refilled by a clock that goes back, nor twice for the same time", () => {
    const bucket = new TokenBucket(1, 1, 10_000)
    assert.deepStrictEqual(
      [10_000, 5_000, 5_999, 6_000, 6_000].map((millis) => bucket.take(millis)),
      [true, false, false, true, false],
    )
  })
})

describe("the rate of a member's sends", () => {
  it("is one for all its sessions; above it nothing is stored, and later it may send again (I23)", () => {
    const story = new MeshStory(rulesWith({ sendsPerSecond: 1, sendsBurst: 2 }))
    const [one, two] = [story.attach(alice), story.attach(alice, { session: "s2" })]
    for (const [index, peer] of [one, two, one].entries()) story.send(peer, bob.publicKey, { id: `m${index}` })
    story.settle()
    assert.deepStrictEqual(
      [one, two].map((peer) => peer.of("ack").length),
      [1, 1],
    )
    assert.deepInclude(one.of("error").at(-1), { code: "rate_limited", id: "m2", retryable: true })
    assert.strictEqual(one.settled, 2)
    assert.strictEqual(story.store.messages.size, 2)
    // Others have their own.
    const other = story.attach(carol)
    story.send(other, bob.publicKey, { id: "m3" })
    story.pass(1_000)
    story.send(one, bob.publicKey, { id: "m2" })
    story.settle()
    assert.deepStrictEqual([lastAnswer(other), lastAnswer(one)], ["ack", "ack"])
  })
})

const fill = (story: MeshStory, from: Peer, target: string, count: number): ReadonlyArray<MessageId> => {
  const ids = Array.from({ length: count }, (_, index) => story.send(from, target, { id: `fill-${index}` }))
  story.settle()
  return ids
}

describe("an inbox that holds all it takes", () => {
  it("refuses a message to it alone, with nothing stored, until one was consumed (I23)", () => {
    const story = new MeshStory(rulesWith({ backlogMessagesMax: 2 }))
    const sender = story.attach(alice)
    const recipient = story.attach(bob)
    const [first] = fill(story, sender, bob.publicKey, 2)
    story.send(sender, bob.publicKey, { id: "more" })
    story.settle()
    assert.deepInclude(sender.last, { type: "error", code: "backlog_full", id: "more", retryable: true })
    assert.strictEqual(story.store.messages.size, 2)
    // One of its sessions has an inbox of its own.
    story.send(sender, `${bob.publicKey}/s1`, { id: "aside" })
    story.settle()
    assert.strictEqual(lastAnswer(sender), "ack")
    if (first !== undefined) story.ack(recipient, first)
    story.settle()
    story.send(sender, bob.publicKey, { id: "more" })
    story.settle()
    assert.strictEqual(lastAnswer(sender), "ack")
  })

  it("answers a resend of what it holds by the first result, whose ack was lost (I7)", () => {
    const story = new MeshStory(rulesWith({ backlogMessagesMax: 2 }))
    const sender = story.attach(alice)
    fill(story, sender, bob.publicKey, 2)
    story.send(sender, bob.publicKey, { id: "fill-1" })
    story.settle()
    assert.deepInclude(sender.last, { type: "ack", id: "fill-1", duplicate: true })
    assert.deepStrictEqual(sender.of("ack").at(-1)?.recipients, [{ pubkey: bob.publicKey, state: "queued" }])
    assert.strictEqual(story.store.messages.size, 2)
    // Another member's id is its own.
    story.send(story.attach(carol), bob.publicKey, { id: "fill-1" })
    story.settle()
    assert.strictEqual(story.store.messages.size, 2)
  })

  it("answers a resend whose first commit is under way by the first result, on every connection that asks (I7)", () => {
    const story = new MeshStory(rulesWith({ backlogMessagesMax: 1, sendsPerSecond: 1, sendsBurst: 1 }))
    const [lost, other] = [story.attach(alice), story.attach(carol)]
    story.send(other, bob.publicKey, { id: "m0" })
    const first = story.send(lost, bob.publicKey, { id: "m1" })
    // Both were on their way when there was room; now it is full.
    story.commitOne()
    story.detach(lost)
    const again = story.arrive(alice)
    const beside = story.arrive(alice, { session: "s2" })
    for (const peer of [again, beside]) story.send(peer, bob.publicKey, { id: "m1" })
    assert.deepStrictEqual([lastAnswer(again), lastAnswer(beside)], ["hello_ack", "hello_ack"])
    story.settle()
    for (const peer of [again, beside]) {
      assert.deepInclude(peer.of("ack").at(-1), { id: "m1", messageId: first, duplicate: true })
      assert.deepStrictEqual(peer.of("ack").at(-1)?.recipients, [{ pubkey: bob.publicKey, state: "queued" }])
      assert.strictEqual(peer.settled, 1)
    }
    assert.strictEqual(story.store.messages.size, 2)
    // Later it is known to the store.
    story.pass(1_000)
    story.send(again, bob.publicKey, { id: "m1" })
    story.settle()
    assert.deepInclude(again.last, { type: "ack", duplicate: true })
  })

  it("refuses the resends with the first where that cannot be stored, and another message under its id (I7)", () => {
    const story = new MeshStory()
    const [first, again] = [story.attach(alice), story.attach(alice, { session: "s2" })]
    story.send(first, bob.publicKey, { id: "m1" })
    story.send(again, bob.publicKey, { id: "m1" })
    story.commitOne(storeFailure("unavailable"))
    for (const peer of [first, again]) {
      assert.deepInclude(peer.last, { type: "error", code: "unavailable", id: "m1" })
      assert.strictEqual(peer.settled, 1)
    }
    story.send(first, bob.publicKey, { id: "m1" })
    story.send(again, bob.publicKey, { id: "m1", ciphertext: "BBBB" })
    story.settle()
    assert.deepStrictEqual([lastAnswer(first), lastAnswer(again)], ["ack", "id_conflict"])
  })

  it("is full by characters, too (I23)", () => {
    const story = new MeshStory(rulesWith({ backlogCharactersMax: 8 }))
    const sender = story.attach(alice)
    fill(story, sender, bob.publicKey, 2)
    story.send(sender, bob.publicKey, { id: "more" })
    story.settle()
    assert.strictEqual(lastAnswer(sender), "backlog_full")
  })

  it("is passed by when a message goes to everyone, and the others get it (I22)", () => {
    const story = new MeshStory(rulesWith({ backlogMessagesMax: 1 }))
    const sender = story.attach(alice)
    const full = story.attach(bob)
    const other = story.attach(carol)
    fill(story, sender, `${bob.publicKey}/s1`, 1)
    const id = story.send(sender, "*", { id: "m1", sealedKeys: sealedTo(alice, bob, carol) })
    story.settle()
    assert.deepStrictEqual(sender.of("ack").at(-1)?.recipients, [
      { pubkey: carol.publicKey, state: "delivered" },
      { pubkey: bob.publicKey, state: "full" },
    ])
    assert.deepStrictEqual(other.pushed, [id])
    assert.notInclude(full.pushed, id)
  })

  it("is counted again once what waited in it has expired, and after a restart (I17)", () => {
    const story = new MeshStory(rulesWith({ backlogMessagesMax: 1 }))
    const sender = story.attach(alice)
    story.send(sender, bob.publicKey, { id: "m1", ttlSeconds: 60 })
    story.settle()
    story.restart()
    const again = story.attach(alice)
    story.send(again, bob.publicKey, { id: "m2" })
    story.settle()
    assert.strictEqual(lastAnswer(again), "backlog_full")
    story.pass(60_000)
    story.send(again, bob.publicKey, { id: "m2" })
    story.settle()
    assert.strictEqual(lastAnswer(again), "backlog_full")
    story.send(again, bob.publicKey, { id: "m2" })
    story.settle()
    assert.strictEqual(lastAnswer(again), "ack")
  })

  it("asks the store at most once in ten seconds, however often it is tried", () => {
    const story = new MeshStory(rulesWith({ backlogMessagesMax: 1 }))
    const sender = story.attach(alice)
    fill(story, sender, bob.publicKey, 1)
    for (let tries = 0; tries < 5; tries++) story.send(sender, bob.publicKey, { id: "more" })
    assert.strictEqual(story.counts.length, 1)
    story.pass(10_000)
    story.send(sender, bob.publicKey, { id: "more" })
    assert.strictEqual(story.counts.length, 2)
  })
})

describe("what became of a message", () => {
  const askFor = (story: MeshStory, peer: Peer, messageId: MessageId) => {
    story.request(peer, { type: "message_status", messageId, id: RequestId.make("q") })
    story.settle()
    return peer.last
  }

  it("is told to its sender: pending, delivered and since when, consumed and when", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const id = story.send(sender, bob.publicKey, { id: "m1" })
    story.settle()
    const answer = { type: "message_state" as const, id: "q", messageId: id }
    const to = { pubkey: bob.publicKey }
    assert.deepStrictEqual(askFor(story, sender, id), {
      ...answer,
      state: "pending",
      recipients: [{ ...to, state: "pending" }],
    })
    story.pass(1_000)
    const recipient = story.attach(bob)
    const delivered = { state: "delivered" as const, at: isoFromMillis(story.nowMillis) }
    story.pass(1_000)
    assert.deepStrictEqual(askFor(story, sender, id), {
      ...answer,
      ...delivered,
      recipients: [{ ...to, ...delivered }],
    })
    const consumed = { state: "consumed" as const, at: isoFromMillis(story.nowMillis) }
    story.ack(recipient, id)
    story.settle()
    story.pass(1_000)
    assert.deepStrictEqual(askFor(story, sender, id), { ...answer, ...consumed, recipients: [{ ...to, ...consumed }] })
  })

  it("is expired once its time is over, and then it is pushed to nobody (I17)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const id = story.send(sender, bob.publicKey, { id: "m1", ttlSeconds: 1 })
    story.settle()
    story.pass(1_000)
    assert.deepInclude(askFor(story, sender, id), { state: "expired", at: isoFromMillis(story.nowMillis) })
    assert.deepStrictEqual(story.attach(bob).pushed, [])
  })

  it("is expired also when its commit, or the page it is in, was long in coming: it is not pushed late (I17)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const recipient = story.attach(bob)
    story.send(sender, bob.publicKey, { id: "m1", ttlSeconds: 1 })
    story.pass(1_000)
    story.settle()
    assert.strictEqual(lastAnswer(sender), "ack")
    story.status(recipient, "dnd")
    story.send(sender, bob.publicKey, { id: "m2", ttlSeconds: 1 })
    story.settle()
    story.status(recipient, "idle")
    const request = story.reads.at(-1)
    assert.ok(request)
    const rows = Exit.succeed(story.store.page(request))
    story.pass(1_000)
    story.readOne(rows)
    story.settle()
    assert.deepStrictEqual(recipient.pushed, [])
    const last = story.send(sender, bob.publicKey, { id: "m3" })
    story.settle()
    assert.deepStrictEqual(recipient.pushed, [last])
  })

  it("is that of the recipient furthest behind, with each named", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const [one, two] = [story.attach(bob), story.attach(carol)]
    const id = story.send(sender, "*", { id: "m1", sealedKeys: sealedTo(bob, carol) })
    story.settle()
    story.ack(one, id)
    story.settle()
    assert.deepInclude(askFor(story, sender, id), { state: "delivered" })
    assert.deepStrictEqual(
      sender
        .of("message_state")
        .at(-1)
        ?.recipients.map(({ pubkey, sessionId, state }) => `${pubkey}/${sessionId} ${state}`),
      [`${bob.publicKey}/s1 consumed`, `${carol.publicKey}/s1 delivered`],
    )
    story.pass(1_000)
    story.ack(two, id)
    story.settle()
    assert.deepInclude(askFor(story, sender, id), { state: "consumed", at: isoFromMillis(story.nowMillis) })
  })

  it("is nobody else's business", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const recipient = story.attach(bob)
    const id = story.send(sender, bob.publicKey, { id: "m1" })
    story.settle()
    assert.deepInclude(askFor(story, recipient, id), { type: "error", code: "unknown_message", id: "q" })
    assert.deepInclude(askFor(story, sender, MessageId.make("0".repeat(32))), {
      code: "unknown_message",
      retryable: false,
    })
  })
})
