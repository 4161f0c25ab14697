/** What one member may ask of a mesh in all its sessions together, and that the others notice nothing when it asks more. */
import { Label, MessageId, RequestId } from "@claudemesh/domain/Ids"
import { assert, describe, it } from "@effect/vitest"
import type { MeshRequest } from "../src/state/MeshCommand.ts"
import { TokenBucket } from "../src/TokenBucket.ts"
import {
  alice,
  bob,
  carol,
  MeshScenario,
  type Peer,
  rulesWith,
  storeFailure,
  sealedTo,
} from "./support/MeshScenario.ts"

const answers = (peer: Peer) =>
  peer.frames.flatMap((frame) =>
    frame.type === "error" ? [frame.code] : frame.type === "hello_ack" ? [] : [frame.type],
  )

describe("a token bucket", () => {
  it("may be charged more than it has, and gives nothing before that is paid off", () => {
    const bucket = new TokenBucket(1, 2, 0)
    assert.isTrue(bucket.take(0))
    bucket.charge(4)
    assert.deepStrictEqual(
      [0, 3_000, 3_999, 4_000].map((millis) => bucket.take(millis)),
      [false, false, false, true],
    )
  })
})

describe("a message to a group", () => {
  const withSessions = (limits: Parameters<typeof rulesWith>[0]) => {
    const scenario = new MeshScenario(rulesWith(limits))
    const sender = scenario.attach(alice)
    for (const session of ["s1", "s2", "s3"]) scenario.attach(bob, { session })
    const toAll = (id: string) => {
      scenario.send(sender, "*", { id, sealedKeys: sealedTo(alice, bob, carol) })
      scenario.settle()
      return answers(sender).at(-1)
    }
    const toOne = (from: Peer, id: string) => {
      scenario.send(from, carol.publicKey, { id })
      scenario.settle()
      return answers(from).at(-1)
    }
    return { scenario, sender, toAll, toOne }
  }

  it("counts as many sends as it has recipients (I23)", () => {
    const { sender, scenario, toAll, toOne } = withSessions({ sendsPerSecond: 1, sendsBurst: 5 })
    assert.deepStrictEqual([toAll("m1"), toOne(sender, "m2"), toAll("m3")], ["ack", "ack", "rate_limited"])
    // Others have their own.
    assert.strictEqual(toOne(scenario.attach(bob, { session: "s4" }), "m4"), "ack")
    scenario.pass(1_000)
    assert.deepStrictEqual([toOne(sender, "m5"), toOne(sender, "m6")], ["ack", "rate_limited"])
  })

  it("may have more recipients than a burst, and the next waits for as long as they take (I23)", () => {
    const { sender, scenario, toAll, toOne } = withSessions({ sendsPerSecond: 1, sendsBurst: 1 })
    // Three sessions, and the member that is away.
    assert.strictEqual(toAll("m1"), "ack")
    scenario.pass(3_000)
    assert.strictEqual(toOne(sender, "m2"), "rate_limited")
    scenario.pass(1_000)
    assert.strictEqual(toOne(sender, "m2"), "ack")
  })

  it("that nobody gets counts as one", () => {
    const { sender, scenario, toOne } = withSessions({ sendsPerSecond: 1, sendsBurst: 2 })
    scenario.send(sender, "tag:nobody", { id: "m1", sealedKeys: [] })
    assert.deepStrictEqual([toOne(sender, "m2"), toOne(sender, "m3")], ["ack", "rate_limited"])
  })
})

