/**
 * The lease of a message, step by step: what is granted was written down before, what ends without a word is marked,
 * and every other end leaves no mark, however late the store is.
 */
import { Base64 } from "@claudemesh/domain/Base64"
import { type MessageId, RequestId } from "@claudemesh/domain/Ids"
import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import { alice, bob, MeshStory, nothingRemembered, type Peer, rulesWith, storeFailure } from "./support/MeshStory.ts"

/** Bob's one session, which was pushed so many. */
const pushedTo = (count: number, limits: Parameters<typeof rulesWith>[0] = {}) => {
  const story = new MeshStory(rulesWith(limits))
  const sender = story.attach(alice)
  const peer = story.attach(bob, { session: "first" })
  const ids = Array.from({ length: count }, (_, n) => story.send(sender, bob.publicKey, { id: `m${n}` }))
  story.settle()
  assert.deepStrictEqual(peer.pushed, ids)
  return { story, sender, peer, ids }
}

const marks = (story: MeshStory): ReadonlyArray<MessageId> =>
  story.store.deliveries
    .filter(({ consumedAtMillis, leased }) => leased && consumedAtMillis === undefined)
    .map(({ message }) => message.messageId)

const leasedTo = (peer: Peer) => peer.of("leased").map(({ messageIds }) => messageIds)

const redeliveredTo = (peer: Peer) => peer.of("push").map(({ redelivered }) => redelivered)

/** The session is lost, and another one of bob's is there. */
const succeeded = (story: MeshStory, peer: Peer): Peer => {
  story.detach(peer)
  story.settle()
  return story.attach(bob, { session: "second" })
}

describe("a lease", () => {
  it("is granted once it is written down, and never before (I8)", () => {
    const { ids, peer, story } = pushedTo(3)
    story.lease(peer, "l1", ...ids.slice(0, 2))
    assert.deepStrictEqual([leasedTo(peer), marks(story), peer.settled], [[], [], 0])
    story.commitOne()
    assert.deepStrictEqual(peer.of("leased"), [{ type: "leased", id: "l1", messageIds: ids.slice(0, 2) }])
    assert.deepStrictEqual(marks(story), ids.slice(0, 2))
    assert.strictEqual(peer.settled, 1)
  })

  it("of what is not in flight here is answered without it, also when that is all (I12)", () => {
    const { ids, peer, story } = pushedTo(2)
    const other = story.attach(bob, { session: "second" })
    story.lease(other, "l1", ...ids)
    assert.deepStrictEqual([leasedTo(other), other.settled, story.writes], [[[]], 1, []])
    story.ack(peer, ...ids.slice(0, 1))
    story.lease(peer, "l2", ...ids, ...ids)
    story.settle()
    assert.deepStrictEqual(leasedTo(peer), [ids.slice(1)])
  })

  it("that is written down when its connection is lost gives back what it had taken (I23)", () => {
    const { ids, peer, story } = pushedTo(1)
    story.lease(peer, "l1", ...ids)
    story.detach(peer)
    story.settle()
    assert.deepStrictEqual([leasedTo(peer), peer.settled], [[], 1])
  })

  it("that is asked for again is granted again, with nothing written when it was granted before", () => {
    const { ids, peer, story } = pushedTo(1)
    story.lease(peer, "l1", ...ids)
    story.lease(peer, "l2", ...ids)
    story.settle()
    story.lease(peer, "l3", ...ids)
    assert.deepStrictEqual([leasedTo(peer), story.writes], [[ids, ids, ids], []])
  })

  it("that is over before it is written down is not granted: acked, released or released and asked for again", () => {
    const { ids, peer, story } = pushedTo(3)
    const [acked, released, again] = ids
    assert.ok(acked && released && again)
    story.lease(peer, "l1", ...ids)
    story.ack(peer, acked)
    story.release(peer, released, again)
    story.lease(peer, "l2", again)
    story.commitOne()
    assert.deepStrictEqual(leasedTo(peer), [[]], "the second lease of it is not written down yet")
    story.settle()
    assert.deepStrictEqual(leasedTo(peer), [[], [again]])
    assert.deepStrictEqual(marks(story), [again])
  })

  it("whose write fails is answered with an error, and leaves no mark even where the write took effect (I12)", () => {
    for (const reason of ["unavailable", "rejected"] as const) {
      const { ids, peer, story } = pushedTo(2)
      story.lease(peer, "l1", ...ids)
      const write = story.writes[0]?.write
      assert.ok(write)
      story.store.apply(write)
      story.commitOne(storeFailure(reason))
      const code = reason === "rejected" ? "internal" : "unavailable"
      assert.deepInclude(peer.last, { type: "error", code, id: "l1", retryable: true })
      assert.deepStrictEqual([leasedTo(peer), peer.settled, marks(story)], [[], 1, ids])
      story.settle()
      assert.deepStrictEqual(marks(story), [])
      // It may be asked for again.
      story.lease(peer, "l2", ...ids)
      story.settle()
      assert.deepStrictEqual(leasedTo(peer), [ids])
      assert.deepStrictEqual(redeliveredTo(succeeded(story, peer)), [true, true])
    }
  })

  it("that fails over and over does not fill the lane with words about its end (I23)", () => {
    const { ids, peer, story } = pushedTo(1)
    for (const id of ["l1", "l2", "l3"]) {
      story.lease(peer, id, ...ids)
      const index = story.writes.findIndex(({ write }) => write._tag === "Lease")
      const [lease] = story.writes.splice(index, 1)
      assert.ok(lease)
      story.end(lease, storeFailure("unavailable"))
    }
    assert.deepStrictEqual(
      story.writes.map(({ write }) => write._tag),
      ["Release"],
    )
  })

  it("keeps its message in the window until it is acked (I23)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const peer = story.attach(bob, { maxInFlight: 2 })
    const ids = ["m1", "m2"].map((id) => story.send(sender, bob.publicKey, { id }))
    story.settle()
    story.lease(peer, "l1", ...peer.pushed)
    story.settle()
    assert.deepStrictEqual(peer.pushed, ids.slice(0, 1))
    story.ack(peer, ...ids.slice(0, 1))
    story.settle()
    assert.deepStrictEqual(peer.pushed, ids)
  })

  it("makes a session the one that was active last", () => {
    const { ids, peer, sender, story } = pushedTo(1)
    story.pass(1_000)
    const other = story.attach(bob, { session: "second" })
    story.pass(1_000)
    story.lease(peer, "l1", ...ids)
    const next = story.send(sender, bob.publicKey, { id: "next" })
    story.settle()
    assert.deepStrictEqual([peer.pushed, other.pushed], [[...ids, next], []])
  })

  it("whose session is revoked or gone when it is written down is answered by nobody", () => {
    const { ids, peer, story } = pushedTo(1)
    story.lease(peer, "l1", ...ids)
    story.detach(peer)
    story.settle()
    assert.deepStrictEqual(leasedTo(peer), [])
    assert.deepStrictEqual(marks(story), [])
  })
})

