/** When a waiting message goes out: gates, windows, pulls and pages, decided without fibers. */
import { assert, describe, it } from "@effect/vitest"
import { MessageId } from "@claudemesh/domain/Ids"
import type { Priority, Status } from "@claudemesh/domain/routing/Status"
import { Exit } from "effect"
import type { MemberRecord } from "../src/store/MessageStore.ts"
import {
  alice,
  bob,
  MeshStory,
  nothingRemembered,
  type Peer,
  rulesWith,
  type SendChoices,
  storeFailure,
} from "./support/MeshStory.ts"

const session = (who: MemberRecord, name: string): string => `${who.publicKey}/${name}`

const sendMany = (story: MeshStory, from: Peer, target: string, count: number, choices: SendChoices = {}) =>
  Array.from({ length: count }, (_, n) =>
    story.send(from, target, { ...choices, id: `${choices.id ?? choices.priority ?? "m"}-${n}` }),
  )

const waitingForBob = (story: MeshStory) =>
  story.store.waiting({ memberId: bob.memberId, session: undefined }, story.nowMillis).length

const none = MessageId.make("0".repeat(32))

const redelivered = (peer: Peer) => peer.of("push").map((push) => push.redelivered)

describe("a message behind one that expired while it was committed", () => {
  it("is pushed at once (I9)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const reader = story.attach(bob)
    sendMany(story, sender, bob.publicKey, 1, { id: "late", ttlSeconds: 1 })
    story.nowMillis += 1_000
    story.settle()
    const next = sendMany(story, sender, bob.publicKey, 1)
    story.settle()
    assert.deepStrictEqual(reader.pushed, next)
  })
})

describe("the gate", () => {
  const table: ReadonlyArray<readonly [1 | 2, Status, ReadonlyArray<Priority>]> = [
    [2, "idle", ["now", "next"]],
    [2, "working", ["now"]],
    [2, "dnd", ["now"]],
    [1, "idle", ["now", "next", "low"]],
    [1, "working", ["now"]],
    [1, "dnd", ["now"]],
  ]
  for (const [protocol, status, admitted] of table) {
    it(`of a v${protocol} session that is ${status} lets through ${admitted.join(", ")}, from memory and from the store (I14)`, () => {
      for (const target of [bob.publicKey, session(bob, "s1")]) {
        const story = new MeshStory()
        const sender = story.attach(alice)
        const peer = story.attach(bob, { protocol })
        story.status(peer, status)
        for (const priority of ["now", "next", "low"] as const) story.send(sender, target, { id: priority, priority })
        story.settle()
        assert.sameMembers(
          peer.of("push").map((push) => push.priority),
          [...admitted],
        )
      }
      const story = new MeshStory()
      const sender = story.attach(alice)
      for (const priority of ["now", "next", "low"] as const)
        story.send(sender, bob.publicKey, { id: priority, priority })
      const peer = story.arrive(bob, { protocol })
      story.status(peer, status)
      story.settle()
      assert.sameMembers(
        peer.of("push").map((push) => push.priority),
        [...admitted],
      )
    })
  }

  it("that a status opens delivers at once what it held, in order, both to the session and to the member (I9)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const peer = story.attach(bob)
    story.status(peer, "dnd")
    const direct = sendMany(story, sender, session(bob, "s1"), 3, { id: "direct" })
    const shared = sendMany(story, sender, bob.publicKey, 3, { id: "shared" })
    story.settle()
    assert.deepStrictEqual(peer.pushed, [])
    story.status(peer, "idle")
    story.settle()
    assert.sameMembers([...peer.pushed], [...direct, ...shared])
    for (const ids of [direct, shared]) {
      assert.deepStrictEqual(
        peer.pushed.filter((id) => ids.includes(id)),
        ids,
      )
    }
  })

  it("that a status opens for another session lets that one have the member's messages (I9)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const first = story.attach(bob, { session: "s1" })
    const second = story.attach(bob, { session: "s2" })
    for (const peer of [first, second]) story.status(peer, "working")
    const id = story.send(sender, bob.publicKey)
    story.settle()
    story.status(second, "idle")
    story.settle()
    assert.deepStrictEqual([first.pushed, second.pushed], [[], [id]])
  })

  it("opens by itself when a `working` is 60 s old, and not before (I9, I10)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const peer = story.attach(bob)
    story.status(peer, "working")
    const id = story.send(sender, bob.publicKey)
    story.settle()
    assert.strictEqual(story.state.wakeAtMillis, story.nowMillis + 60_000)
    story.pass(59_999)
    story.settle()
    assert.deepStrictEqual(peer.pushed, [])
    story.pass(1)
    story.settle()
    assert.deepStrictEqual(peer.pushed, [id])
  })

  it("stays shut on a `working` that was renewed, until that one is old", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const peer = story.attach(bob)
    story.status(peer, "working")
    const id = story.send(sender, bob.publicKey)
    story.pass(40_000)
    story.status(peer, "working")
    story.pass(20_000)
    story.settle()
    assert.deepStrictEqual(peer.pushed, [])
    story.pass(40_000)
    story.settle()
    assert.deepStrictEqual(peer.pushed, [id])
  })

  it("stays shut on dnd for as long as nobody lifts it by hand (I10)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const peer = story.attach(bob)
    story.status(peer, "dnd")
    story.send(sender, bob.publicKey)
    story.pass(3 * 86_400_000)
    story.settle()
    assert.deepStrictEqual(peer.pushed, [])
    assert.strictEqual(story.state.wakeAtMillis, undefined)
  })
})

