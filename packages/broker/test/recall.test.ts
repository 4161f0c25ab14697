/**
 * Somebody asks for what waits in the buffer of a session that never looks: what is taken from whom, in which order it
 * comes, what stays, and what the one that asks is told of the rest.
 */
import { type MessageId, SessionId } from "@claudemesh/domain/Ids"
import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import {
  alice,
  bob,
  type HelloChoices,
  MeshScenario,
  nothingRemembered,
  type Peer,
  rulesWith,
  type SendChoices,
  storeFailure,
} from "./support/MeshScenario.ts"

const sendMany = (
  scenario: MeshScenario,
  from: Peer,
  names: ReadonlyArray<string>,
  choices: SendChoices = {},
  target: string = bob.publicKey,
) => names.map((id) => scenario.send(from, target, { ...choices, id }))

/** Bob's session that never looks has these in its buffer, and another one of his is there. */
const buffered = (names: ReadonlyArray<string>, hello: HelloChoices = {}, choices: SendChoices = {}) => {
  const scenario = new MeshScenario()
  const sender = scenario.attach(alice)
  const idle = scenario.attach(bob, { session: "idle" })
  const ids = sendMany(scenario, sender, names, choices)
  scenario.settle()
  assert.deepStrictEqual(idle.pushed, ids)
  const asks = scenario.attach(bob, { session: "asks", ...hello })
  assert.deepStrictEqual(asks.pushed, [])
  return { scenario, sender, idle, asks, ids }
}

const recalledFrom = (peer: Peer): ReadonlyArray<MessageId> =>
  peer.of("recalled").flatMap(({ messageIds }) => messageIds)

const answerTo = (scenario: MeshScenario, peer: Peer, max?: number) => {
  scenario.pull(peer, `p${peer.frames.length}`, max)
  scenario.settle()
  const { elsewhere, remaining } = peer.of("ok").at(-1) ?? {}
  return { remaining, ...(elsewhere && { elsewhere }) }
}