describe("a release", () => {
  it("leaves no mark: another session gets the message as one that nobody was shown (I8)", () => {
    const { ids, peer, story } = pushedTo(1)
    story.lease(peer, "l1", ...ids)
    story.settle()
    story.release(peer, ...ids)
    assert.deepStrictEqual(redeliveredTo(succeeded(story, peer)), [false])
    assert.deepStrictEqual(marks(story), [])
  })

  it("leaves the message in flight, and a lease after it is a new one", () => {
    const { ids, peer, story } = pushedTo(1)
    story.lease(peer, "l1", ...ids)
    story.release(peer, ...ids)
    story.lease(peer, "l2", ...ids)
    story.settle()
    assert.deepStrictEqual(leasedTo(peer), [[], ids])
    assert.strictEqual(story.remembered.inFlight, 1)
    assert.deepStrictEqual(redeliveredTo(succeeded(story, peer)), [true])
  })

  it("does not undo that an earlier lease ended without a word (I8)", () => {
    const { ids, peer, story } = pushedTo(1)
    story.lease(peer, "l1", ...ids)
    story.settle()
    const second = succeeded(story, peer)
    story.lease(second, "l2", ...ids)
    story.settle()
    story.release(second, ...ids)
    story.settle()
    story.detach(second)
    story.settle()
    assert.deepStrictEqual(redeliveredTo(story.attach(bob, { session: "third" })), [true])
  })

  it("of what is not leased here says nothing", () => {
    const { ids, peer, story } = pushedTo(1)
    const other = story.attach(bob, { session: "second" })
    const before = peer.frames.length
    story.release(peer, ...ids)
    story.release(other, ...ids)
    assert.deepStrictEqual([story.writes, peer.frames.length], [[], before])
  })

  it("whose write is still under way is told of already, by a page that was read before it (I8)", () => {
    const { ids, peer, story } = pushedTo(1)
    const other = story.attach(bob, { session: "second" })
    story.lease(peer, "l1", ...ids)
    story.settle()
    story.release(peer, ...ids)
    story.pull(other, "p1")
    const request = story.reads[0]
    assert.ok(request)
    const page = story.store.page(request)
    assert.deepStrictEqual(
      page.map(({ leased }) => leased),
      [true],
    )
    story.readOne(Exit.succeed(page))
    assert.deepStrictEqual(redeliveredTo(other), [false])
    story.settle()
    assert.deepStrictEqual(marks(story), [])
  })

  it("that is written while a page is read has the page read again: its mark may be old", () => {
    const { ids, peer, story } = pushedTo(1)
    const other = story.attach(bob, { session: "second" })
    story.lease(peer, "l1", ...ids)
    story.settle()
    story.release(peer, ...ids)
    story.pull(other, "p1")
    const request = story.reads[0]
    assert.ok(request)
    const page = story.store.page(request)
    story.commit()
    story.readOne(Exit.succeed(page))
    assert.deepStrictEqual(other.pushed, [])
    story.settle()
    assert.deepStrictEqual(redeliveredTo(other), [false])
  })
})