describe("what a member sends and is not stored yet", () => {
  it("is bounded in characters, of sealed keys too, over all its sessions; stored or not, its room is free again (I13, I23)", () => {
    const scenario = new MeshScenario(rulesWith({ sendCharactersUnderWayMax: 20 }))
    const [one, two, other] = [
      scenario.attach(alice),
      scenario.attach(alice, { session: "s2" }),
      scenario.attach(carol),
    ]
    scenario.attach(bob)
    const ciphertext = "A".repeat(12)
    // 12, and 4 for each of the two keys that it is sealed to.
    scenario.send(one, "*", { id: "m1", ciphertext, sealedKeys: sealedTo(bob, carol) })
    scenario.send(two, bob.publicKey, { id: "m2", ciphertext })
    scenario.send(other, bob.publicKey, { id: "m3", ciphertext })
    assert.deepStrictEqual([answers(one), answers(two), answers(other)], [[], ["rate_limited"], []])
    assert.strictEqual(two.settled, 1)
    scenario.commitOne()
    scenario.send(two, bob.publicKey, { id: "m2", ciphertext })
    scenario.commitOne()
    scenario.commitOne(storeFailure("unavailable"))
    assert.deepStrictEqual(answers(two), ["rate_limited", "unavailable"])
    for (let n = 0; n < 4; n++) {
      scenario.send(one, bob.publicKey, { id: `n${n}`, ciphertext: "A".repeat(20) })
      scenario.commitOne()
    }
    assert.deepStrictEqual(answers(one), ["ack", "ack", "ack", "ack", "ack"])
  })

  it("may be one message of any size", () => {
    const scenario = new MeshScenario(rulesWith({ sendCharactersUnderWayMax: 4 }))
    const sender = scenario.attach(alice)
    scenario.send(sender, bob.publicKey, { id: "m1", ciphertext: "A".repeat(400) })
    scenario.settle()
    assert.deepStrictEqual(answers(sender), ["ack"])
  })
})

const id = RequestId.make("q")
const messageId = MessageId.make("0".repeat(32))
/** Each way to ask the store, or for a long answer. */
const asks: ReadonlyArray<MeshRequest & { readonly id: RequestId }> = [
  { type: "message_status", messageId, id },
  { type: "pull", id },
  { type: "lease", messageIds: [messageId], id },
  { type: "get_trust", keys: [], after: 0, id },
  { type: "list_peers", id },
  { type: "list_members", id },
  { type: "list_channels", id },
]

describe("what a member asks", () => {
  for (const ask of asks) {
    it(`by ${ask.type} has one rate for all its sessions; above it nothing is read, and later it may ask again (I23)`, () => {
      const scenario = new MeshScenario(rulesWith({ asksPerSecond: 1, asksBurst: 2 }))
      const [one, two, other] = [
        scenario.attach(alice),
        scenario.attach(alice, { session: "s2" }),
        scenario.attach(bob),
      ]
      for (const peer of [one, two]) scenario.request(peer, ask)
      scenario.settle()
      const before = two.settled
      scenario.request(two, ask)
      assert.deepInclude(two.last, { type: "error", code: "rate_limited", id, retryable: true })
      assert.deepStrictEqual([scenario.reads.length, scenario.counts.length, scenario.writes.length], [0, 0, 0])
      // A lease takes a place among what is under way, and gives it back.
      assert.strictEqual(two.settled - before, ask.type === "lease" ? 1 : 0)
      scenario.request(other, ask)
      scenario.settle()
      assert.notStrictEqual(answers(other).at(-1), "rate_limited")
      scenario.pass(1_000)
      scenario.request(two, ask)
      scenario.settle()
      assert.notStrictEqual(answers(two).at(-1), "rate_limited")
    })
  }

  it("costs more where the answer is long: a list by its entries, a status by its recipients, a lease by its messages (I23)", () => {
    const long: ReadonlyArray<readonly [string, (scenario: MeshScenario, peer: Peer, sent: MessageId) => MeshRequest]> =
      [
        ["list_members", () => ({ type: "list_members", id })],
        ["list_peers", () => ({ type: "list_peers", id })],
        ["list_channels", () => ({ type: "list_channels", id })],
        ["message_status", (_scenario, _peer, sent) => ({ type: "message_status", messageId: sent, id })],
        [
          "lease",
          () => ({ type: "lease", messageIds: ["1", "2"].map((digit) => MessageId.make(digit.repeat(32))), id }),
        ],
      ]
    for (const [name, make] of long) {
      const scenario = new MeshScenario(
        rulesWith({ asksPerSecond: 1, asksBurst: 2, entriesPerAsk: 1, leasesPerAsk: 1 }),
      )
      const sender = scenario.attach(alice)
      for (const member of [bob, carol]) scenario.join(scenario.attach(member), `of-${member.displayName}`)
      const sent = scenario.send(sender, "*", { id: "m1", sealedKeys: sealedTo(bob, carol) })
      scenario.settle()
      scenario.request(sender, make(scenario, sender, sent))
      scenario.settle()
      assert.notStrictEqual(answers(sender).at(-1), "rate_limited", name)
      scenario.request(sender, { type: "pull", id })
      assert.strictEqual(answers(sender).at(-1), "rate_limited", name)
    }
  })

  it("by a pull costs more where the member has many sessions, or much unacked in them, which it looks through (I23)", () => {
    for (const [sessions, unacked, isRefused] of [
      [1, 0, false],
      [4, 0, true],
      [1, 4, true],
      [2, 1, false],
    ] as const) {
      const scenario = new MeshScenario(rulesWith({ asksPerSecond: 1, asksBurst: 2, entriesPerAsk: 4 }))
      const sender = scenario.attach(alice)
      const [asking, ...others] = Array.from({ length: sessions }, (_, n) =>
        scenario.attach(bob, { session: `s${n + 1}` }),
      )
      if (asking === undefined) continue
      for (let n = 0; n < unacked; n++) scenario.send(sender, bob.publicKey, { id: `m${n}` })
      scenario.settle()
      const pull = (peer: Peer) => {
        scenario.request(peer, { type: "pull", id })
        scenario.settle()
        return answers(peer).at(-1)
      }
      assert.strictEqual(pull(asking), "ok")
      // Whichever of its sessions asks.
      const expected = isRefused ? "rate_limited" : "ok"
      assert.strictEqual(pull(others[0] ?? asking), expected, `${sessions} sessions, ${unacked} unacked`)
    }
  })
})