describe("a pull", () => {
  it("is pushed what sits unleased in another session's buffer, which is told to drop it (I8)", () => {
    const { asks, idle, ids, scenario } = buffered(["m1", "m2", "m3"])
    assert.deepStrictEqual(answerTo(scenario, asks), { remaining: 0 })
    assert.deepStrictEqual([asks.pushed, recalledFrom(idle)], [ids, ids])
    assert.deepStrictEqual(
      asks.of("push").map(({ redelivered }) => redelivered),
      [false, false, false],
    )
    // The first one's word about it means nothing any more.
    scenario.ack(idle, ...ids)
    scenario.lease(idle, "l1", ...ids)
    scenario.settle()
    assert.deepStrictEqual(
      idle.of("leased").map(({ messageIds }) => messageIds),
      [[]],
    )
    scenario.ack(asks, ...ids)
    scenario.settle()
    assert.deepStrictEqual(scenario.remembered, nothingRemembered)
  })

  it("leaves where it is what is leased, also while that is being written down (I8)", () => {
    const { asks, idle, ids, scenario } = buffered(["m1", "m2", "m3"])
    const [granted, asked, free] = ids
    assert.ok(granted && asked && free)
    scenario.lease(idle, "l1", granted)
    scenario.settle()
    scenario.lease(idle, "l2", asked)
    assert.deepStrictEqual(answerTo(scenario, asks), {
      remaining: 0,
      elsewhere: [{ sessionId: SessionId.make("idle"), messages: 2 }],
    })
    assert.deepStrictEqual([asks.pushed, recalledFrom(idle)], [[free], [free]])
    assert.deepStrictEqual(
      idle.of("leased").map(({ messageIds }) => messageIds),
      [[granted], [asked]],
    )
  })

  it("is not told of what expired while another session had it leased (I17)", () => {
    const { asks, idle, ids, scenario } = buffered(["m1"], {}, { ttlSeconds: 60 })
    scenario.lease(idle, "l1", ...ids)
    scenario.settle()
    assert.deepStrictEqual(answerTo(scenario, asks).elsewhere, [{ sessionId: SessionId.make("idle"), messages: 1 }])
    scenario.nowMillis += 60_000
    assert.deepStrictEqual(answerTo(scenario, asks), { remaining: 0 })
  })

  it("is pushed what was released, and is granted its lease", () => {
    const { asks, idle, ids, scenario } = buffered(["m1"])
    scenario.lease(idle, "l1", ...ids)
    scenario.settle()
    assert.deepStrictEqual(answerTo(scenario, asks), {
      remaining: 0,
      elsewhere: [{ sessionId: SessionId.make("idle"), messages: 1 }],
    })
    scenario.release(idle, ...ids)
    assert.deepStrictEqual(answerTo(scenario, asks), { remaining: 0 })
    scenario.lease(asks, "l2", ...ids)
    scenario.settle()
    assert.deepStrictEqual(asks.of("leased")[0]?.messageIds, ids)
  })

  it("takes no more than it asks for, and counts the rest, which stays where it was", () => {
    const { asks, idle, ids, scenario } = buffered(["m1", "m2", "m3", "m4"])
    assert.deepStrictEqual(answerTo(scenario, asks, 1), { remaining: 3 })
    assert.deepStrictEqual([asks.pushed, recalledFrom(idle)], [ids.slice(0, 1), ids.slice(0, 1)])
    assert.deepStrictEqual(answerTo(scenario, asks, 2), { remaining: 1 })
    assert.deepStrictEqual([asks.pushed, recalledFrom(idle)], [ids.slice(0, 3), ids.slice(0, 3)])
    scenario.lease(idle, "l1", ...ids)
    scenario.settle()
    assert.deepStrictEqual(idle.of("leased")[0]?.messageIds, ids.slice(3))
  })

  it("takes no more than its window holds, in number and in size (I23)", () => {
    const { asks, idle, ids, scenario } = buffered(["m1", "m2", "m3", "m4"], { maxInFlight: 4 })
    assert.deepStrictEqual(answerTo(scenario, asks), { remaining: 2 })
    assert.deepStrictEqual([asks.pushed, recalledFrom(idle)], [ids.slice(0, 2), ids.slice(0, 2)])
    const large = buffered(["m1", "m2", "m3"], {}, { ciphertext: "A".repeat(300_000) })
    large.scenario.send(large.sender, `${bob.publicKey}/asks`, { id: "own", ciphertext: "A".repeat(500_000) })
    large.scenario.settle()
    assert.deepStrictEqual(answerTo(large.scenario, large.asks), { remaining: 2 })
    assert.deepStrictEqual(recalledFrom(large.idle), large.ids.slice(0, 1))
    const sizes = [...large.scenario.state.connections.values()].map((one) => one.window.characters)
    assert.sameMembers(sizes, [0, 600_000, 800_000])
  })

  it("with a window of 0 takes nothing, and is told how much there is", () => {
    const { asks, idle, ids, scenario } = buffered(["m1", "m2"], { maxInFlight: 0 })
    assert.deepStrictEqual(answerTo(scenario, asks), { remaining: 2 })
    assert.deepStrictEqual([asks.pushed, recalledFrom(idle)], [[], []])
    scenario.lease(idle, "l1", ...ids.slice(1))
    assert.deepStrictEqual(answerTo(scenario, asks), {
      remaining: 1,
      elsewhere: [{ sessionId: SessionId.make("idle"), messages: 1 }],
    })
  })

  it("of a transient session takes what waits like any other (I8)", () => {
    const { asks, idle, ids, scenario } = buffered(["m1", "m2"], { transient: true })
    assert.deepStrictEqual(answerTo(scenario, asks), { remaining: 0 })
    assert.deepStrictEqual([asks.pushed, recalledFrom(idle)], [ids, ids])
    scenario.detach(asks)
    scenario.settle()
    assert.deepStrictEqual(idle.pushed, [...ids, ...ids], "it left, and nothing was shown")
    assert.deepStrictEqual(idle.of("push").at(-1)?.redelivered, false)
  })

  it("leaves a session what was sent to it by its id, and its copy of a group's message, and says that it is there", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const idle = scenario.attach(bob, { session: "idle" })
    scenario.detach(scenario.attach(bob, { session: "away" }))
    scenario.send(sender, `${bob.publicKey}/idle`, { id: "m1" })
    scenario.send(sender, `${bob.publicKey}/away`, { id: "m2" })
    scenario.send(sender, `${bob.publicKey}/away`, { id: "m3" })
    scenario.settle()
    const asks = scenario.attach(bob, { session: "asks" })
    assert.deepStrictEqual(answerTo(scenario, asks), {
      remaining: 0,
      elsewhere: [
        { sessionId: SessionId.make("idle"), messages: 1 },
        { sessionId: SessionId.make("away"), messages: 2 },
      ],
    })
    assert.deepStrictEqual([asks.pushed, recalledFrom(idle)], [[], []])
    scenario.ack(idle, ...idle.pushed)
    assert.deepStrictEqual(
      answerTo(scenario, asks).elsewhere,
      [{ sessionId: SessionId.make("away"), messages: 2 }],
      "acked, and not yet written as consumed",
    )
  })

  it("names no more than 20 other sessions, those that are there first", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    for (let n = 0; n < 25; n++) {
      scenario.pass(10)
      const peer = scenario.attach(bob, { session: `s${n}` })
      if (n < 22) scenario.detach(peer)
      scenario.send(sender, `${bob.publicKey}/s${n}`, { id: `m${n}` })
    }
    scenario.settle()
    const named = answerTo(scenario, scenario.attach(bob, { session: "asks" })).elsewhere?.map(({ sessionId }) =>
      String(sessionId),
    )
    assert.strictEqual(named?.length, 20)
    assert.deepStrictEqual(named?.slice(0, 5), ["s24", "s23", "s22", "s21", "s20"])
  })

  it("is not told twice of what went to another session while it was counted", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const idle = scenario.attach(bob, { session: "idle", maxInFlight: 1 })
    const first = sendMany(scenario, sender, ["m1"])
    scenario.settle()
    const asks = scenario.attach(bob, { session: "asks", maxInFlight: 1 })
    sendMany(scenario, sender, ["m2"], {}, `${bob.publicKey}/asks`)
    const own = sendMany(scenario, asks, ["own"])
    scenario.settle()
    scenario.pull(asks, "p1")
    const counting = scenario.counts.shift()
    assert.ok(counting?._tag === "CountWaiting")
    const counted = scenario.store.countWaiting(counting.inboxes, counting.except, scenario.nowMillis)
    scenario.ack(idle, ...first)
    scenario.settle()
    assert.deepStrictEqual(idle.pushed, [...first, ...own])
    scenario.do({ ...counting.next, counts: Exit.succeed(counted) })
    // Of the two that were counted the first is shown since, which nobody counts again.
    const { elsewhere, remaining } = asks.of("ok").at(-1) ?? {}
    assert.deepStrictEqual([remaining, elsewhere], [1, [{ sessionId: SessionId.make("idle"), messages: 1 }]])
  })

  it("does not take back what its own session sent to the others of its member", () => {
    const scenario = new MeshScenario()
    const idle = scenario.attach(bob, { session: "idle" })
    const asks = scenario.attach(bob, { session: "asks" })
    const [own] = sendMany(scenario, asks, ["own"])
    const [other] = sendMany(scenario, scenario.attach(alice), ["other"])
    assert.ok(own && other)
    scenario.settle()
    scenario.lease(asks, "l1", ...asks.pushed)
    assert.deepStrictEqual(answerTo(scenario, asks), {
      remaining: 0,
      elsewhere: [{ sessionId: SessionId.make("idle"), messages: 1 }],
    })
    assert.include(idle.pushed, own)
    assert.notInclude(recalledFrom(idle), own)
    // A third one may have it.
    const third = scenario.attach(bob, { session: "third" })
    answerTo(scenario, third)
    assert.include(third.pushed, own)
  })

  it("takes nothing from a v1 client, whose messages are consumed", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const v1 = scenario.attach(bob, { protocol: 1, session: "1-1" })
    sendMany(scenario, sender, ["m1"])
    scenario.commitOne()
    assert.strictEqual(v1.pushed.length, 1)
    const asks = scenario.arrive(bob, { session: "asks" })
    scenario.pull(asks, "p1")
    scenario.settle()
    assert.deepStrictEqual(asks.pushed, [])
    assert.deepStrictEqual(asks.of("ok"), [{ type: "ok", id: "p1", remaining: 0 }])
    assert.deepStrictEqual(v1.of("recalled"), [])
  })

  it("before its attachment is committed takes nothing until it is (I1)", () => {
    const { idle, ids, scenario } = buffered(["m1"])
    const early = scenario.arrive(bob, { session: "early" })
    scenario.pull(early, "p1")
    assert.deepStrictEqual([recalledFrom(idle), early.of("ok")], [[], []])
    scenario.settle()
    assert.deepStrictEqual([recalledFrom(idle), early.pushed], [ids, ids])
    assert.deepStrictEqual(early.of("ok"), [{ type: "ok", id: "p1", remaining: 0 }])
  })

  it("that is followed by another one of a third session: the last one has it, and each is answered (I12)", () => {
    const { asks, idle, ids, scenario } = buffered(["m1", "m2"])
    const third = scenario.attach(bob, { session: "third" })
    scenario.pull(asks, "p1")
    while (scenario.reads.length > 0) scenario.readOne()
    scenario.pull(third, "p2")
    scenario.settle()
    assert.deepStrictEqual([recalledFrom(idle), asks.pushed, recalledFrom(asks), third.pushed], [ids, ids, ids, ids])
    for (const peer of [asks, third]) assert.strictEqual(peer.of("ok").length, 1)
    scenario.lease(asks, "l1", ...ids)
    scenario.lease(third, "l2", ...ids)
    scenario.settle()
    assert.deepStrictEqual(
      [asks, third].map((peer) => peer.of("leased")[0]?.messageIds),
      [[], ids],
    )
  })

  it("at the same time as that of another session leaves each message with one of them", () => {
    const { asks, ids, scenario } = buffered(["m1", "m2", "m3"])
    const third = scenario.attach(bob, { session: "third" })
    scenario.pull(asks, "p1", 1)
    scenario.pull(third, "p2", 1)
    scenario.settle()
    assert.strictEqual(asks.pushed.length, 1)
    assert.strictEqual(third.pushed.length, 1)
    assert.sameMembers([...asks.pushed, ...third.pushed], ids.slice(0, 2))
  })
})