describe("a connection that is lost", () => {
  it("while its lease is being written down leaves no mark: nothing was granted (I8)", () => {
    for (const written of [false, true]) {
      const { ids, peer, story } = pushedTo(2)
      story.lease(peer, "l1", ...ids)
      // Written, and not heard of yet.
      const [lease] = story.writes
      assert.ok(lease)
      if (written) story.store.apply(lease.write)
      story.detach(peer)
      const second = story.attach(bob, { session: "second" })
      assert.deepStrictEqual([second.pushed, redeliveredTo(second)], [ids, [false, false]])
      assert.deepStrictEqual(marks(story), [])
    }
  })

  it("does not take the mark from the session that leased the message after it (I8)", () => {
    const { ids, peer, story } = pushedTo(1)
    story.attach(bob, { session: "second" })
    story.lease(peer, "l1", ...ids)
    story.detach(peer)
    // The page is quicker than the lane.
    while (story.reads.length > 0) story.readOne()
    const second = [...story.state.connections.values()].find(({ session }) => session.sessionId === "second")
    assert.ok(second)
    assert.strictEqual(second.window.size, 1)
    story.do({
      _tag: "Request",
      peer: second.peer,
      frame: { type: "lease", id: RequestId.make("l2"), messageIds: ids },
    })
    story.settle()
    assert.deepStrictEqual(marks(story), ids)
  })

  it("with a granted lease leaves the mark to its member, whose inbox the message moves to (I8)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const peer = story.attach(bob, { session: "first" })
    const sealedKeys = [{ pubkey: bob.publicKey, key: Base64.make("AAAA") }]
    const [leased, released] = ["m1", "m2"].map((id) => story.send(sender, "*", { id, sealedKeys }))
    assert.ok(leased && released)
    story.settle()
    story.lease(peer, "l1", leased, released)
    story.settle()
    story.release(peer, released)
    story.detach(peer, true)
    story.settle()
    const second = story.attach(bob, { session: "second" })
    assert.deepStrictEqual(
      [second.pushed, redeliveredTo(second)],
      [
        [leased, released],
        [true, false],
      ],
    )
  })

  it("is replaced by one of its own session, which is told what the first may have shown (I8)", () => {
    const { ids, peer, story } = pushedTo(2)
    story.lease(peer, "l1", ...ids.slice(0, 1))
    story.settle()
    const back = story.attach(bob, { session: "first" })
    assert.deepStrictEqual([back.pushed, redeliveredTo(back)], [ids, [true, false]])
    // What it was granted before, it may ack once it has it again.
    story.ack(back, ...ids)
    story.settle()
    assert.deepStrictEqual(story.remembered, nothingRemembered)
  })
})

describe("an owner that takes over", () => {
  it("finds in the store what was leased of the last one, and nothing of what was not granted to anybody (I24)", () => {
    const { ids, peer, sender, story } = pushedTo(3)
    const [granted, released, asked] = ids
    assert.ok(granted && released && asked)
    story.lease(peer, "l1", granted, released)
    story.settle()
    story.release(peer, released)
    story.restart()
    story.settle()
    const back = story.attach(bob, { session: "second" })
    assert.deepStrictEqual([back.pushed, redeliveredTo(back)], [ids, [true, false, false]])
    assert.strictEqual(sender.of("ack").length, 3)
  })
})
