/** What a mesh takes from one member and keeps for one inbox, and what became of a message it took. */

import { MessageId, RequestId } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import { TokenBucket } from "../src/TokenBucket.ts"
import {
  alice,
  bob,
  carol,
  MeshScenario,
  type Peer,
  rulesWith,
  storeFailure,
  sealedTo,
} from "./support/MeshScenario.ts"

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
    const scenario = new MeshScenario(rulesWith({ sendsPerSecond: 1, sendsBurst: 2 }))
    const [one, two] = [scenario.attach(alice), scenario.attach(alice, { session: "s2" })]
    for (const [index, peer] of [one, two, one].entries()) scenario.send(peer, bob.publicKey, { id: `m${index}` })
    scenario.settle()
    assert.deepStrictEqual(
      [one, two].map((peer) => peer.of("ack").length),
      [1, 1],
    )
    assert.deepInclude(one.of("error").at(-1), { code: "rate_limited", id: "m2", retryable: true })
    assert.strictEqual(one.settled, 2)
    assert.strictEqual(scenario.store.messages.size, 2)
    // Others have their own.
    const other = scenario.attach(carol)
    scenario.send(other, bob.publicKey, { id: "m3" })
    scenario.pass(1_000)
    scenario.send(one, bob.publicKey, { id: "m2" })
    scenario.settle()
    assert.deepStrictEqual([lastAnswer(other), lastAnswer(one)], ["ack", "ack"])
  })
})

const fill = (scenario: MeshScenario, from: Peer, target: string, count: number): ReadonlyArray<MessageId> => {
  const ids = Array.from({ length: count }, (_, index) => scenario.send(from, target, { id: `fill-${index}` }))
  scenario.settle()
  return ids
}

