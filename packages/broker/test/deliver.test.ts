/** When a waiting message goes out: gates, windows, pulls and pages, decided without fibers. */
import { assert, describe, it } from "@effect/vitest"
import { MessageId } from "@claudemesh/domain/Ids"
import type { Priority, Status } from "@claudemesh/domain/routing/Status"
import { Exit } from "effect"
import type { MemberRecord } from "../src/store/MessageStore.ts"
import {
  alice,
  bob,
  MeshScenario,
  nothingRemembered,
  type Peer,
  rulesWith,
  type SendChoices,
  storeFailure,
} from "./support/MeshScenario.ts"

const session = (who: MemberRecord, name: string): string => `${who.publicKey}/${name}`

const sendMany = (scenario: MeshScenario, from: Peer, target: string, count: number, choices: SendChoices = {}) =>
  Array.from({ length: count }, (_, n) =>
    scenario.send(from, target, { ...choices, id: `${choices.id ?? choices.priority ?? "m"}-${n}` }),
  )

const waitingForBob = (scenario: MeshScenario) =>
  scenario.store.waiting({ memberId: bob.memberId, session: undefined }, scenario.nowMillis).length

const none = MessageId.make("0".repeat(32))

const redelivered = (peer: Peer) => peer.of("push").map((push) => push.redelivered)

describe("a message behind one that expired while it was committed", () => {
  it("is pushed at once (I9)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const reader = scenario.attach(bob)
    sendMany(scenario, sender, bob.publicKey, 1, { id: "late", ttlSeconds: 1 })
    scenario.nowMillis += 1_000
    scenario.settle()
    const next = sendMany(scenario, sender, bob.publicKey, 1)
    scenario.settle()
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
        const scenario = new MeshScenario()
        const sender = scenario.attach(alice)
        const peer = scenario.attach(bob, { protocol })
        scenario.status(peer, status)
        for (const priority of ["now", "next", "low"] as const)
          scenario.send(sender, target, { id: priority, priority })
        scenario.settle()
        assert.sameMembers(
          peer.of("push").map((push) => push.priority),
          [...admitted],
        )
      }
      const scenario = new MeshScenario()
      const sender = scenario.attach(alice)
      for (const priority of ["now", "next", "low"] as const)
        scenario.send(sender, bob.publicKey, { id: priority, priority })
      const peer = scenario.arrive(bob, { protocol })
      scenario.status(peer, status)
      scenario.settle()
      assert.sameMembers(
        peer.of("push").map((push) => push.priority),
        [...admitted],
      )
    })
  }

  it("that a status opens delivers at once what it held, in order, both to the session and to the member (I9)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob)
    scenario.status(peer, "dnd")
    const direct = sendMany(scenario, sender, session(bob, "s1"), 3, { id: "direct" })
    const shared = sendMany(scenario, sender, bob.publicKey, 3, { id: "shared" })
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [])
    scenario.status(peer, "idle")
    scenario.settle()
    assert.sameMembers([...peer.pushed], [...direct, ...shared])
    for (const ids of [direct, shared]) {
      assert.deepStrictEqual(
        peer.pushed.filter((id) => ids.includes(id)),
        ids,
      )
    }
  })

  it("that a status opens for another session lets that one have the member's messages (I9)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const first = scenario.attach(bob, { session: "s1" })
    const second = scenario.attach(bob, { session: "s2" })
    for (const peer of [first, second]) scenario.status(peer, "working")
    const id = scenario.send(sender, bob.publicKey)
    scenario.settle()
    scenario.status(second, "idle")
    scenario.settle()
    assert.deepStrictEqual([first.pushed, second.pushed], [[], [id]])
  })

  it("opens by itself when a `working` is 60 s old, and not before (I9, I10)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob)
    scenario.status(peer, "working")
    const id = scenario.send(sender, bob.publicKey)
    scenario.settle()
    assert.strictEqual(scenario.state.wakeAtMillis, scenario.nowMillis + 60_000)
    scenario.pass(59_999)
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [])
    scenario.pass(1)
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [id])
  })

  it("stays shut on a `working` that was renewed, until that one is old", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob)
    scenario.status(peer, "working")
    const id = scenario.send(sender, bob.publicKey)
    scenario.pass(40_000)
    scenario.status(peer, "working")
    scenario.pass(20_000)
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [])
    scenario.pass(40_000)
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [id])
  })

  it("stays shut on dnd for as long as nobody lifts it by hand (I10)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob)
    scenario.status(peer, "dnd")
    scenario.send(sender, bob.publicKey)
    scenario.pass(3 * 86_400_000)
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [])
    assert.strictEqual(scenario.state.wakeAtMillis, undefined)
  })
})

