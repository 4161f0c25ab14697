/** What a first client is pushed: it can neither ack nor open what is sealed to several, and holds up nobody by that. */
import { Base64 } from "@claudemesh/domain/Base64"
import { assert, describe, it } from "@effect/vitest"
import { alice, bob, MeshStory, nothingRemembered, rulesWith, type SendChoices } from "./support/MeshStory.ts"

const { sessionLeaseMillis } = rulesWith().limits

const sealed = (id: string): SendChoices => ({
  id,
  sealedKeys: [{ pubkey: bob.publicKey, key: Base64.make("AAAA") }],
})

const v1 = { session: "1-1", protocol: 1 } as const

describe("a message that is pushed to a first client whose socket had closed", () => {
  it("is not consumed: another session gets it, whether or not the broker has heard that the first one left (I8)", () => {
    for (const heardFirst of [false, true]) {
      const story = new MeshStory()
      const sender = story.attach(alice)
      const first = story.attach(bob, v1)
      first.takes = false
      const sent = [bob.publicKey, `${bob.publicKey}/1-1`].map((to, n) => story.send(sender, to, { id: `m${n}` }))
      story.commit()
      if (heardFirst) story.detach(first)
      story.settle()
      if (!heardFirst) story.detach(first)
      story.settle()
      assert.deepStrictEqual(story.attach(bob, { session: "s2" }).pushed, sent)
      assert.isTrue(story.store.deliveries.every(({ consumedAtMillis }) => consumedAtMillis === undefined))
    }
  })

  it("is not pushed to it over and over", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const first = story.attach(bob, v1)
    first.takes = false
    story.send(sender, bob.publicKey, { id: "m1" })
    story.commit()
    for (let n = 0; n < 10; n++) if (story.reads.length > 0) story.readOne()
    assert.deepStrictEqual([story.reads, story.writes], [[], []])
    assert.deepStrictEqual(story.remembered, nothingRemembered)
  })
})

describe("a sealed group message that fell to an inbox which a first client takes from", () => {
  /** Bob's session of protocol 2 is gone for good, and what was said to everyone is his. */
  const fallen = (ids: ReadonlyArray<string>, limits: Parameters<typeof rulesWith>[0] = {}) => {
    const story = new MeshStory(rulesWith(limits))
    const sender = story.attach(alice)
    story.detach(story.attach(bob, { session: "gone" }))
    story.settle()
    story.pass(sessionLeaseMillis)
    const sent = ids.map((id) =>
      id.startsWith("sealed") ? story.send(sender, "*", sealed(id)) : story.send(sender, bob.publicKey, { id }),
    )
    story.settle()
    return { story, sender, sent }
  }

  it("does not hold up what is behind it, and waits for a client that can open it (I14)", () => {
    const { sent, story } = fallen(["sealed-1", "plain-1", "sealed-2", "plain-2"], { pageRowsMax: 2 })
    const first = story.attach(bob, v1)
    assert.deepStrictEqual(
      first.pushed,
      sent.filter((_, n) => n % 2 === 1),
    )
    const second = story.attach(bob, { session: "s2" })
    assert.deepStrictEqual(
      second.pushed,
      sent.filter((_, n) => n % 2 === 0),
    )
    assert.deepStrictEqual(
      second.of("push").map(({ redelivered }) => redelivered),
      [false, false],
    )
    story.ack(second, ...second.pushed)
    story.settle()
    assert.deepStrictEqual(story.store.waiting({ memberId: bob.memberId, session: undefined }, story.nowMillis), [])
  })

  it("goes out in its turn where a client is there that can open it and has no room now", () => {
    const { sender, sent, story } = fallen(["sealed-1", "sealed-2"])
    const busy = story.attach(bob, { session: "s2", maxInFlight: 1 })
    const first = story.attach(bob, v1)
    const plain = story.send(sender, bob.publicKey, { id: "plain" })
    story.settle()
    assert.deepStrictEqual([busy.pushed, first.pushed], [sent.slice(0, 1), [plain]])
    story.ack(busy, ...busy.pushed)
    story.settle()
    assert.deepStrictEqual(busy.pushed, sent)
    assert.deepStrictEqual(first.pushed, [plain])
  })

  it("does not stop a session whose id a client of protocol 2 had before", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const older = story.attach(bob, { session: "shared" })
    story.detach(older)
    const first = story.send(sender, "*", sealed("sealed"))
    const second = story.send(sender, `${bob.publicKey}/shared`, { id: "plain" })
    story.settle()
    const now = story.attach(bob, { ...v1, session: "shared" })
    assert.deepStrictEqual(now.pushed, [second])
    story.detach(now)
    story.settle()
    assert.deepStrictEqual(story.attach(bob, { session: "s3" }).pushed, [first])
  })
})