describe("an inbox that holds all it takes", () => {
  it("refuses a message to it alone, with nothing stored, until one was consumed (I23)", () => {
    const scenario = new MeshScenario(rulesWith({ backlogMessagesMax: 2 }))
    const sender = scenario.attach(alice)
    const recipient = scenario.attach(bob)
    const [first] = fill(scenario, sender, bob.publicKey, 2)
    scenario.send(sender, bob.publicKey, { id: "more" })
    scenario.settle()
    assert.deepInclude(sender.last, { type: "error", code: "backlog_full", id: "more", retryable: true })
    assert.strictEqual(scenario.store.messages.size, 2)
    // One of its sessions has an inbox of its own.
    scenario.send(sender, `${bob.publicKey}/s1`, { id: "aside" })
    scenario.settle()
    assert.strictEqual(lastAnswer(sender), "ack")
    if (first !== undefined) scenario.ack(recipient, first)
    scenario.settle()
    scenario.send(sender, bob.publicKey, { id: "more" })
    scenario.settle()
    assert.strictEqual(lastAnswer(sender), "ack")
  })

  it("answers a resend of what it holds by the first result, whose ack was lost (I7)", () => {
    const scenario = new MeshScenario(rulesWith({ backlogMessagesMax: 2 }))
    const sender = scenario.attach(alice)
    fill(scenario, sender, bob.publicKey, 2)
    scenario.send(sender, bob.publicKey, { id: "fill-1" })
    scenario.settle()
    assert.deepInclude(sender.last, { type: "ack", id: "fill-1", duplicate: true })
    assert.deepStrictEqual(sender.of("ack").at(-1)?.recipients, [{ pubkey: bob.publicKey, state: "queued" }])
    assert.strictEqual(scenario.store.messages.size, 2)
    // Another member's id is its own.
    scenario.send(scenario.attach(carol), bob.publicKey, { id: "fill-1" })
    scenario.settle()
    assert.strictEqual(scenario.store.messages.size, 2)
  })

  it("answers a resend whose first commit is under way by the first result, on every connection that asks (I7)", () => {
    const scenario = new MeshScenario(rulesWith({ backlogMessagesMax: 1, sendsPerSecond: 1, sendsBurst: 1 }))
    const [lost, other] = [scenario.attach(alice), scenario.attach(carol)]
    scenario.send(other, bob.publicKey, { id: "m0" })
    const first = scenario.send(lost, bob.publicKey, { id: "m1" })
    // Both were on their way when there was room; now it is full.
    scenario.commitOne()
    scenario.detach(lost)
    const again = scenario.arrive(alice)
    const beside = scenario.arrive(alice, { session: "s2" })
    for (const peer of [again, beside]) scenario.send(peer, bob.publicKey, { id: "m1" })
    assert.deepStrictEqual([lastAnswer(again), lastAnswer(beside)], ["hello_ack", "hello_ack"])
    scenario.settle()
    for (const peer of [again, beside]) {
      assert.deepInclude(peer.of("ack").at(-1), { id: "m1", messageId: first, duplicate: true })
      assert.deepStrictEqual(peer.of("ack").at(-1)?.recipients, [{ pubkey: bob.publicKey, state: "queued" }])
      assert.strictEqual(peer.settled, 1)
    }
    assert.strictEqual(scenario.store.messages.size, 2)
    // Later it is known to the store.
    scenario.pass(1_000)
    scenario.send(again, bob.publicKey, { id: "m1" })
    scenario.settle()
    assert.deepInclude(again.last, { type: "ack", duplicate: true })
  })

  it("refuses the resends with the first where that cannot be stored, and another message under its id (I7)", () => {
    const scenario = new MeshScenario()
    const [first, again] = [scenario.attach(alice), scenario.attach(alice, { session: "s2" })]
    scenario.send(first, bob.publicKey, { id: "m1" })
    scenario.send(again, bob.publicKey, { id: "m1" })
    scenario.commitOne(storeFailure("unavailable"))
    for (const peer of [first, again]) {
      assert.deepInclude(peer.last, { type: "error", code: "unavailable", id: "m1" })
      assert.strictEqual(peer.settled, 1)
    }
    scenario.send(first, bob.publicKey, { id: "m1" })
    scenario.send(again, bob.publicKey, { id: "m1", ciphertext: "BBBB" })
    scenario.settle()
    assert.deepStrictEqual([lastAnswer(first), lastAnswer(again)], ["ack", "id_conflict"])
  })

  it("is full by characters, too (I23)", () => {
    const scenario = new MeshScenario(rulesWith({ backlogCharactersMax: 8 }))
    const sender = scenario.attach(alice)
    fill(scenario, sender, bob.publicKey, 2)
    scenario.send(sender, bob.publicKey, { id: "more" })
    scenario.settle()
    assert.strictEqual(lastAnswer(sender), "backlog_full")
  })

  it("is passed by when a message goes to everyone, and the others get it (I22)", () => {
    const scenario = new MeshScenario(rulesWith({ backlogMessagesMax: 1 }))
    const sender = scenario.attach(alice)
    const full = scenario.attach(bob)
    const other = scenario.attach(carol)
    fill(scenario, sender, `${bob.publicKey}/s1`, 1)
    const id = scenario.send(sender, "*", { id: "m1", sealedKeys: sealedTo(alice, bob, carol) })
    scenario.settle()
    assert.deepStrictEqual(sender.of("ack").at(-1)?.recipients, [
      { pubkey: carol.publicKey, state: "delivered" },
      { pubkey: bob.publicKey, state: "full" },
    ])
    assert.deepStrictEqual(other.pushed, [id])
    assert.notInclude(full.pushed, id)
  })

  it("is counted again once what waited in it has expired, and after a restart (I17)", () => {
    const scenario = new MeshScenario(rulesWith({ backlogMessagesMax: 1 }))
    const sender = scenario.attach(alice)
    scenario.send(sender, bob.publicKey, { id: "m1", ttlSeconds: 60 })
    scenario.settle()
    scenario.restart()
    const again = scenario.attach(alice)
    scenario.send(again, bob.publicKey, { id: "m2" })
    scenario.settle()
    assert.strictEqual(lastAnswer(again), "backlog_full")
    scenario.pass(60_000)
    scenario.send(again, bob.publicKey, { id: "m2" })
    scenario.settle()
    assert.strictEqual(lastAnswer(again), "backlog_full")
    scenario.send(again, bob.publicKey, { id: "m2" })
    scenario.settle()
    assert.strictEqual(lastAnswer(again), "ack")
  })

  it("asks the store at most once in ten seconds, however often it is tried", () => {
    const scenario = new MeshScenario(rulesWith({ backlogMessagesMax: 1 }))
    const sender = scenario.attach(alice)
    fill(scenario, sender, bob.publicKey, 1)
    for (let tries = 0; tries < 5; tries++) scenario.send(sender, bob.publicKey, { id: "more" })
    assert.strictEqual(scenario.counts.length, 1)
    scenario.pass(10_000)
    scenario.send(sender, bob.publicKey, { id: "more" })
    assert.strictEqual(scenario.counts.length, 2)
  })
})

