/** What a mesh does about a page it cannot read and a write that is not taken: again, less and less often, and aloud. */
import { assert, describe, it } from "@effect/vitest"
import { Base64 } from "@claudemesh/domain/Base64"
import { Label, RequestId } from "@claudemesh/domain/Ids"
import { writeTriesMax } from "../src/delivery/Unwritten.ts"
import { pageTriesMax } from "../src/state/Inbox.ts"
import { alice, bob, MeshStory, nothingRemembered, rulesWith, storeFailure } from "./support/MeshStory.ts"

describe("a page that cannot be read", () => {
  /** Two messages wait for Bob, who is there now. */
  const failing = () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const ids = ["m1", "m2"].map((id) => story.send(sender, bob.publicKey, { id }))
    story.settle()
    const peer = story.arrive(bob)
    story.commit()
    return { ids, peer, sender, story }
  }

  /** How long until it is tried again, in whole seconds; undefined: not within a day. */
  const nextTry = (story: MeshStory): number | undefined => {
    for (let seconds = 1; seconds <= 86_400; seconds = seconds < 120 ? seconds + 1 : seconds * 2) {
      story.pass(seconds < 120 ? 1_000 : seconds * 500)
      if (story.reads.length > 0) return seconds
    }
    return undefined
  }

  it("is tried again after a second, then less and less often, and never less often than each half minute (I23)", () => {
    const { ids, peer, story } = failing()
    const waits = Array.from({ length: 8 }, () => {
      story.readOne(storeFailure("unavailable"))
      assert.deepStrictEqual(story.reads, [])
      return nextTry(story)
    })
    assert.deepStrictEqual(waits, [1, 2, 4, 8, 16, 30, 30, 30])
    story.settle()
    assert.deepStrictEqual(peer.pushed, ids)
  })

  it("is not tried more often by what happens meanwhile, and begins with a second again once one was read", () => {
    const { peer, sender, story } = failing()
    for (const _ of [1, 2, 3]) {
      story.readOne(storeFailure("unavailable"))
      nextTry(story)
    }
    story.readOne(storeFailure("unavailable"))
    story.status(peer, "idle")
    story.send(sender, bob.publicKey, { id: "m3" })
    story.commit()
    assert.deepStrictEqual(story.reads, [])
    assert.strictEqual(nextTry(story), 8)
    story.settle()
    story.detach(peer)
    story.arrive(bob)
    story.commit()
    story.readOne(storeFailure("unavailable"))
    assert.strictEqual(nextTry(story), 1)
  })

  it("is tried at once for whoever comes or asks", () => {
    const { ids, peer, story } = failing()
    for (const _ of [1, 2, 3]) {
      story.readOne(storeFailure("unavailable"))
      nextTry(story)
    }
    story.readOne(storeFailure("unavailable"))
    story.pull(peer, "p1")
    assert.strictEqual(story.reads.length, 1)
    story.readOne(storeFailure("unavailable"))
    story.detach(peer)
    const second = story.attach(bob, { session: "s2" })
    assert.deepStrictEqual(second.pushed, ids)
  })

  it("does not keep whoever pulls waiting for longer than two tries (I12)", () => {
    const { peer, story } = failing()
    story.pull(peer, "p1")
    story.readOne(storeFailure("unavailable"))
    assert.deepStrictEqual(story.counts, [])
    nextTry(story)
    story.readOne(storeFailure("unavailable"))
    story.countOne()
    assert.deepStrictEqual(peer.of("ok"), [{ type: "ok", id: "p1", remaining: 2 }])
  })

  it("is left alone after some tries where the database is there and its rows cannot be read, until somebody asks", () => {
    const { ids, peer, sender, story } = failing()
    for (let tries = 1; tries < pageTriesMax; tries++) {
      story.readOne(storeFailure("rejected"))
      assert.isDefined(nextTry(story))
    }
    story.readOne(storeFailure("rejected"))
    assert.isUndefined(nextTry(story))
    // Of another priority all is well.
    const now = story.send(sender, bob.publicKey, { id: "m3", priority: "now" })
    story.settle()
    assert.deepStrictEqual(peer.pushed, [now])
    story.pull(peer, "p1")
    story.settle()
    assert.deepStrictEqual(peer.pushed, [now, ...ids])
  })

  it("is said in the log: of a mesh once a minute, and of each inbox that is left alone", () => {
    const { story } = failing()
    for (let tries = 1; tries < pageTriesMax; tries++) {
      story.readOne(storeFailure("rejected"))
      nextTry(story)
    }
    assert.deepStrictEqual(
      story.logged.map(({ level }) => level),
      ["warning", "warning"],
    )
    story.readOne(storeFailure("rejected"))
    const last = story.logged.at(-1)
    assert.strictEqual(last?.level, "error")
    assert.include(JSON.stringify(last?.about), bob.memberId)
  })
})

