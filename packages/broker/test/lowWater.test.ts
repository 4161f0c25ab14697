/** How often a long backlog is read while its reader acks. */
import { assert, describe, it } from "@effect/vitest"
import { alice, bob, MeshScenario, rulesWith } from "./support/MeshScenario.ts"

describe("a backlog that is longer than the window", () => {
  it("is read a whole page at a time by who acks one after the other, and to its end (I9)", () => {
    const scenario = new MeshScenario(rulesWith({ pageRowsMax: 4, pageRowsMin: 4 }))
    const sender = scenario.attach(alice)
    const ids = Array.from({ length: 60 }, (_, n) => scenario.send(sender, bob.publicKey, { id: `m-${n}` }))
    scenario.settle()
    const peer = scenario.arrive(bob, { maxInFlight: 40 })
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, ids.slice(0, 24))
    const limitsAfterAck = (id: (typeof ids)[number]) => {
      scenario.ack(peer, id)
      scenario.commit()
      return scenario.reads.map(({ limit }) => limit)
    }
    assert.deepStrictEqual(ids.slice(0, 4).map(limitsAfterAck), [[], [], [], [4]])
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, ids.slice(0, 28))
    // With less than half of the window unacked it is not waited for.
    for (const id of ids.slice(4, 28)) scenario.ack(peer, id)
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, ids.slice(0, 52))
    scenario.ack(peer, ...ids.slice(28, 52))
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, ids)
  })

  it("asks for as much as the windows have room for, also of what is long", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const ids = Array.from({ length: 40 }, (_, n) =>
      scenario.send(sender, bob.publicKey, { id: `m-${n}`, ciphertext: "A".repeat(100_000) }),
    )
    scenario.settle()
    const peer = scenario.arrive(bob)
    scenario.commit()
    assert.deepStrictEqual(
      scenario.reads.map(({ limit }) => limit),
      [10],
    )
    scenario.settle()
    for (const id of ids) {
      scenario.ack(peer, id)
      scenario.settle()
    }
    assert.deepStrictEqual(peer.pushed, ids)
  })
})

describe("an urgent message", () => {
  it("is pushed beside as many long ones as a window takes: some of its characters are kept for such (I9)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob)
    for (let n = 0; n < 300; n++) scenario.send(sender, bob.publicKey, { id: `m-${n}`, ciphertext: "A".repeat(4_000) })
    scenario.settle()
    assert.strictEqual(peer.pushed.length, 229)
    const urgent = scenario.send(sender, bob.publicKey, {
      id: "urgent",
      priority: "now",
      ciphertext: "A".repeat(87_384),
    })
    scenario.settle()
    assert.strictEqual(peer.pushed.at(-1), urgent)
  })
})

describe("an urgent message that waits in the store", () => {
  it("is not held up by what its reader has not acked, while one place of those kept for such is free (I9)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const full = scenario.attach(bob, { session: "full" })
    for (let n = 0; n < 500; n++) scenario.send(sender, `${bob.publicKey}/full`, { id: `m-${n}` })
    scenario.settle()
    assert.strictEqual(full.pushed.length, 484)
    scenario.pass(1)
    const lost = scenario.attach(bob, { session: "lost" })
    scenario.settle()
    const urgent = scenario.send(sender, bob.publicKey, { id: "urgent", priority: "now" })
    scenario.settle()
    assert.deepStrictEqual(lost.pushed, [urgent])
    // What was pushed there goes to whoever is left.
    scenario.detach(lost)
    scenario.settle()
    assert.strictEqual(full.pushed.at(-1), urgent)
  })
})

describe("a session that has room for all that waits", () => {
  for (const [which, choices] of [
    ["a small window", { maxInFlight: 40 }],
    ["a first client's window", { protocol: 1 }],
  ] as const) {
    it(`and ${which} does not wait for another one to ack (I9)`, () => {
      const scenario = new MeshScenario()
      const sender = scenario.attach(alice)
      const slow = scenario.attach(bob, { session: "slow" })
      const other = scenario.attach(bob, { session: "other", ...choices })
      scenario.status(other, "working")
      const ids = Array.from({ length: 490 }, (_, n) => scenario.send(sender, bob.publicKey, { id: `m-${n}` }))
      scenario.settle()
      assert.deepStrictEqual([slow.pushed.length, other.pushed.length], [484, 0])
      // A few places are free there, too.
      scenario.ack(slow, ...ids.slice(0, 3))
      scenario.settle()
      scenario.status(other, "idle")
      scenario.settle()
      assert.sameMembers([...slow.pushed, ...other.pushed], ids)
    })
  }
})

describe("a frame that acks many", () => {
  it("is one write for each inbox and priority", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.attach(bob, { session: "s1" })
    const own = Array.from({ length: 3 }, (_, n) => scenario.send(sender, bob.publicKey, { id: `m-${n}` }))
    const urgent = scenario.send(sender, bob.publicKey, { id: "urgent", priority: "now" })
    const toSession = scenario.send(sender, `${bob.publicKey}/s1`, { id: "to-session" })
    scenario.settle()
    scenario.ack(peer, ...own.slice(0, 2), toSession, urgent, ...own, toSession)
    const written = scenario.writes.flatMap(({ write }) =>
      write._tag === "Consume" ? [[String(write.inbox.session), write.priority, write.seqs] as const] : [],
    )
    assert.deepStrictEqual(written, [
      ["undefined", "next", [1, 2, 3]],
      ["s1", "next", [5]],
      ["undefined", "now", [4]],
    ])
    scenario.settle()
    assert.strictEqual(
      scenario.store.deliveries.filter(({ consumedAtMillis }) => consumedAtMillis === undefined).length,
      0,
    )
    assert.strictEqual(scenario.remembered.inFlight, 0)
  })
})