describe("a pull", () => {
  const behindTheGate = () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const peer = story.attach(bob)
    story.status(peer, "dnd")
    const low = sendMany(story, sender, bob.publicKey, 3, { priority: "low" })
    const next = sendMany(story, sender, session(bob, "s1"), 2, { priority: "next" })
    story.settle()
    assert.deepStrictEqual(peer.pushed, [])
    return { story, sender, peer, low, next }
  }

  it("has pushed to it whatever waits, `low` too, and is answered once with what remains (I12)", () => {
    const { low, next, peer, story } = behindTheGate()
    story.pull(peer, "p1")
    story.settle()
    assert.sameMembers([...peer.pushed], [...low, ...next])
    assert.deepStrictEqual(peer.of("ok"), [{ type: "ok", id: "p1", remaining: 0 }])
    assert.strictEqual(peer.last?.type, "ok", "the answer follows the pushes")
  })

  it("opens the gate for as many as it asks, and shuts it again", () => {
    const { peer, sender, story } = behindTheGate()
    story.pull(peer, "p1", 2)
    story.settle()
    assert.strictEqual(peer.pushed.length, 2)
    assert.deepStrictEqual(peer.of("ok"), [{ type: "ok", id: "p1", remaining: 3 }])
    story.send(sender, bob.publicKey, { id: "later" })
    story.settle()
    assert.strictEqual(peer.pushed.length, 2)
    story.pull(peer, "p2", 4)
    story.settle()
    assert.strictEqual(peer.pushed.length, 6)
    assert.deepStrictEqual(peer.of("ok")[1], { type: "ok", id: "p2", remaining: 0 })
    assert.strictEqual(new Set(peer.pushed).size, 6)
  })

  it("of nothing is answered at once", () => {
    const story = new MeshStory()
    const peer = story.attach(bob)
    story.pull(peer, "p1")
    assert.strictEqual(story.counts.length, 1)
    story.settle()
    assert.deepStrictEqual(peer.of("ok"), [{ type: "ok", id: "p1", remaining: 0 }])
  })

  it("stays within the window, and counts what did not fit as remaining", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const peer = story.attach(bob, { maxInFlight: 4 })
    sendMany(story, sender, bob.publicKey, 10, { priority: "low" })
    story.settle()
    story.pull(peer, "p1", 10)
    story.settle()
    assert.strictEqual(peer.pushed.length, 2)
    assert.deepStrictEqual(peer.of("ok"), [{ type: "ok", id: "p1", remaining: 8 }])
  })

  it("while another is under way is refused, and the first is answered all the same (I12)", () => {
    const { peer, story } = behindTheGate()
    story.pull(peer, "p1")
    story.pull(peer, "p2")
    assert.deepInclude(peer.last, { type: "error", id: "p2" })
    story.settle()
    assert.deepStrictEqual(
      peer.of("ok").map((ok) => ok.id),
      ["p1"],
    )
  })

  it("whose page could not be read is answered after the page was read again (I12)", () => {
    const { peer, story } = behindTheGate()
    story.pull(peer, "p1")
    while (story.reads.length > 0) story.readOne(storeFailure("unavailable"))
    assert.deepStrictEqual(peer.of("ok"), [])
    story.pass(1_000)
    story.settle()
    assert.strictEqual(peer.pushed.length, 5)
    assert.deepStrictEqual(peer.of("ok"), [{ type: "ok", id: "p1", remaining: 0 }])
  })

  it("whose page could not be read, and whose window has filled meanwhile, is answered all the same (I12)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const peer = story.attach(bob, { maxInFlight: 2 })
    sendMany(story, sender, bob.publicKey, 2, { priority: "low" })
    story.settle()
    story.pull(peer, "p1", 2)
    sendMany(story, sender, bob.publicKey, 2, { priority: "now" })
    story.commit()
    assert.strictEqual(story.remembered.inFlight, 2)
    while (story.reads.length > 0) story.readOne(storeFailure("unavailable"))
    story.pass(1_000)
    story.settle()
    assert.deepStrictEqual(peer.of("ok"), [{ type: "ok", id: "p1", remaining: 2 }])
  })

  it("whose remainder cannot be counted is answered with an error to try again (I12)", () => {
    const story = new MeshStory()
    const peer = story.attach(bob)
    story.pull(peer, "p1")
    const count = story.counts.shift()
    assert.ok(count?._tag === "CountWaiting")
    story.do({ ...count.next, counts: storeFailure("unavailable") })
    assert.deepInclude(peer.last, { type: "error", code: "unavailable", id: "p1", retryable: true })
  })
})