describe("a pull", () => {
  const behindTheGate = () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob)
    scenario.status(peer, "dnd")
    const low = sendMany(scenario, sender, bob.publicKey, 3, { priority: "low" })
    const next = sendMany(scenario, sender, session(bob, "s1"), 2, { priority: "next" })
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [])
    return { scenario, sender, peer, low, next }
  }

  it("has pushed to it whatever waits, `low` too, and is answered once with what remains (I12)", () => {
    const { low, next, peer, scenario } = behindTheGate()
    scenario.pull(peer, "p1")
    scenario.settle()
    assert.sameMembers([...peer.pushed], [...low, ...next])
    assert.deepStrictEqual(peer.of("ok"), [{ type: "ok", id: "p1", remaining: 0 }])
    assert.strictEqual(peer.last?.type, "ok", "the answer follows the pushes")
  })

  it("opens the gate for as many as it asks, and shuts it again", () => {
    const { peer, sender, scenario } = behindTheGate()
    scenario.pull(peer, "p1", 2)
    scenario.settle()
    assert.strictEqual(peer.pushed.length, 2)
    assert.deepStrictEqual(peer.of("ok"), [{ type: "ok", id: "p1", remaining: 3 }])
    scenario.send(sender, bob.publicKey, { id: "later" })
    scenario.settle()
    assert.strictEqual(peer.pushed.length, 2)
    scenario.pull(peer, "p2", 4)
    scenario.settle()
    assert.strictEqual(peer.pushed.length, 6)
    assert.deepStrictEqual(peer.of("ok")[1], { type: "ok", id: "p2", remaining: 0 })
    assert.strictEqual(new Set(peer.pushed).size, 6)
  })

  it("of nothing is answered at once", () => {
    const scenario = new MeshScenario()
    const peer = scenario.attach(bob)
    scenario.pull(peer, "p1")
    assert.strictEqual(scenario.counts.length, 1)
    scenario.settle()
    assert.deepStrictEqual(peer.of("ok"), [{ type: "ok", id: "p1", remaining: 0 }])
  })

  it("stays within the window, and counts what did not fit as remaining", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob, { maxInFlight: 4 })
    sendMany(scenario, sender, bob.publicKey, 10, { priority: "low" })
    scenario.settle()
    scenario.pull(peer, "p1", 10)
    scenario.settle()
    assert.strictEqual(peer.pushed.length, 2)
    assert.deepStrictEqual(peer.of("ok"), [{ type: "ok", id: "p1", remaining: 8 }])
  })

  it("while another is under way is refused, and the first is answered all the same (I12)", () => {
    const { peer, scenario } = behindTheGate()
    scenario.pull(peer, "p1")
    scenario.pull(peer, "p2")
    assert.deepInclude(peer.last, { type: "error", id: "p2" })
    scenario.settle()
    assert.deepStrictEqual(
      peer.of("ok").map((ok) => ok.id),
      ["p1"],
    )
  })

  it("whose page could not be read is answered after the page was read again (I12)", () => {
    const { peer, scenario } = behindTheGate()
    scenario.pull(peer, "p1")
    while (scenario.reads.length > 0) scenario.readOne(storeFailure("unavailable"))
    assert.deepStrictEqual(peer.of("ok"), [])
    scenario.pass(1_000)
    scenario.settle()
    assert.strictEqual(peer.pushed.length, 5)
    assert.deepStrictEqual(peer.of("ok"), [{ type: "ok", id: "p1", remaining: 0 }])
  })

  it("whose page could not be read, and whose window has filled meanwhile, is answered all the same (I12)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob, { maxInFlight: 2 })
    sendMany(scenario, sender, bob.publicKey, 2, { priority: "low" })
    scenario.settle()
    scenario.pull(peer, "p1", 2)
    sendMany(scenario, sender, bob.publicKey, 2, { priority: "now" })
    scenario.commit()
    assert.strictEqual(scenario.remembered.inFlight, 2)
    while (scenario.reads.length > 0) scenario.readOne(storeFailure("unavailable"))
    scenario.pass(1_000)
    scenario.settle()
    assert.deepStrictEqual(peer.of("ok"), [{ type: "ok", id: "p1", remaining: 2 }])
  })

  it("whose remainder cannot be counted is answered with an error to try again (I12)", () => {
    const scenario = new MeshScenario()
    const peer = scenario.attach(bob)
    scenario.pull(peer, "p1")
    const count = scenario.counts.shift()
    assert.ok(count?._tag === "CountWaiting")
    scenario.do({ ...count.next, counts: storeFailure("unavailable") })
    assert.deepInclude(peer.last, { type: "error", code: "unavailable", id: "p1", retryable: true })
  })
})

