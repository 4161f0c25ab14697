/** What a mesh does about a page it cannot read and a write that is not taken: again, less and less often, and aloud. */
import { assert, describe, it } from "@effect/vitest"
import { Base64 } from "@claudemesh/domain/Base64"
import { Label, RequestId } from "@claudemesh/domain/Ids"
import { triesMax } from "../src/state/TryAgain.ts"
import { alice, bob, MeshScenario, nothingRemembered, rulesWith, storeFailure } from "./support/MeshScenario.ts"

describe("a page that cannot be read", () => {
  /** Two messages wait for Bob, who is there now. */
  const failing = () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const ids = ["m1", "m2"].map((id) => scenario.send(sender, bob.publicKey, { id }))
    scenario.settle()
    const peer = scenario.arrive(bob)
    scenario.commit()
    return { ids, peer, sender, scenario }
  }

  /** How long until it is tried again, in whole seconds; undefined: not within a day. */
  const nextTry = (scenario: MeshScenario): number | undefined => {
    for (let seconds = 1; seconds <= 86_400; seconds = seconds < 120 ? seconds + 1 : seconds * 2) {
      scenario.pass(seconds < 120 ? 1_000 : seconds * 500)
      if (scenario.reads.length > 0) return seconds
    }
    return undefined
  }

  it("is tried again after a second, then less and less often, and never less often than each half minute (I23)", () => {
    const { ids, peer, scenario } = failing()
    const waits = Array.from({ length: 8 }, () => {
      scenario.readOne(storeFailure("unavailable"))
      assert.deepStrictEqual(scenario.reads, [])
      return nextTry(scenario)
    })
    assert.deepStrictEqual(waits, [1, 2, 4, 8, 16, 30, 30, 30])
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, ids)
  })

  it("is not tried more often by what happens meanwhile, and begins with a second again once one was read", () => {
    const { peer, sender, scenario } = failing()
    for (const _ of [1, 2, 3]) {
      scenario.readOne(storeFailure("unavailable"))
      nextTry(scenario)
    }
    scenario.readOne(storeFailure("unavailable"))
    scenario.status(peer, "idle")
    scenario.send(sender, bob.publicKey, { id: "m3" })
    scenario.commit()
    assert.deepStrictEqual(scenario.reads, [])
    assert.strictEqual(nextTry(scenario), 8)
    scenario.settle()
    scenario.detach(peer)
    scenario.arrive(bob)
    scenario.commit()
    scenario.readOne(storeFailure("unavailable"))
    assert.strictEqual(nextTry(scenario), 1)
  })

  it("is tried at once for whoever comes or asks", () => {
    const { ids, peer, scenario } = failing()
    for (const _ of [1, 2, 3]) {
      scenario.readOne(storeFailure("unavailable"))
      nextTry(scenario)
    }
    scenario.readOne(storeFailure("unavailable"))
    scenario.pull(peer, "p1")
    assert.strictEqual(scenario.reads.length, 1)
    scenario.readOne(storeFailure("unavailable"))
    scenario.detach(peer)
    const second = scenario.attach(bob, { session: "s2" })
    assert.deepStrictEqual(second.pushed, ids)
  })

  it("does not keep whoever pulls waiting for longer than two tries (I12)", () => {
    const { peer, scenario } = failing()
    scenario.pull(peer, "p1")
    scenario.readOne(storeFailure("unavailable"))
    assert.deepStrictEqual(scenario.counts, [])
    nextTry(scenario)
    scenario.readOne(storeFailure("unavailable"))
    scenario.countOne()
    assert.deepStrictEqual(peer.of("ok"), [{ type: "ok", id: "p1", remaining: 2 }])
  })

  it("is left alone after some tries where the database is there and its rows cannot be read, until somebody asks", () => {
    const { ids, peer, sender, scenario } = failing()
    for (let tries = 1; tries < triesMax; tries++) {
      scenario.readOne(storeFailure("rejected"))
      assert.isDefined(nextTry(scenario))
    }
    scenario.readOne(storeFailure("rejected"))
    assert.isUndefined(nextTry(scenario))
    // Of another priority all is well.
    const now = scenario.send(sender, bob.publicKey, { id: "m3", priority: "now" })
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [now])
    scenario.pull(peer, "p1")
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [now, ...ids])
  })

  it("is said in the log: of a mesh once a minute, and of each inbox that is left alone", () => {
    const { scenario } = failing()
    for (let tries = 1; tries < triesMax; tries++) {
      scenario.readOne(storeFailure("rejected"))
      nextTry(scenario)
    }
    assert.deepStrictEqual(
      scenario.logged.map(({ level }) => level),
      ["warning", "warning"],
    )
    scenario.readOne(storeFailure("rejected"))
    const last = scenario.logged.at(-1)
    assert.strictEqual(last?.level, "error")
    assert.include(JSON.stringify(last?.about), bob.memberId)
  })
})