describe("the window", () => {
  it("holds at most maxInFlight unacked pushes, of which 16 are kept for `now`; each ack lets the next one in (I23)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const peer = story.attach(bob, { maxInFlight: 40 })
    const next = sendMany(story, sender, bob.publicKey, 60, { priority: "next" })
    story.settle()
    assert.deepStrictEqual(peer.pushed, next.slice(0, 24))
    const now = sendMany(story, sender, bob.publicKey, 20, { priority: "now" })
    story.settle()
    assert.deepStrictEqual(peer.pushed.slice(24), now.slice(0, 16))
    story.ack(peer, ...next.slice(0, 5))
    story.settle()
    assert.deepStrictEqual(
      peer.pushed.slice(40),
      now.slice(16),
      "now goes first, and next waits while its share is full",
    )
    story.ack(peer, ...now)
    story.settle()
    assert.deepStrictEqual(peer.pushed.slice(44), next.slice(24, 29))
  })

  it("is 500 unless the client asks for less, and 64 for a v1 client", () => {
    const story = new MeshStory()
    assert.strictEqual(story.attach(bob).of("hello_ack")[0]?.limits?.maxInFlight, 500)
    story.attach(alice, { protocol: 1 })
    assert.deepStrictEqual(
      [...story.state.connections.values()].map((connection) => connection.window.max),
      [500, 64],
    )
  })

  it("of one still lets every message through (I23)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const peer = story.attach(bob, { maxInFlight: 1 })
    const ids = sendMany(story, sender, bob.publicKey, 3)
    story.settle()
    for (const [index, id] of ids.entries()) {
      assert.deepStrictEqual(peer.pushed, ids.slice(0, index + 1))
      story.ack(peer, id)
      story.settle()
    }
  })

  it("holds 1 MiB unacked, also for `now`, and each ack makes room (I23)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const peer = story.attach(bob)
    const ids = sendMany(story, sender, bob.publicKey, 6, { priority: "now", ciphertext: "A".repeat(300_000) })
    story.settle()
    assert.deepStrictEqual(peer.pushed, ids.slice(0, 3))
    story.ack(peer, ...ids.slice(0, 2))
    story.settle()
    assert.deepStrictEqual(peer.pushed, ids.slice(0, 5))
    assert.strictEqual(story.remembered.inFlightCharacters, 900_000)
  })

  it("that is empty takes a single message of any size, and then no other", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const peer = story.attach(bob)
    const ids = sendMany(story, sender, bob.publicKey, 2, { ciphertext: "A".repeat(1_500_000) })
    const small = story.send(sender, bob.publicKey, { id: "small", priority: "now" })
    story.settle()
    assert.deepStrictEqual(peer.pushed, ids.slice(0, 1))
    story.status(peer, "idle")
    assert.deepStrictEqual(story.reads, [], "nothing is read that cannot go out")
    story.ack(peer, ...ids.slice(0, 1))
    story.settle()
    assert.strictEqual(peer.pushed.length, 2)
    story.ack(peer, ...peer.pushed.slice(1))
    story.settle()
    assert.sameMembers([...peer.pushed], [...ids, small])
  })

  it("of a v1 client opens once its pushes are recorded as consumed", () => {
    const story = new MeshStory(rulesWith({ pageRowsMax: 4 }))
    const sender = story.attach(alice)
    const peer = story.attach(bob, { protocol: 1, session: "1-1" })
    const ids = sendMany(story, sender, bob.publicKey, 9, { priority: "now" })
    while (story.writes.some(({ write }) => write._tag === "Accept")) story.commitOne()
    assert.deepStrictEqual(peer.pushed, ids.slice(0, 4))
    story.settle()
    assert.deepStrictEqual(peer.pushed, ids)
    assert.strictEqual(waitingForBob(story), 0)
    assert.deepStrictEqual(story.remembered, nothingRemembered)
  })

  it("ignores acks of what this connection was not pushed", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const first = story.attach(bob, { session: "s1" })
    const id = story.send(sender, session(bob, "s1"))
    story.settle()
    const other = story.attach(bob, { session: "s2" })
    story.ack(other, id)
    story.settle()
    assert.strictEqual(story.remembered.inFlight, 1)
    story.ack(first, id, id)
    story.settle()
    assert.deepStrictEqual(story.remembered, nothingRemembered)
  })
})