describe("the window", () => {
  it("holds at most maxInFlight unacked pushes, of which 16 are kept for `now`; each ack lets the next one in (I23)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob, { maxInFlight: 40 })
    const next = sendMany(scenario, sender, bob.publicKey, 60, { priority: "next" })
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, next.slice(0, 24))
    const now = sendMany(scenario, sender, bob.publicKey, 20, { priority: "now" })
    scenario.settle()
    assert.deepStrictEqual(peer.pushed.slice(24), now.slice(0, 16))
    scenario.ack(peer, ...next.slice(0, 5))
    scenario.settle()
    assert.deepStrictEqual(
      peer.pushed.slice(40),
      now.slice(16),
      "now goes first, and next waits while its share is full",
    )
    scenario.ack(peer, ...now)
    scenario.settle()
    assert.deepStrictEqual(peer.pushed.slice(44), next.slice(24, 29))
  })

  it("is 500 unless the client asks for less, and 64 for a v1 client", () => {
    const scenario = new MeshScenario()
    assert.strictEqual(scenario.attach(bob).of("hello_ack")[0]?.limits?.maxInFlight, 500)
    scenario.attach(alice, { protocol: 1 })
    assert.deepStrictEqual(
      [...scenario.state.connections.values()].map((connection) => connection.window.max),
      [500, 64],
    )
  })

  it("of one still lets every message through (I23)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob, { maxInFlight: 1 })
    const ids = sendMany(scenario, sender, bob.publicKey, 3)
    scenario.settle()
    for (const [index, id] of ids.entries()) {
      assert.deepStrictEqual(peer.pushed, ids.slice(0, index + 1))
      scenario.ack(peer, id)
      scenario.settle()
    }
  })

  it("holds 1 MiB unacked, also for `now`, and each ack makes room (I23)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob)
    const ids = sendMany(scenario, sender, bob.publicKey, 6, { priority: "now", ciphertext: "A".repeat(300_000) })
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, ids.slice(0, 3))
    scenario.ack(peer, ...ids.slice(0, 2))
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, ids.slice(0, 5))
    assert.strictEqual(scenario.remembered.inFlightCharacters, 900_000)
  })

  it("that is empty takes a single message of any size, and then no other", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob)
    const ids = sendMany(scenario, sender, bob.publicKey, 2, { ciphertext: "A".repeat(1_500_000) })
    const small = scenario.send(sender, bob.publicKey, { id: "small", priority: "now" })
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, ids.slice(0, 1))
    scenario.status(peer, "idle")
    assert.deepStrictEqual(scenario.reads, [], "nothing is read that cannot go out")
    scenario.ack(peer, ...ids.slice(0, 1))
    scenario.settle()
    assert.strictEqual(peer.pushed.length, 2)
    scenario.ack(peer, ...peer.pushed.slice(1))
    scenario.settle()
    assert.sameMembers([...peer.pushed], [...ids, small])
  })

  it("of a v1 client opens once its pushes are recorded as consumed", () => {
    const scenario = new MeshScenario(rulesWith({ windowV1Max: 4 }))
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob, { protocol: 1, session: "1-1" })
    const ids = sendMany(scenario, sender, bob.publicKey, 9, { priority: "now" })
    while (scenario.writes.some(({ write }) => write._tag === "Accept")) scenario.commitOne()
    assert.deepStrictEqual(peer.pushed, ids.slice(0, 4))
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, ids)
    assert.strictEqual(waitingForBob(scenario), 0)
    assert.deepStrictEqual(scenario.remembered, nothingRemembered)
  })

  it("ignores acks of what this connection was not pushed", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const first = scenario.attach(bob, { session: "s1" })
    const id = scenario.send(sender, session(bob, "s1"))
    scenario.settle()
    const other = scenario.attach(bob, { session: "s2" })
    scenario.ack(other, id)
    scenario.settle()
    assert.strictEqual(scenario.remembered.inFlight, 1)
    scenario.ack(first, id, id)
    scenario.settle()
    assert.deepStrictEqual(scenario.remembered, nothingRemembered)
  })
})