describe("the order of what is recalled", () => {
  it("is that of the sends, before what waits in the store and what comes meanwhile (I8)", () => {
    const scenario = new MeshScenario(rulesWith({ pageRowsMax: 2 }))
    const sender = scenario.attach(alice)
    scenario.attach(bob, { session: "idle", maxInFlight: 6 })
    const ids = sendMany(scenario, sender, ["m1", "m2", "m3", "m4", "m5"])
    scenario.settle()
    const asks = scenario.arrive(bob, { session: "asks" })
    scenario.status(asks, "dnd")
    scenario.commit()
    scenario.pull(asks, "p1")
    const late = sendMany(scenario, sender, ["m6"])
    scenario.commit()
    scenario.settle()
    assert.deepStrictEqual(asks.pushed, [...ids, ...late])
  })

  it("holds across two buffers, and across the puller's own: what it had of later is recalled and comes again (I8)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const [one, two, asks] = ["one", "two", "asks"].map((name) => scenario.attach(bob, { session: name }))
    assert.ok(one && two && asks)
    const to = (peer: Peer, id: string) => {
      scenario.pass(1)
      scenario.status(peer, "idle")
      const messageId = scenario.send(sender, bob.publicKey, { id })
      scenario.settle()
      assert.strictEqual(peer.pushed.at(-1), messageId)
      return messageId
    }
    const own = to(asks, "m1")
    const [first, second, third] = [to(two, "m2"), to(one, "m3"), to(two, "m4")]
    const [leased, later, last] = [to(asks, "m5"), to(asks, "m6"), to(one, "m7")]
    scenario.lease(asks, "l1", leased)
    scenario.settle()
    assert.deepStrictEqual(answerTo(scenario, asks), { remaining: 0 })
    assert.deepStrictEqual(recalledFrom(asks), [later], "neither what came before nor what is leased")
    assert.deepStrictEqual(asks.pushed.slice(3), [first, second, third, later, last])
    assert.deepStrictEqual(asks.pushed.slice(0, 3), [own, leased, later])
  })

  it("holds for a page that was read before, which is thrown away", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const idle = scenario.attach(bob, { session: "idle", maxInFlight: 4 })
    const ids = sendMany(scenario, sender, ["m1", "m2", "m3", "m4"])
    scenario.settle()
    assert.deepStrictEqual(idle.pushed, ids.slice(0, 2))
    const asks = scenario.arrive(bob, { session: "asks" })
    scenario.commit()
    const [request] = scenario.reads
    assert.ok(request && request.afterSeq === 2)
    const page = scenario.store.page(request)
    scenario.pull(asks, "p1")
    scenario.readOne(Exit.succeed(page))
    assert.deepStrictEqual(asks.pushed, [])
    scenario.settle()
    assert.deepStrictEqual(asks.pushed, ids)
  })

  it("holds when its page could not be read: they wait, and come when it was read again (I9)", () => {
    const { asks, ids, scenario } = buffered(["m1", "m2"])
    scenario.pull(asks, "p1")
    while (scenario.reads.length > 0) scenario.readOne(storeFailure("unavailable"))
    assert.deepStrictEqual(asks.pushed, [])
    scenario.pass(1_000)
    scenario.settle()
    assert.deepStrictEqual(asks.pushed, ids)
    assert.deepStrictEqual(asks.of("ok"), [{ type: "ok", id: "p1", remaining: 0 }])
  })
})