describe("a backlog", () => {
  const away = (limits: Parameters<typeof rulesWith>[0], count: number) => {
    const story = new MeshStory(rulesWith(limits))
    const sender = story.attach(alice)
    const ids = sendMany(story, sender, bob.publicKey, count)
    story.settle()
    return { story, sender, ids }
  }

  it("is read in pages, each after the last, until one comes back short; then messages go out from memory (I23)", () => {
    const { ids, sender, story } = away({ pageRowsMax: 4 }, 10)
    const peer = story.arrive(bob)
    story.commit()
    const pages: Array<readonly [after: number, limit: number]> = []
    while (story.reads[0] !== undefined) {
      pages.push([story.reads[0].afterSeq, story.reads[0].limit])
      story.readOne()
    }
    assert.deepStrictEqual(pages, [
      [0, 4],
      [4, 4],
      [8, 4],
    ])
    assert.deepStrictEqual(peer.pushed, ids)
    const next = story.send(sender, bob.publicKey, { id: "from-memory" })
    story.commitOne()
    assert.deepStrictEqual(peer.pushed.at(-1), next)
    assert.deepStrictEqual(story.reads, [])
  })

  it("asks for no more than the window takes", () => {
    const { story } = away({}, 10)
    story.arrive(bob, { maxInFlight: 6 })
    story.commit()
    assert.deepStrictEqual(
      story.reads.map((request) => request.limit),
      [3],
    )
  })

  it("takes in what is committed while a page is read, in order and once", () => {
    const { ids, sender, story } = away({}, 2)
    const peer = story.arrive(bob)
    story.commit()
    const request = story.reads[0]
    assert.ok(request)
    const page = story.store.page(request)
    const meanwhile = story.send(sender, bob.publicKey, { id: "meanwhile" })
    story.commit()
    assert.deepStrictEqual(peer.pushed, [])
    story.readOne(Exit.succeed(page))
    assert.strictEqual(story.reads.length, 1, "a short page is not the end: something came meanwhile")
    story.settle()
    assert.deepStrictEqual(peer.pushed, [...ids, meanwhile])
  })

  it("takes a message from a page that was quicker than the news of its commit once", () => {
    const { ids, sender, story } = away({}, 1)
    const peer = story.arrive(bob)
    story.commit()
    const early = story.send(sender, bob.publicKey, { id: "early" })
    const write = story.writes[0]
    assert.ok(write)
    const written = story.store.apply(write.write)
    story.readOne()
    assert.deepStrictEqual(peer.pushed, [...ids, early])
    story.commitOne(Exit.succeed(written))
    story.settle()
    assert.deepStrictEqual(peer.pushed, [...ids, early])
    assert.deepInclude(sender.last, { type: "ack", recipients: [{ pubkey: bob.publicKey, state: "delivered" }] })
  })

  it("discards a page that was asked for before a connection was lost, and reads again from what is pending (I8)", () => {
    const { ids, sender, story } = away({ pageRowsMax: 2 }, 4)
    const stays = story.arrive(bob, { session: "stays" })
    story.pass(1_000)
    const leaves = story.arrive(bob, { session: "leaves" })
    story.commit()
    story.readOne()
    assert.deepStrictEqual(leaves.pushed, ids.slice(0, 2))
    const request = story.reads[0]
    assert.strictEqual(request?.afterSeq, 2)
    const page = request && story.store.page(request)
    story.detach(leaves)
    story.readOne(Exit.succeed(page ?? []))
    assert.deepStrictEqual(stays.pushed, [], "m3 does not overtake m1")
    story.settle()
    assert.deepStrictEqual(stays.pushed, ids)
    assert.strictEqual(sender.of("error").length, 0)
  })

  it("never pushes again what was acked while a page with it was being read", () => {
    const { ids, story } = away({}, 2)
    const leaves = story.attach(bob, { session: "leaves", maxInFlight: 1 })
    const stays = story.attach(bob, { session: "stays" })
    assert.deepStrictEqual([leaves.pushed, stays.pushed], [ids.slice(0, 1), ids.slice(1)])
    story.detach(leaves)
    const request = story.reads[0]
    assert.ok(request)
    const page = story.store.page(request)
    assert.strictEqual(page.length, 2)
    story.ack(stays, ...ids.slice(1))
    story.commit()
    story.readOne(Exit.succeed(page))
    story.settle()
    assert.deepStrictEqual(stays.pushed, [...ids.slice(1), ...ids.slice(0, 1)])
  })

  it("whose page could not be read is read again a second later", () => {
    const { ids, story } = away({}, 2)
    const peer = story.arrive(bob)
    story.commit()
    story.readOne(storeFailure("unavailable"))
    assert.deepStrictEqual(story.reads, [])
    story.pass(999)
    assert.deepStrictEqual(story.reads, [])
    story.pass(1)
    story.settle()
    assert.deepStrictEqual(peer.pushed, ids)
  })

  it("leaves out what has expired (I17)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    story.send(sender, bob.publicKey, { id: "short", ttlSeconds: 10 })
    const long = story.send(sender, bob.publicKey, { id: "long" })
    story.settle()
    story.pass(10_000)
    assert.deepStrictEqual(story.attach(bob).pushed, [long])
  })
})