describe("a write that the database refuses and nobody would ask for again", () => {
  /** Bob has been pushed one message, and has acked it. */
  const acked = (session = "s1") => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob, { session })
    const id = scenario.send(sender, bob.publicKey, { id: "m1" })
    scenario.settle()
    scenario.ack(peer, id)
    return { id, peer, sender, scenario }
  }

  it("that a message was consumed is tried again, and until then the message is not pushed again (I8)", () => {
    const { id, peer, scenario } = acked()
    scenario.commitOne(storeFailure("rejected"))
    scenario.detach(peer)
    const second = scenario.attach(bob, { session: "s2" })
    scenario.pull(second, "p1")
    scenario.settle()
    assert.deepStrictEqual(second.pushed, [])
    scenario.pass(1_000)
    scenario.settle()
    assert.isTrue(scenario.store.deliveries.every(({ consumedAtMillis }) => consumedAtMillis !== undefined))
    assert.deepStrictEqual(scenario.remembered, nothingRemembered)
    assert.deepStrictEqual(peer.pushed, [id])
  })

  it("opens the window of a first client once it is written, and not before", () => {
    const scenario = new MeshScenario(rulesWith({ pageRowsMax: 2 }))
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob, { session: "1-1", protocol: 1 })
    for (const id of ["m1", "m2"]) scenario.send(sender, bob.publicKey, { id })
    scenario.commitOne()
    scenario.commitOne()
    scenario.commitOne(storeFailure("rejected"))
    assert.strictEqual(scenario.remembered.inFlight, peer.pushed.length)
    scenario.pass(1_000)
    scenario.settle()
    assert.strictEqual(peer.pushed.length, 2)
    assert.deepStrictEqual(scenario.remembered, nothingRemembered)
  })

  it("is given up after some tries, and the log says so; memory keeps nothing of it (I23)", () => {
    const { scenario } = acked()
    for (let tries = 1; tries < triesMax; tries++) {
      scenario.commitOne(storeFailure("rejected"))
      assert.deepStrictEqual(scenario.logged, [])
      scenario.pass(30_000)
    }
    scenario.commitOne(storeFailure("rejected"))
    assert.deepStrictEqual(
      scenario.logged.map(({ level }) => level),
      ["error"],
    )
    assert.deepStrictEqual([scenario.later, scenario.remembered], [[], nothingRemembered])
  })

  it("that a lease is void is tried again, and until then no push says that the message may have been shown (I8)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const first = scenario.attach(bob)
    const id = scenario.send(sender, bob.publicKey, { id: "m1" })
    scenario.settle()
    scenario.lease(first, "l1", id)
    scenario.settle()
    scenario.release(first, id)
    scenario.commitOne(storeFailure("rejected"))
    scenario.detach(first)
    const second = scenario.attach(bob, { session: "s2" })
    assert.deepStrictEqual(
      second.of("push").map(({ redelivered }) => redelivered),
      [false],
    )
    scenario.pass(1_000)
    scenario.settle()
    assert.isFalse(scenario.store.deliveries[0]?.leased)
    assert.strictEqual(scenario.remembered.clearing, 0)
  })

  it("that a lease is void is not tried any more where the message was leased again meanwhile (I8)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const first = scenario.attach(bob)
    const id = scenario.send(sender, bob.publicKey, { id: "m1" })
    scenario.settle()
    scenario.lease(first, "l1", id)
    scenario.settle()
    scenario.release(first, id)
    scenario.commitOne(storeFailure("rejected"))
    scenario.lease(first, "l2", id)
    scenario.settle()
    scenario.pass(1_000)
    scenario.settle()
    scenario.detach(first)
    scenario.settle()
    const second = scenario.attach(bob, { session: "s2" })
    assert.deepStrictEqual(
      second.of("push").map(({ redelivered }) => redelivered),
      [true],
    )
    assert.strictEqual(scenario.remembered.clearing, 0)
  })

  it("that a lease is void is not tried any more where a later lease was asked for before it failed (I8)", () => {
    for (const granted of [true, false]) {
      const scenario = new MeshScenario()
      const sender = scenario.attach(alice)
      const first = scenario.attach(bob)
      const id = scenario.send(sender, bob.publicKey, { id: "m1" })
      scenario.settle()
      scenario.lease(first, "l1", id)
      scenario.settle()
      scenario.release(first, id)
      scenario.lease(first, "l2", id)
      scenario.commitOne(storeFailure("rejected"))
      if (!granted) scenario.commitOne(storeFailure("rejected"))
      scenario.settle()
      scenario.pass(1_000)
      scenario.settle()
      scenario.detach(first)
      scenario.settle()
      const second = scenario.attach(bob, { session: "s2" })
      assert.deepStrictEqual(
        second.of("push").map(({ redelivered }) => redelivered),
        [granted],
      )
      assert.strictEqual(scenario.remembered.clearing, 0)
    }
  })

  /** A message to everyone is in the inbox of Bob's session, which said goodbye. */
  const leftBehind = () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const gone = scenario.attach(bob)
    scenario.status(gone, "dnd")
    const id = scenario.send(sender, "*", {
      id: "m1",
      sealedKeys: [{ pubkey: bob.publicKey, key: Base64.make("AAAA") }],
    })
    scenario.settle()
    scenario.detach(gone, true)
    const at = scenario.writes.findIndex(({ write }) => write._tag === "InboxMoved")
    for (let n = 0; n < at; n++) scenario.commitOne()
    const move = scenario.writes[0]?.write
    scenario.commitOne(storeFailure("rejected"))
    return { id, move, scenario }
  }

  it("that makes a session's messages its member's is tried again", () => {
    const { id, scenario } = leftBehind()
    const other = scenario.attach(bob, { session: "s2" })
    assert.deepStrictEqual(other.pushed, [])
    scenario.pass(1_000)
    scenario.settle()
    assert.deepStrictEqual(other.pushed, [id])
  })

  it("takes nothing away from a session that has come back meanwhile", () => {
    const { id, scenario } = leftBehind()
    const back = scenario.attach(bob)
    scenario.status(back, "idle")
    const other = scenario.attach(bob, { session: "s2" })
    scenario.pass(1_000)
    scenario.settle()
    assert.deepStrictEqual([back.pushed, other.pushed], [[id], []])
    assert.isFalse(scenario.later.length > 0)
  })

  it("may have had an effect by an earlier try of which nobody knows: the member's inbox is read, too, where the session has come back (I9)", () => {
    const { id, move, scenario } = leftBehind()
    if (move !== undefined) scenario.store.apply(move)
    const back = scenario.attach(bob)
    scenario.status(back, "idle")
    scenario.settle()
    assert.deepStrictEqual(back.pushed, [])
    scenario.pass(1_000)
    scenario.settle()
    assert.deepStrictEqual(back.pushed, [id])
  })

  it("that a session is attached ends the connection, and nothing is pushed to it before (I1)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    scenario.send(sender, bob.publicKey, { id: "m1" })
    scenario.settle()
    const peer = scenario.arrive(bob)
    scenario.commitOne(storeFailure("rejected"))
    scenario.settle()
    assert.deepStrictEqual(
      peer.closed.map(({ code }) => code),
      [1001],
    )
    assert.deepStrictEqual(peer.pushed, [])
  })

  it("that a session is in a channel leaves it as it was before", () => {
    const scenario = new MeshScenario()
    const peer = scenario.attach(bob)
    const channel = Label.make("ops")
    const id = RequestId.make("r1")
    const channels = () => [...(scenario.state.connections.get(peer.id)?.session.channels ?? [])]
    scenario.request(peer, { type: "leave_channel", channel, id })
    scenario.commitOne(storeFailure("rejected"))
    assert.deepStrictEqual(channels(), [])
    scenario.join(peer, "ops")
    scenario.request(peer, { type: "join_channel", channel, id })
    scenario.commitOne(storeFailure("rejected"))
    assert.deepStrictEqual(channels(), [channel])
    // What was said of it later stands.
    scenario.request(peer, { type: "join_channel", channel, id })
    scenario.request(peer, { type: "leave_channel", channel, id })
    scenario.commitOne(storeFailure("rejected"))
    scenario.settle()
    assert.deepStrictEqual(channels(), [])
  })

  it("by an owner that is not the last one any more has the mesh begin again from the store", () => {
    const { scenario } = acked()
    scenario.commitOne(storeFailure("fenced"))
    assert.isTrue(scenario.fenced)
    assert.deepStrictEqual(scenario.later, [])
  })
})

describe("an inbox that could not be counted after others' messages came to it", () => {
  it("is counted before long by whoever sends to it, so that its bound holds (I23)", () => {
    const scenario = new MeshScenario(rulesWith({ backlogMessagesMax: 2 }))
    const sender = scenario.attach(alice)
    const gone = scenario.attach(bob, { session: "1-1", protocol: 1 })
    scenario.status(gone, "dnd")
    for (const id of ["m1", "m2"]) scenario.send(sender, `${bob.publicKey}/1-1`, { id })
    scenario.settle()
    scenario.detach(gone)
    while (scenario.writes.length > 0) scenario.commitOne()
    for (const { next, ...count } of scenario.counts.splice(0)) {
      assert.strictEqual(count._tag, "Count")
      if (next._tag === "Counted") scenario.do({ ...next, backlog: storeFailure("unavailable") })
    }
    scenario.send(sender, bob.publicKey, { id: "m3" })
    scenario.settle()
    scenario.send(sender, bob.publicKey, { id: "m4" })
    scenario.settle()
    assert.deepInclude(sender.last, { type: "error", code: "backlog_full" })
  })
})
