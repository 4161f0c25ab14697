/** What a first client is pushed: it can neither ack nor open what is sealed to several, and holds up nobody by that. */
import { Base64 } from "@claudemesh/domain/Base64"
import { assert, describe, it } from "@effect/vitest"
import { alice, bob, MeshScenario, nothingRemembered, rulesWith, type SendChoices } from "./support/MeshScenario.ts"

const { sessionLeaseMillis } = rulesWith().limits

const sealed = (id: string): SendChoices => ({
  id,
  sealedKeys: [{ pubkey: bob.publicKey, key: Base64.make("AAAA") }],
})

const v1 = { session: "1-1", protocol: 1 } as const

describe("a message that is pushed to a first client whose socket had closed", () => {
  it("is not consumed: another session gets it, whether or not the broker has heard that the first one left (I8)", () => {
    for (const heardFirst of [false, true]) {
      const scenario = new MeshScenario()
      const sender = scenario.attach(alice)
      const first = scenario.attach(bob, v1)
      first.takes = false
      const sent = [bob.publicKey, `${bob.publicKey}/1-1`].map((to, n) => scenario.send(sender, to, { id: `m${n}` }))
      scenario.commit()
      if (heardFirst) scenario.detach(first)
      scenario.settle()
      if (!heardFirst) scenario.detach(first)
      scenario.settle()
      assert.deepStrictEqual(scenario.attach(bob, { session: "s2" }).pushed, sent)
      assert.isTrue(scenario.store.deliveries.every(({ consumedAtMillis }) => consumedAtMillis === undefined))
    }
  })

  it("is not pushed to it over and over", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const first = scenario.attach(bob, v1)
    first.takes = false
    scenario.send(sender, bob.publicKey, { id: "m1" })
    scenario.commit()
    for (let n = 0; n < 10; n++) if (scenario.reads.length > 0) scenario.readOne()
    assert.deepStrictEqual([scenario.reads, scenario.writes], [[], []])
    assert.deepStrictEqual(scenario.remembered, nothingRemembered)
  })
})

describe("a sealed group message that fell to an inbox which a first client takes from", () => {
  /** Bob's session of protocol 2 is gone for good, and what was said to everyone is his. */
  const fallen = (ids: ReadonlyArray<string>, limits: Parameters<typeof rulesWith>[0] = {}) => {
    const scenario = new MeshScenario(rulesWith(limits))
    const sender = scenario.attach(alice)
    scenario.detach(scenario.attach(bob, { session: "gone" }))
    scenario.settle()
    scenario.pass(sessionLeaseMillis)
    const sent = ids.map((id) =>
      id.startsWith("sealed") ? scenario.send(sender, "*", sealed(id)) : scenario.send(sender, bob.publicKey, { id }),
    )
    scenario.settle()
    return { scenario, sender, sent }
  }

  it("does not hold up what is behind it, and waits for a client that can open it (I14)", () => {
    const { sent, scenario } = fallen(["sealed-1", "plain-1", "sealed-2", "plain-2"], {
      pageRowsMax: 2,
      windowV1Max: 2,
    })
    const first = scenario.attach(bob, v1)
    assert.deepStrictEqual(
      first.pushed,
      sent.filter((_, n) => n % 2 === 1),
    )
    const second = scenario.attach(bob, { session: "s2" })
    assert.deepStrictEqual(
      second.pushed,
      sent.filter((_, n) => n % 2 === 0),
    )
    assert.deepStrictEqual(
      second.of("push").map(({ redelivered }) => redelivered),
      [false, false],
    )
    scenario.ack(second, ...second.pushed)
    scenario.settle()
    assert.deepStrictEqual(
      scenario.store.waiting({ memberId: bob.memberId, session: undefined }, scenario.nowMillis),
      [],
    )
  })

  it("goes out in its turn where a client is there that can open it and has no room now", () => {
    const { sender, sent, scenario } = fallen(["sealed-1", "sealed-2"])
    const busy = scenario.attach(bob, { session: "s2", maxInFlight: 1 })
    const first = scenario.attach(bob, v1)
    const plain = scenario.send(sender, bob.publicKey, { id: "plain" })
    scenario.settle()
    assert.deepStrictEqual([busy.pushed, first.pushed], [sent.slice(0, 1), [plain]])
    scenario.ack(busy, ...busy.pushed)
    scenario.settle()
    assert.deepStrictEqual(busy.pushed, sent)
    assert.deepStrictEqual(first.pushed, [plain])
  })

  it("does not stop a session whose id a client of protocol 2 had before", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const older = scenario.attach(bob, { session: "shared" })
    scenario.detach(older)
    const first = scenario.send(sender, "*", sealed("sealed"))
    const second = scenario.send(sender, `${bob.publicKey}/shared`, { id: "plain" })
    scenario.settle()
    const now = scenario.attach(bob, { ...v1, session: "shared" })
    assert.deepStrictEqual(now.pushed, [second])
    scenario.detach(now)
    scenario.settle()
    assert.deepStrictEqual(scenario.attach(bob, { session: "s3" }).pushed, [first])
  })
})