describe("a write that the database refuses and nobody would ask for again", () => {
  /** Bob has been pushed one message, and has acked it. */
  const acked = (session = "s1") => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const peer = story.attach(bob, { session })
    const id = story.send(sender, bob.publicKey, { id: "m1" })
    story.settle()
    story.ack(peer, id)
    return { id, peer, sender, story }
  }

  it("that a message was consumed is tried again, and until then the message is not pushed again (I8)", () => {
    const { id, peer, story } = acked()
    story.commitOne(storeFailure("rejected"))
    story.detach(peer)
    const second = story.attach(bob, { session: "s2" })
    story.pull(second, "p1")
    story.settle()
    assert.deepStrictEqual(second.pushed, [])
    story.pass(1_000)
    story.settle()
    assert.isTrue(story.store.deliveries.every(({ consumedAtMillis }) => consumedAtMillis !== undefined))
    assert.deepStrictEqual(story.remembered, nothingRemembered)
    assert.deepStrictEqual(peer.pushed, [id])
  })

  it("opens the window of a first client once it is written, and not before", () => {
    const story = new MeshStory(rulesWith({ pageRowsMax: 2 }))
    const sender = story.attach(alice)
    const peer = story.attach(bob, { session: "1-1", protocol: 1 })
    for (const id of ["m1", "m2"]) story.send(sender, bob.publicKey, { id })
    story.commitOne()
    story.commitOne()
    story.commitOne(storeFailure("rejected"))
    assert.strictEqual(story.remembered.inFlight, peer.pushed.length)
    story.pass(1_000)
    story.settle()
    assert.strictEqual(peer.pushed.length, 2)
    assert.deepStrictEqual(story.remembered, nothingRemembered)
  })

  it("is given up after some tries, and the log says so; memory keeps nothing of it (I23)", () => {
    const { story } = acked()
    for (let tries = 1; tries < writeTriesMax; tries++) {
      story.commitOne(storeFailure("rejected"))
      assert.deepStrictEqual(story.logged, [])
      story.pass(30_000)
    }
    story.commitOne(storeFailure("rejected"))
    assert.deepStrictEqual(
      story.logged.map(({ level }) => level),
      ["error"],
    )
    assert.deepStrictEqual([story.later, story.remembered], [[], nothingRemembered])
  })

  it("that a lease is void is tried again, and until then no push says that the message may have been shown (I8)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const first = story.attach(bob)
    const id = story.send(sender, bob.publicKey, { id: "m1" })
    story.settle()
    story.lease(first, "l1", id)
    story.settle()
    story.release(first, id)
    story.commitOne(storeFailure("rejected"))
    story.detach(first)
    const second = story.attach(bob, { session: "s2" })
    assert.deepStrictEqual(
      second.of("push").map(({ redelivered }) => redelivered),
      [false],
    )
    story.pass(1_000)
    story.settle()
    assert.isFalse(story.store.deliveries[0]?.leased)
    assert.strictEqual(story.remembered.clearing, 0)
  })

  it("that a lease is void is not tried any more where the message was leased again meanwhile (I8)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const first = story.attach(bob)
    const id = story.send(sender, bob.publicKey, { id: "m1" })
    story.settle()
    story.lease(first, "l1", id)
    story.settle()
    story.release(first, id)
    story.commitOne(storeFailure("rejected"))
    story.lease(first, "l2", id)
    story.settle()
    story.pass(1_000)
    story.settle()
    story.detach(first)
    story.settle()
    const second = story.attach(bob, { session: "s2" })
    assert.deepStrictEqual(
      second.of("push").map(({ redelivered }) => redelivered),
      [true],
    )
    assert.strictEqual(story.remembered.clearing, 0)
  })

  /** A message to everyone is in the inbox of Bob's session, which said goodbye. */
  const leftBehind = () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const gone = story.attach(bob)
    story.status(gone, "dnd")
    const id = story.send(sender, "*", { id: "m1", sealedKeys: [{ pubkey: bob.publicKey, key: Base64.make("AAAA") }] })
    story.settle()
    story.detach(gone, true)
    const at = story.writes.findIndex(({ write }) => write._tag === "InboxMoved")
    for (let n = 0; n < at; n++) story.commitOne()
    story.commitOne(storeFailure("rejected"))
    return { id, story }
  }

  it("that makes a session's messages its member's is tried again", () => {
    const { id, story } = leftBehind()
    const other = story.attach(bob, { session: "s2" })
    assert.deepStrictEqual(other.pushed, [])
    story.pass(1_000)
    story.settle()
    assert.deepStrictEqual(other.pushed, [id])
  })

  it("takes nothing away from a session that has come back meanwhile", () => {
    const { id, story } = leftBehind()
    const back = story.attach(bob)
    story.status(back, "idle")
    const other = story.attach(bob, { session: "s2" })
    story.pass(1_000)
    story.settle()
    assert.deepStrictEqual([back.pushed, other.pushed], [[id], []])
    assert.isFalse(story.later.length > 0)
  })

  it("that a session is attached ends the connection, and nothing is pushed to it before (I1)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    story.send(sender, bob.publicKey, { id: "m1" })
    story.settle()
    const peer = story.arrive(bob)
    story.commitOne(storeFailure("rejected"))
    story.settle()
    assert.deepStrictEqual(
      peer.closed.map(({ code }) => code),
      [1001],
    )
    assert.deepStrictEqual(peer.pushed, [])
  })

  it("that a session is in a channel leaves it as it was before", () => {
    const story = new MeshStory()
    const peer = story.attach(bob)
    const channel = Label.make("ops")
    const id = RequestId.make("r1")
    const channels = () => [...(story.state.connections.get(peer.id)?.session.channels ?? [])]
    story.request(peer, { type: "leave_channel", channel, id })
    story.commitOne(storeFailure("rejected"))
    assert.deepStrictEqual(channels(), [])
    story.join(peer, "ops")
    story.request(peer, { type: "join_channel", channel, id })
    story.commitOne(storeFailure("rejected"))
    assert.deepStrictEqual(channels(), [channel])
    // What was said of it later stands.
    story.request(peer, { type: "join_channel", channel, id })
    story.request(peer, { type: "leave_channel", channel, id })
    story.commitOne(storeFailure("rejected"))
    story.settle()
    assert.deepStrictEqual(channels(), [])
  })

  it("by an owner that is not the last one any more has the mesh begin again from the store", () => {
    const { story } = acked()
    story.commitOne(storeFailure("fenced"))
    assert.isTrue(story.fenced)
    assert.deepStrictEqual(story.later, [])
  })
})

describe("an inbox that could not be counted after others' messages came to it", () => {
  it("is counted before long by whoever sends to it, so that its bound holds (I23)", () => {
    const story = new MeshStory(rulesWith({ backlogMessagesMax: 2 }))
    const sender = story.attach(alice)
    const gone = story.attach(bob, { session: "1-1", protocol: 1 })
    story.status(gone, "dnd")
    for (const id of ["m1", "m2"]) story.send(sender, `${bob.publicKey}/1-1`, { id })
    story.settle()
    story.detach(gone)
    while (story.writes.length > 0) story.commitOne()
    for (const { next, ...count } of story.counts.splice(0)) {
      assert.strictEqual(count._tag, "Count")
      if (next._tag === "Counted") story.do({ ...next, backlog: storeFailure("unavailable") })
    }
    story.send(sender, bob.publicKey, { id: "m3" })
    story.settle()
    story.send(sender, bob.publicKey, { id: "m4" })
    story.settle()
    assert.deepInclude(sender.last, { type: "error", code: "backlog_full" })
  })
})
