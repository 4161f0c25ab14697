/**
 * The lease of a message, step by step: what is granted was written down before, what ends without a word is marked,
 * and every other end leaves no mark, however late the store is.
 */
import { Base64 } from "@claudemesh/domain/Base64"
import { type MessageId, RequestId } from "@claudemesh/domain/Ids"
import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import {
  alice,
  bob,
  MeshScenario,
  nothingRemembered,
  type Peer,
  rulesWith,
  storeFailure,
} from "./support/MeshScenario.ts"

/** Bob's one session, which was pushed so many. */
const pushedTo = (count: number, limits: Parameters<typeof rulesWith>[0] = {}) => {
  const scenario = new MeshScenario(rulesWith(limits))
  const sender = scenario.attach(alice)
  const peer = scenario.attach(bob, { session: "first" })
  const ids = Array.from({ length: count }, (_, n) => scenario.send(sender, bob.publicKey, { id: `m${n}` }))
  scenario.settle()
  assert.deepStrictEqual(peer.pushed, ids)
  return { scenario, sender, peer, ids }
}

const marks = (scenario: MeshScenario): ReadonlyArray<MessageId> =>
  scenario.store.deliveries
    .filter(({ consumedAtMillis, leased }) => leased !== false && consumedAtMillis === undefined)
    .map(({ message }) => message.messageId)

const leasedTo = (peer: Peer) => peer.of("leased").map(({ messageIds }) => messageIds)

const redeliveredTo = (peer: Peer) => peer.of("push").map(({ redelivered }) => redelivered)

/** The session is lost, and another one of bob's is there. */
const succeeded = (scenario: MeshScenario, peer: Peer): Peer => {
  scenario.detach(peer)
  scenario.settle()
  return scenario.attach(bob, { session: "second" })
}

describe("a lease", () => {
  it("is granted once it is written down, and never before (I8)", () => {
    const { ids, peer, scenario } = pushedTo(3)
    scenario.lease(peer, "l1", ...ids.slice(0, 2))
    assert.deepStrictEqual([leasedTo(peer), marks(scenario), peer.settled], [[], [], 0])
    scenario.commitOne()
    assert.deepStrictEqual(peer.of("leased"), [{ type: "leased", id: "l1", messageIds: ids.slice(0, 2) }])
    assert.deepStrictEqual(marks(scenario), ids.slice(0, 2))
    assert.strictEqual(peer.settled, 1)
  })

  it("of what is not in flight here is answered without it, also when that is all (I12)", () => {
    const { ids, peer, scenario } = pushedTo(2)
    const other = scenario.attach(bob, { session: "second" })
    scenario.lease(other, "l1", ...ids)
    assert.deepStrictEqual([leasedTo(other), other.settled, scenario.writes], [[[]], 1, []])
    scenario.ack(peer, ...ids.slice(0, 1))
    scenario.lease(peer, "l2", ...ids, ...ids)
    scenario.settle()
    assert.deepStrictEqual(leasedTo(peer), [ids.slice(1)])
  })

  it("that is written down when its connection is lost gives back what it had taken (I23)", () => {
    const { ids, peer, scenario } = pushedTo(1)
    scenario.lease(peer, "l1", ...ids)
    scenario.detach(peer)
    scenario.settle()
    assert.deepStrictEqual([leasedTo(peer), peer.settled], [[], 1])
  })

  it("that is asked for again is granted again, with nothing written when it was granted before", () => {
    const { ids, peer, scenario } = pushedTo(1)
    scenario.lease(peer, "l1", ...ids)
    scenario.lease(peer, "l2", ...ids)
    scenario.settle()
    scenario.lease(peer, "l3", ...ids)
    assert.deepStrictEqual([leasedTo(peer), scenario.writes], [[ids, ids, ids], []])
  })

  it("that is over before it is written down is not granted: acked, released or released and asked for again", () => {
    const { ids, peer, scenario } = pushedTo(3)
    const [acked, released, again] = ids
    assert.ok(acked && released && again)
    scenario.lease(peer, "l1", ...ids)
    scenario.ack(peer, acked)
    scenario.release(peer, released, again)
    scenario.lease(peer, "l2", again)
    scenario.commitOne()
    assert.deepStrictEqual(leasedTo(peer), [[]], "the second lease of it is not written down yet")
    scenario.settle()
    assert.deepStrictEqual(leasedTo(peer), [[], [again]])
    assert.deepStrictEqual(marks(scenario), [again])
  })

  it("whose write fails is answered with an error, and leaves no mark even where the write took effect (I12)", () => {
    for (const reason of ["unavailable", "rejected"] as const) {
      const { ids, peer, scenario } = pushedTo(2)
      scenario.lease(peer, "l1", ...ids)
      const write = scenario.writes[0]?.write
      assert.ok(write)
      scenario.store.apply(write)
      scenario.commitOne(storeFailure(reason))
      const code = reason === "rejected" ? "internal" : "unavailable"
      assert.deepInclude(peer.last, { type: "error", code, id: "l1", retryable: true })
      assert.deepStrictEqual([leasedTo(peer), peer.settled, marks(scenario)], [[], 1, ids])
      scenario.settle()
      assert.deepStrictEqual(marks(scenario), [])
      // It may be asked for again.
      scenario.lease(peer, "l2", ...ids)
      scenario.settle()
      assert.deepStrictEqual(leasedTo(peer), [ids])
      assert.deepStrictEqual(redeliveredTo(succeeded(scenario, peer)), [true, true])
    }
  })

  it("that fails over and over does not fill the group commit with words about its end (I23)", () => {
    const { ids, peer, scenario } = pushedTo(1)
    for (const id of ["l1", "l2", "l3"]) {
      scenario.lease(peer, id, ...ids)
      const index = scenario.writes.findIndex(({ write }) => write._tag === "Lease")
      const [lease] = scenario.writes.splice(index, 1)
      assert.ok(lease)
      scenario.end(lease, storeFailure("unavailable"))
    }
    assert.deepStrictEqual(
      scenario.writes.map(({ write }) => write._tag),
      ["Release"],
    )
  })

  it("keeps its message in the window until it is acked (I23)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob, { maxInFlight: 2 })
    const ids = ["m1", "m2"].map((id) => scenario.send(sender, bob.publicKey, { id }))
    scenario.settle()
    scenario.lease(peer, "l1", ...peer.pushed)
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, ids.slice(0, 1))
    scenario.ack(peer, ...ids.slice(0, 1))
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, ids)
  })

  it("makes a session the one that was active last", () => {
    const { ids, peer, sender, scenario } = pushedTo(1)
    scenario.pass(1_000)
    const other = scenario.attach(bob, { session: "second" })
    scenario.pass(1_000)
    scenario.lease(peer, "l1", ...ids)
    const next = scenario.send(sender, bob.publicKey, { id: "next" })
    scenario.settle()
    assert.deepStrictEqual([peer.pushed, other.pushed], [[...ids, next], []])
  })

  it("whose session is revoked or gone when it is written down is answered by nobody", () => {
    const { ids, peer, scenario } = pushedTo(1)
    scenario.lease(peer, "l1", ...ids)
    scenario.detach(peer)
    scenario.settle()
    assert.deepStrictEqual(leasedTo(peer), [])
    assert.deepStrictEqual(marks(scenario), [])
  })
})