describe("a backlog", () => {
  const away = (limits: Parameters<typeof rulesWith>[0], count: number) => {
    const scenario = new MeshScenario(rulesWith(limits))
    const sender = scenario.attach(alice)
    const ids = sendMany(scenario, sender, bob.publicKey, count)
    scenario.settle()
    return { scenario, sender, ids }
  }

  it("is read in pages, each after the last, until one comes back short; then messages go out from memory (I23)", () => {
    const { ids, sender, scenario } = away({ pageRowsMax: 4 }, 10)
    const peer = scenario.arrive(bob)
    scenario.commit()
    const pages: Array<readonly [after: number, limit: number]> = []
    while (scenario.reads[0] !== undefined) {
      pages.push([scenario.reads[0].afterSeq, scenario.reads[0].limit])
      scenario.readOne()
    }
    assert.deepStrictEqual(pages, [
      [0, 4],
      [4, 4],
      [8, 4],
    ])
    assert.deepStrictEqual(peer.pushed, ids)
    const next = scenario.send(sender, bob.publicKey, { id: "from-memory" })
    scenario.commitOne()
    assert.deepStrictEqual(peer.pushed.at(-1), next)
    assert.deepStrictEqual(scenario.reads, [])
  })

  it("asks for no more than the window takes", () => {
    const { scenario } = away({}, 10)
    scenario.arrive(bob, { maxInFlight: 6 })
    scenario.commit()
    assert.deepStrictEqual(
      scenario.reads.map((request) => request.limit),
      [3],
    )
  })

  it("takes in what is committed while a page is read, in order and once", () => {
    const { ids, sender, scenario } = away({}, 2)
    const peer = scenario.arrive(bob)
    scenario.commit()
    const request = scenario.reads[0]
    assert.ok(request)
    const page = scenario.store.page(request)
    const meanwhile = scenario.send(sender, bob.publicKey, { id: "meanwhile" })
    scenario.commit()
    assert.deepStrictEqual(peer.pushed, [])
    scenario.readOne(Exit.succeed(page))
    assert.strictEqual(scenario.reads.length, 1, "a short page is not the end: something came meanwhile")
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [...ids, meanwhile])
  })

  it("takes a message from a page that was quicker than the news of its commit once", () => {
    const { ids, sender, scenario } = away({}, 1)
    const peer = scenario.arrive(bob)
    scenario.commit()
    const early = scenario.send(sender, bob.publicKey, { id: "early" })
    const write = scenario.writes[0]
    assert.ok(write)
    const written = scenario.store.apply(write.write)
    scenario.readOne()
    assert.deepStrictEqual(peer.pushed, [...ids, early])
    scenario.commitOne(Exit.succeed(written))
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [...ids, early])
    assert.deepInclude(sender.last, { type: "ack", recipients: [{ pubkey: bob.publicKey, state: "delivered" }] })
  })

  it("discards a page that was asked for before a connection was lost, and reads again from what is pending (I8)", () => {
    const { ids, sender, scenario } = away({ pageRowsMax: 2 }, 4)
    const stays = scenario.arrive(bob, { session: "stays" })
    scenario.pass(1_000)
    const leaves = scenario.arrive(bob, { session: "leaves" })
    scenario.commit()
    scenario.readOne()
    assert.deepStrictEqual(leaves.pushed, ids.slice(0, 2))
    const request = scenario.reads[0]
    assert.strictEqual(request?.afterSeq, 2)
    const page = request && scenario.store.page(request)
    scenario.detach(leaves)
    scenario.readOne(Exit.succeed(page ?? []))
    assert.deepStrictEqual(stays.pushed, [], "m3 does not overtake m1")
    scenario.settle()
    assert.deepStrictEqual(stays.pushed, ids)
    assert.strictEqual(sender.of("error").length, 0)
  })

  it("never pushes again what was acked while a page with it was being read", () => {
    const { ids, scenario } = away({}, 2)
    const leaves = scenario.attach(bob, { session: "leaves", maxInFlight: 1 })
    const stays = scenario.attach(bob, { session: "stays" })
    assert.deepStrictEqual([leaves.pushed, stays.pushed], [ids.slice(0, 1), ids.slice(1)])
    scenario.detach(leaves)
    const request = scenario.reads[0]
    assert.ok(request)
    const page = scenario.store.page(request)
    assert.strictEqual(page.length, 2)
    scenario.ack(stays, ...ids.slice(1))
    scenario.commit()
    scenario.readOne(Exit.succeed(page))
    scenario.settle()
    assert.deepStrictEqual(stays.pushed, [...ids.slice(1), ...ids.slice(0, 1)])
  })

  it("whose page could not be read is read again a second later", () => {
    const { ids, scenario } = away({}, 2)
    const peer = scenario.arrive(bob)
    scenario.commit()
    scenario.readOne(storeFailure("unavailable"))
    assert.deepStrictEqual(scenario.reads, [])
    scenario.pass(999)
    assert.deepStrictEqual(scenario.reads, [])
    scenario.pass(1)
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, ids)
  })

  it("leaves out what has expired (I17)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    scenario.send(sender, bob.publicKey, { id: "short", ttlSeconds: 10 })
    const long = scenario.send(sender, bob.publicKey, { id: "long" })
    scenario.settle()
    scenario.pass(10_000)
    assert.deepStrictEqual(scenario.attach(bob).pushed, [long])
  })
})