describe("`redelivered`", () => {
  it("is true after a connection was lost for what that one had leased, and false for what was only in its buffer (I8)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const first = story.attach(bob)
    const [shown = none] = sendMany(story, sender, bob.publicKey, 2)
    story.settle()
    story.lease(first, "l1", shown)
    story.settle()
    story.detach(first)
    story.settle()
    const second = story.attach(bob)
    assert.deepStrictEqual(
      [redelivered(first), redelivered(second)],
      [
        [false, false],
        [true, false],
      ],
    )
  })

  it("is true after an owner died for what was leased from it, and false for all else (I8)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const peer = story.attach(bob)
    const [shown = none, buffered = none] = sendMany(story, sender, bob.publicKey, 2)
    story.settle()
    story.lease(peer, "l1", shown)
    story.settle()
    story.status(peer, "dnd")
    const held = story.send(sender, bob.publicKey, { id: "held" })
    story.settle()
    story.restart()
    story.settle()
    const back = story.attach(bob)
    assert.deepStrictEqual(back.pushed, [shown, buffered, held])
    assert.deepStrictEqual(redelivered(back), [true, false, false])
  })
})

describe("an owner that takes over", () => {
  it("records sessions that the last one never saw leave as gone", () => {
    const story = new MeshStory()
    story.attach(bob)
    story.restart()
    story.settle()
    assert.deepStrictEqual(
      [...story.store.sessions.values()].map((one) => one.detachedAtMillis),
      [story.nowMillis],
    )
  })

  it("gives the member what waits for a v1 session, which never comes back (I24)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    story.status(story.attach(bob, { protocol: 1, session: "1-1" }), "dnd")
    const id = story.send(sender, session(bob, "1-1"))
    story.settle()
    story.restart()
    story.settle()
    assert.deepStrictEqual(story.attach(bob).pushed, [id])
  })
})

describe("memory", () => {
  it("holds nothing of a message once it is consumed, whatever became of its connections", () => {
    const story = new MeshStory(rulesWith({ pageRowsMax: 3 }))
    const sender = story.attach(alice)
    const first = story.attach(bob, { maxInFlight: 5 })
    sendMany(story, sender, bob.publicKey, 8, { id: "a" })
    sendMany(story, sender, session(bob, "s1"), 8, { id: "b" })
    story.settle()
    story.ack(first, ...first.pushed.slice(0, 2))
    story.detach(first)
    story.settle()
    const back = story.attach(bob)
    story.ack(back, ...back.pushed)
    story.settle()
    assert.strictEqual(waitingForBob(story), 0)
    assert.deepStrictEqual(story.remembered, nothingRemembered)
  })

  it("holds windows and never a backlog (I23)", () => {
    const story = new MeshStory(rulesWith({ pageRowsMax: 8 }))
    const sender = story.attach(alice)
    const peer = story.attach(bob, { maxInFlight: 10 })
    sendMany(story, sender, bob.publicKey, 500)
    story.settle()
    assert.strictEqual(peer.pushed.length, 5)
    assert.strictEqual(story.remembered.outstanding, 5)
  })
})