describe("a release", () => {
  it("leaves no mark: another session gets the message as one that nobody was shown (I8)", () => {
    const { ids, peer, scenario } = pushedTo(1)
    scenario.lease(peer, "l1", ...ids)
    scenario.settle()
    scenario.release(peer, ...ids)
    assert.deepStrictEqual(redeliveredTo(succeeded(scenario, peer)), [false])
    assert.deepStrictEqual(marks(scenario), [])
  })

  it("leaves the message in flight, and a lease after it is a new one", () => {
    const { ids, peer, scenario } = pushedTo(1)
    scenario.lease(peer, "l1", ...ids)
    scenario.release(peer, ...ids)
    scenario.lease(peer, "l2", ...ids)
    scenario.settle()
    assert.deepStrictEqual(leasedTo(peer), [[], ids])
    assert.strictEqual(scenario.remembered.inFlight, 1)
    assert.deepStrictEqual(redeliveredTo(succeeded(scenario, peer)), [true])
  })

  it("does not undo that an earlier lease ended without a word (I8)", () => {
    const { ids, peer, scenario } = pushedTo(1)
    scenario.lease(peer, "l1", ...ids)
    scenario.settle()
    const second = succeeded(scenario, peer)
    scenario.lease(second, "l2", ...ids)
    scenario.settle()
    scenario.release(second, ...ids)
    scenario.settle()
    scenario.detach(second)
    scenario.settle()
    assert.deepStrictEqual(redeliveredTo(scenario.attach(bob, { session: "third" })), [true])
  })

  it("of what is not leased here says nothing", () => {
    const { ids, peer, scenario } = pushedTo(1)
    const other = scenario.attach(bob, { session: "second" })
    const before = peer.frames.length
    scenario.release(peer, ...ids)
    scenario.release(other, ...ids)
    assert.deepStrictEqual([scenario.writes, peer.frames.length], [[], before])
  })

  it("whose write is still under way is told of already, by a page that was read before it (I8)", () => {
    const { ids, peer, scenario } = pushedTo(1)
    const other = scenario.attach(bob, { session: "second" })
    scenario.lease(peer, "l1", ...ids)
    scenario.settle()
    scenario.release(peer, ...ids)
    scenario.pull(other, "p1")
    const request = scenario.reads[0]
    assert.ok(request)
    const page = scenario.store.page(request)
    assert.deepStrictEqual(
      page.map(({ leased }) => leased),
      ["until released"],
    )
    scenario.readOne(Exit.succeed(page))
    assert.deepStrictEqual(redeliveredTo(other), [false])
    scenario.settle()
    assert.deepStrictEqual(marks(scenario), [])
  })

  it("takes no mark away that another delivery of the message has left, before it is written or after (I8)", () => {
    for (const written of [false, true]) {
      const { ids, peer, scenario } = pushedTo(1)
      scenario.lease(peer, "l1", ...ids)
      scenario.settle()
      const [delivery] = scenario.store.deliveries
      assert.ok(delivery)
      delivery.leased = "for good"
      scenario.release(peer, ...ids)
      if (written) scenario.settle()
      const other = scenario.attach(bob, { session: "second" })
      scenario.pull(other, "p1")
      const request = scenario.reads[0]
      assert.ok(request)
      scenario.readOne(Exit.succeed(scenario.store.page(request)))
      scenario.settle()
      assert.deepStrictEqual(redeliveredTo(other), [true])
    }
  })

  it("that is written while a page is read has the page read again: its mark may be old", () => {
    const { ids, peer, scenario } = pushedTo(1)
    const other = scenario.attach(bob, { session: "second" })
    scenario.lease(peer, "l1", ...ids)
    scenario.settle()
    scenario.release(peer, ...ids)
    scenario.pull(other, "p1")
    const request = scenario.reads[0]
    assert.ok(request)
    const page = scenario.store.page(request)
    scenario.commit()
    scenario.readOne(Exit.succeed(page))
    assert.deepStrictEqual(other.pushed, [])
    scenario.settle()
    assert.deepStrictEqual(redeliveredTo(other), [false])
  })
})