describe("`redelivered`", () => {
  it("is true after a connection was lost for what that one had leased, and false for what was only in its buffer (I8)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const first = scenario.attach(bob)
    const [shown = none] = sendMany(scenario, sender, bob.publicKey, 2)
    scenario.settle()
    scenario.lease(first, "l1", shown)
    scenario.settle()
    scenario.detach(first)
    scenario.settle()
    const second = scenario.attach(bob)
    assert.deepStrictEqual(
      [redelivered(first), redelivered(second)],
      [
        [false, false],
        [true, false],
      ],
    )
  })

  it("is true after an owner died for what was leased from it, and false for all else (I8)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob)
    const [shown = none, buffered = none] = sendMany(scenario, sender, bob.publicKey, 2)
    scenario.settle()
    scenario.lease(peer, "l1", shown)
    scenario.settle()
    scenario.status(peer, "dnd")
    const held = scenario.send(sender, bob.publicKey, { id: "held" })
    scenario.settle()
    scenario.restart()
    scenario.settle()
    const back = scenario.attach(bob)
    assert.deepStrictEqual(back.pushed, [shown, buffered, held])
    assert.deepStrictEqual(redelivered(back), [true, false, false])
  })
})

describe("an owner that takes over", () => {
  it("records sessions that the last one never saw leave as gone", () => {
    const scenario = new MeshScenario()
    scenario.attach(bob)
    scenario.restart()
    scenario.settle()
    assert.deepStrictEqual(
      [...scenario.store.sessions.values()].map((one) => one.detachedAtMillis),
      [scenario.nowMillis],
    )
  })

  it("gives the member what waits for a v1 session, which never comes back (I24)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    scenario.status(scenario.attach(bob, { protocol: 1, session: "1-1" }), "dnd")
    const id = scenario.send(sender, session(bob, "1-1"))
    scenario.settle()
    scenario.restart()
    scenario.settle()
    assert.deepStrictEqual(scenario.attach(bob).pushed, [id])
  })
})

describe("memory", () => {
  it("holds nothing of a message once it is consumed, whatever became of its connections", () => {
    const scenario = new MeshScenario(rulesWith({ pageRowsMax: 3 }))
    const sender = scenario.attach(alice)
    const first = scenario.attach(bob, { maxInFlight: 5 })
    sendMany(scenario, sender, bob.publicKey, 8, { id: "a" })
    sendMany(scenario, sender, session(bob, "s1"), 8, { id: "b" })
    scenario.settle()
    scenario.ack(first, ...first.pushed.slice(0, 2))
    scenario.detach(first)
    scenario.settle()
    const back = scenario.attach(bob)
    scenario.ack(back, ...back.pushed)
    scenario.settle()
    assert.strictEqual(waitingForBob(scenario), 0)
    assert.deepStrictEqual(scenario.remembered, nothingRemembered)
  })

  it("holds windows and never a backlog (I23)", () => {
    const scenario = new MeshScenario(rulesWith({ pageRowsMax: 8 }))
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob, { maxInFlight: 10 })
    sendMany(scenario, sender, bob.publicKey, 500)
    scenario.settle()
    assert.strictEqual(peer.pushed.length, 5)
    assert.strictEqual(scenario.remembered.outstanding, 5)
  })
})