describe("what is recalled", () => {
  it("and expires on the way goes to nobody, and is not counted (I17)", () => {
    const { asks, idle, ids, scenario } = buffered(["m1"], {}, { ttlSeconds: 1 })
    scenario.nowMillis += 1_000
    assert.deepStrictEqual(answerTo(scenario, asks), { remaining: 0 })
    assert.deepStrictEqual([asks.pushed, recalledFrom(idle)], [[], ids])
  })

  it("goes back when the session that asked is lost before it was pushed (I8)", () => {
    const { asks, idle, ids, scenario } = buffered(["m1", "m2"])
    scenario.pull(asks, "p1")
    scenario.detach(asks)
    scenario.settle()
    assert.deepStrictEqual(idle.pushed, [...ids, ...ids])
    assert.isTrue(idle.of("push").every(({ redelivered }) => redelivered === false))
  })

  it("waits while no gate is open: a pull that is over opens none", () => {
    const { asks, idle, ids, scenario } = buffered(["m1", "m2", "m3"])
    scenario.status(idle, "dnd")
    scenario.status(asks, "dnd")
    scenario.pull(asks, "p1")
    const [request] = scenario.reads
    assert.ok(request)
    scenario.detach(asks)
    scenario.settle()
    assert.strictEqual(idle.pushed.length, 3)
    scenario.status(idle, "idle")
    scenario.settle()
    assert.deepStrictEqual(idle.pushed, [...ids, ...ids])
  })

  it("makes room in the window it leaves, for what waits behind (I9)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const idle = scenario.attach(bob, { session: "idle", maxInFlight: 4 })
    const ids = sendMany(scenario, sender, ["m1", "m2", "m3", "m4"])
    scenario.settle()
    assert.deepStrictEqual(idle.pushed, ids.slice(0, 2))
    const asks = scenario.arrive(bob, { session: "asks" })
    scenario.status(asks, "dnd")
    scenario.settle()
    assert.deepStrictEqual(answerTo(scenario, asks, 1), { remaining: 3 })
    assert.deepStrictEqual([asks.pushed, idle.pushed], [ids.slice(0, 1), ids.slice(0, 3)])
  })

  it("makes room for what waits for that session alone, too (I9)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const idle = scenario.attach(bob, { session: "idle", maxInFlight: 1 })
    const first = sendMany(scenario, sender, ["m1"])
    const own = sendMany(scenario, sender, ["m2"], {}, `${bob.publicKey}/idle`)
    scenario.settle()
    assert.deepStrictEqual(idle.pushed, first)
    const asks = scenario.attach(bob, { session: "asks" })
    answerTo(scenario, asks)
    assert.deepStrictEqual([asks.pushed, idle.pushed], [first, [...first, ...own]])
  })

  it("was consumed if its first session acked it before, though that is not written yet (I8)", () => {
    const { asks, idle, ids, scenario } = buffered(["m1", "m2"])
    scenario.ack(idle, ...ids.slice(0, 1))
    scenario.pull(asks, "p1")
    while (scenario.reads.length > 0) scenario.readOne()
    assert.deepStrictEqual(asks.pushed, ids.slice(1))
    scenario.settle()
    assert.deepStrictEqual([asks.pushed, recalledFrom(idle)], [ids.slice(1), ids.slice(1)])
    assert.deepStrictEqual(asks.of("ok"), [{ type: "ok", id: "p1", remaining: 0 }])
  })

  it("keeps its mark of an earlier lease that ended without a word (I8)", () => {
    const { asks, idle, ids, sender, scenario } = buffered(["m1"])
    scenario.lease(idle, "l1", ...ids)
    scenario.settle()
    scenario.detach(idle)
    scenario.settle()
    assert.deepStrictEqual(asks.pushed, ids)
    const third = scenario.attach(bob, { session: "third" })
    answerTo(scenario, third)
    assert.deepStrictEqual(third.of("push").at(-1)?.redelivered, true)
    assert.strictEqual(sender.of("ack").length, 1)
  })
})
