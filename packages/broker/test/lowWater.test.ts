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
})