describe("a connection that is lost", () => {
  it("while its lease is being written down leaves no mark: nothing was granted (I8)", () => {
    for (const written of [false, true]) {
      const { ids, peer, scenario } = pushedTo(2)
      scenario.lease(peer, "l1", ...ids)
      // Written, and not heard of yet.
      const [lease] = scenario.writes
      assert.ok(lease)
      if (written) scenario.store.apply(lease.write)
      scenario.detach(peer)
      const second = scenario.attach(bob, { session: "second" })
      assert.deepStrictEqual([second.pushed, redeliveredTo(second)], [ids, [false, false]])
      assert.deepStrictEqual(marks(scenario), [])
    }
  })

  it("does not take the mark from the session that leased the message after it (I8)", () => {
    const { ids, peer, scenario } = pushedTo(1)
    scenario.attach(bob, { session: "second" })
    scenario.lease(peer, "l1", ...ids)
    scenario.detach(peer)
    // The page is quicker than the group commit.
    while (scenario.reads.length > 0) scenario.readOne()
    const second = [...scenario.state.connections.values()].find(({ session }) => session.sessionId === "second")
    assert.ok(second)
    assert.strictEqual(second.window.size, 1)
    scenario.do({
      _tag: "Request",
      peer: second.peer,
      frame: { type: "lease", id: RequestId.make("l2"), messageIds: ids },
    })
    scenario.settle()
    assert.deepStrictEqual(marks(scenario), ids)
  })

  it("with a granted lease leaves the mark to its member, whose inbox the message moves to (I8)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob, { session: "first" })
    const sealedKeys = [{ pubkey: bob.publicKey, key: Base64.make("AAAA") }]
    const [leased, released] = ["m1", "m2"].map((id) => scenario.send(sender, "*", { id, sealedKeys }))
    assert.ok(leased && released)
    scenario.settle()
    scenario.lease(peer, "l1", leased, released)
    scenario.settle()
    scenario.release(peer, released)
    scenario.detach(peer, true)
    scenario.settle()
    const second = scenario.attach(bob, { session: "second" })
    assert.deepStrictEqual(
      [second.pushed, redeliveredTo(second)],
      [
        [leased, released],
        [true, false],
      ],
    )
  })

  it("is replaced by one of its own session, which is told what the first may have shown (I8)", () => {
    const { ids, peer, scenario } = pushedTo(2)
    scenario.lease(peer, "l1", ...ids.slice(0, 1))
    scenario.settle()
    const back = scenario.attach(bob, { session: "first" })
    assert.deepStrictEqual([back.pushed, redeliveredTo(back)], [ids, [true, false]])
    // What it was granted before, it may ack once it has it again.
    scenario.ack(back, ...ids)
    scenario.settle()
    assert.deepStrictEqual(scenario.remembered, nothingRemembered)
  })
})

describe("an owner that takes over", () => {
  it("finds in the store what was leased of the last one, and nothing of what was not granted to anybody (I24)", () => {
    const { ids, peer, sender, scenario } = pushedTo(3)
    const [granted, released, asked] = ids
    assert.ok(granted && released && asked)
    scenario.lease(peer, "l1", granted, released)
    scenario.settle()
    scenario.release(peer, released)
    scenario.restart()
    scenario.settle()
    const back = scenario.attach(bob, { session: "second" })
    assert.deepStrictEqual([back.pushed, redeliveredTo(back)], [ids, [true, false, false]])
    assert.strictEqual(sender.of("ack").length, 3)
  })
})