describe("what became of a message", () => {
  const askFor = (scenario: MeshScenario, peer: Peer, messageId: MessageId) => {
    scenario.request(peer, { type: "message_status", messageId, id: RequestId.make("q") })
    scenario.settle()
    return peer.last
  }

  it("is told to its sender: pending, delivered and since when, consumed and when", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const id = scenario.send(sender, bob.publicKey, { id: "m1" })
    scenario.settle()
    const answer = { type: "message_state" as const, id: "q", messageId: id }
    const to = { pubkey: bob.publicKey }
    assert.deepStrictEqual(askFor(scenario, sender, id), {
      ...answer,
      state: "pending",
      recipients: [{ ...to, state: "pending" }],
    })
    scenario.pass(1_000)
    const recipient = scenario.attach(bob)
    const delivered = { state: "delivered" as const, at: isoFromMillis(scenario.nowMillis) }
    scenario.pass(1_000)
    assert.deepStrictEqual(askFor(scenario, sender, id), {
      ...answer,
      ...delivered,
      recipients: [{ ...to, ...delivered }],
    })
    const consumed = { state: "consumed" as const, at: isoFromMillis(scenario.nowMillis) }
    scenario.ack(recipient, id)
    scenario.settle()
    scenario.pass(1_000)
    assert.deepStrictEqual(askFor(scenario, sender, id), {
      ...answer,
      ...consumed,
      recipients: [{ ...to, ...consumed }],
    })
  })

  it("is expired once its time is over, and then it is pushed to nobody (I17)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const id = scenario.send(sender, bob.publicKey, { id: "m1", ttlSeconds: 1 })
    scenario.settle()
    scenario.pass(1_000)
    assert.deepInclude(askFor(scenario, sender, id), { state: "expired", at: isoFromMillis(scenario.nowMillis) })
    assert.deepStrictEqual(scenario.attach(bob).pushed, [])
  })

  it("is expired also when its commit, or the page it is in, was long in coming: it is not pushed late (I17)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const recipient = scenario.attach(bob)
    scenario.send(sender, bob.publicKey, { id: "m1", ttlSeconds: 1 })
    scenario.pass(1_000)
    scenario.settle()
    assert.strictEqual(lastAnswer(sender), "ack")
    scenario.status(recipient, "dnd")
    scenario.send(sender, bob.publicKey, { id: "m2", ttlSeconds: 1 })
    scenario.settle()
    scenario.status(recipient, "idle")
    const request = scenario.reads.at(-1)
    assert.ok(request)
    const rows = Exit.succeed(scenario.store.page(request))
    scenario.pass(1_000)
    scenario.readOne(rows)
    scenario.settle()
    assert.deepStrictEqual(recipient.pushed, [])
    const last = scenario.send(sender, bob.publicKey, { id: "m3" })
    scenario.settle()
    assert.deepStrictEqual(recipient.pushed, [last])
  })

  it("is that of the recipient furthest behind, with each named", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const [one, two] = [scenario.attach(bob), scenario.attach(carol)]
    const id = scenario.send(sender, "*", { id: "m1", sealedKeys: sealedTo(bob, carol) })
    scenario.settle()
    scenario.ack(one, id)
    scenario.settle()
    assert.deepInclude(askFor(scenario, sender, id), { state: "delivered" })
    assert.deepStrictEqual(
      sender
        .of("message_state")
        .at(-1)
        ?.recipients.map(({ pubkey, sessionId, state }) => `${pubkey}/${sessionId} ${state}`),
      [`${bob.publicKey}/s1 consumed`, `${carol.publicKey}/s1 delivered`],
    )
    scenario.pass(1_000)
    scenario.ack(two, id)
    scenario.settle()
    assert.deepInclude(askFor(scenario, sender, id), { state: "consumed", at: isoFromMillis(scenario.nowMillis) })
  })

  it("is nobody else's business", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const recipient = scenario.attach(bob)
    const id = scenario.send(sender, bob.publicKey, { id: "m1" })
    scenario.settle()
    assert.deepInclude(askFor(scenario, recipient, id), { type: "error", code: "unknown_message", id: "q" })
    assert.deepInclude(askFor(scenario, sender, MessageId.make("0".repeat(32))), {
      code: "unknown_message",
      retryable: false,
    })
  })
})