describe("the channels that a member joins and leaves", () => {
  const change = (peer: Peer, scenario: MeshScenario, type: "join_channel" | "leave_channel", name: string) => {
    scenario.request(peer, { type, channel: Label.make(name), id })
  }

  it("have one rate for all its sessions; above it nothing is written (I23)", () => {
    const scenario = new MeshScenario(rulesWith({ channelChangesPerSecond: 1, channelChangesBurst: 2 }))
    const [one, two, other] = [scenario.attach(alice), scenario.attach(alice, { session: "s2" }), scenario.attach(bob)]
    change(one, scenario, "join_channel", "a")
    change(two, scenario, "leave_channel", "b")
    scenario.settle()
    for (const [type, peer] of [
      ["join_channel", one],
      ["leave_channel", two],
    ] as const) {
      change(peer, scenario, type, "c")
      assert.deepInclude(peer.last, { type: "error", code: "rate_limited", id })
    }
    assert.strictEqual(scenario.writes.length, 0)
    change(other, scenario, "join_channel", "a")
    scenario.pass(1_000)
    change(one, scenario, "join_channel", "c")
    scenario.settle()
    assert.deepStrictEqual([answers(one).at(-1), answers(other).at(-1)], ["ok", "ok"])
  })

  it("pile up no further than a bound while nothing can be written, however long that lasts (I13, I23)", () => {
    const scenario = new MeshScenario(rulesWith({ channelChangesUnderWayMax: 2 }))
    const [one, two] = [scenario.attach(alice), scenario.attach(alice, { session: "s2" })]
    const joined = [one, two, one, two, one].map((peer, index) => {
      scenario.pass(60_000)
      change(peer, scenario, index % 2 === 0 ? "join_channel" : "leave_channel", `c${index}`)
      return peer.last?.type === "error" ? peer.last.code : "kept"
    })
    assert.deepStrictEqual(joined, ["kept", "kept", "unavailable", "unavailable", "unavailable"])
    assert.strictEqual(scenario.writes.length, 2)
    // What was refused has not taken effect; what is written, or refused by the store, makes room.
    assert.deepStrictEqual([...(scenario.state.members.get(alice.publicKey)?.subscriptions ?? [])], [Label.make("c0")])
    scenario.commitOne()
    scenario.commitOne(storeFailure("rejected"))
    change(one, scenario, "join_channel", "d")
    change(two, scenario, "join_channel", "d")
    assert.strictEqual(scenario.writes.length, 2)
  })
})
