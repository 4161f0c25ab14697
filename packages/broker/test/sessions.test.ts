/**
 * Sessions that come and go: two processes with one session id, sessions for one command, how many a member may have,
 * first clients that reconnect, and what an outbox sends for a session that is gone.
 */
import { Label, RequestId } from "@claudemesh/domain/Ids"
import { assert, describe, it } from "@effect/vitest"
import { certificateFor, keysOf } from "../../domain/test/support/Trust.ts"
import type { MemberRecord } from "../src/store/MessageStore.ts"
import {
  alice,
  bob,
  carol,
  type HelloChoices,
  MeshScenario,
  type Peer,
  rulesWith,
  sealedTo,
} from "./support/MeshScenario.ts"

const refusals = (peer: Peer) =>
  peer.answers.map((answer) => (answer._tag === "Refused" ? answer.refusal.code : "none"))

const closes = (peer: Peer) => peer.closed.map(({ code }) => code)

const peersSeenBy = (scenario: MeshScenario, peer: Peer) => {
  scenario.request(peer, { type: "list_peers", id: RequestId.make("list") })
  return peer
    .of("peers")
    .at(-1)
    ?.peers.map(({ memberId, sessionId }) => `${memberId}/${sessionId}`)
}

describe("a hello of a session that another process has", () => {
  const two = (first: HelloChoices, second: HelloChoices, silentMillis = 0) => {
    const scenario = new MeshScenario()
    const one = scenario.attach(bob, first)
    scenario.nowMillis += silentMillis
    return { scenario, one, other: scenario.attach(bob, second) }
  }

  it("is refused while that one was heard from within 45 s, and nothing happens to it (I2)", () => {
    const { one, other, scenario } = two({ instance: "a" }, { instance: "b" }, 44_999)
    assert.deepStrictEqual([refusals(other), other.of("hello_ack"), closes(one)], [["session_in_use"], [], []])
    assert.strictEqual(scenario.state.connections.size, 1)
    // It comes back under another id, and both are there.
    const back = scenario.attach(bob, { session: "s1.6f1a90", instance: "b" })
    assert.deepStrictEqual(refusals(back), ["none"])
    assert.deepStrictEqual(peersSeenBy(scenario, back), ["bob/s1", "bob/s1.6f1a90"])
  })

  it("is a reconnect when it is the same process, when one of them does not say, or when that one was silent for 45 s (I2)", () => {
    const cases: ReadonlyArray<readonly [HelloChoices, HelloChoices, number]> = [
      [{ instance: "a" }, { instance: "a" }, 0],
      [{ instance: "a" }, {}, 0],
      [{}, { instance: "b" }, 0],
      [{}, {}, 0],
      [{ instance: "a" }, { instance: "b" }, 45_000],
    ]
    for (const [first, second, silentMillis] of cases) {
      const { one, other } = two(first, second, silentMillis)
      assert.deepStrictEqual([refusals(other), closes(one)], [["none"], [4003]], JSON.stringify([first, second]))
    }
  })

  it("takes the session once that one has left", () => {
    const { one, scenario } = two({ instance: "a" }, { instance: "b" })
    scenario.detach(one)
    scenario.settle()
    assert.deepStrictEqual(refusals(scenario.attach(bob, { instance: "b" })), ["none"])
    // Another member's session of that name is another session.
    assert.deepStrictEqual(refusals(scenario.attach(alice, { instance: "c" })), ["none"])
  })
})

describe("a transient session", () => {
  const together = () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    return { scenario, sender, command: scenario.attach(bob, { session: "command", transient: true, tags: ["here"] }) }
  }

  it("takes what waits for its member, and is in no list, audience or channel", () => {
    const { command, sender, scenario } = together()
    const direct = scenario.send(sender, bob.publicKey, { id: "m1" })
    const toGroup = scenario.send(sender, "*", { id: "m2", sealedKeys: sealedTo(bob) })
    scenario.send(sender, "tag:here", { id: "m3", sealedKeys: sealedTo(bob) })
    scenario.settle()
    assert.deepStrictEqual(command.pushed, [direct, toGroup], "its member has no live session, so it is in its inbox")
    assert.deepStrictEqual(sender.of("ack").at(-1)?.recipients, [])
    assert.deepStrictEqual(peersSeenBy(scenario, sender), ["alice/s1"])
    scenario.send(sender, `${bob.publicKey}/command`, { id: "m4" })
    assert.deepInclude(sender.last, { type: "error", code: "unknown_target", id: "m4" })
    scenario.request(command, { type: "join_channel", channel: Label.make("builds"), id: RequestId.make("j") })
    assert.deepInclude(command.last, { type: "error", code: "unsupported", id: "j" })
  })

  it("leaves no row and nobody waits for it, whatever it did and however it ends (I13)", () => {
    for (const saidGoodbye of [true, false]) {
      const { command, sender, scenario } = together()
      const id = scenario.send(sender, bob.publicKey)
      scenario.settle()
      scenario.lease(command, "l1", id)
      scenario.status(command, "dnd")
      scenario.settle()
      scenario.detach(command, saidGoodbye)
      scenario.settle()
      assert.deepStrictEqual([...scenario.store.sessions.keys()], ["alice/s1"])
      assert.strictEqual(scenario.state.sessionCount, 1)
      assert.strictEqual(scenario.state.expectedBack.size, 0)
      // It was shown, perhaps.
      const next = scenario.attach(bob)
      assert.deepStrictEqual(
        next.of("push").map(({ messageId, redelivered }) => ({ messageId, redelivered })),
        [{ messageId: id, redelivered: true }],
      )
    }
  })

  it("that reconnects before its end was heard of is transient still", () => {
    const { command, scenario } = together()
    const again = scenario.attach(bob, { session: "command", transient: true })
    assert.deepStrictEqual([closes(command), refusals(again)], [[4003], ["none"]])
    scenario.detach(again)
    scenario.settle()
    assert.deepStrictEqual([...scenario.store.sessions.keys()], ["alice/s1"])
  })

  it("is what it was when the session is known: its row stays, and it is listed", () => {
    const scenario = new MeshScenario()
    scenario.detach(scenario.attach(bob))
    const back = scenario.attach(bob, { transient: true })
    assert.deepStrictEqual(peersSeenBy(scenario, back), ["bob/s1"])
    scenario.detach(back)
    scenario.settle()
    assert.deepStrictEqual([...scenario.store.sessions.keys()], ["bob/s1"])
  })
})

describe("the sessions of one member", () => {
  const limits = { sessionsPerMemberMax: 3, liveSessionsPerMemberMax: 4, sessionLeaseMillis: 1_000 }

  /** So many that came and left, one after the other, and are not expected back any more. */
  const away = (count: number) => {
    const scenario = new MeshScenario(rulesWith(limits))
    const sender = scenario.attach(alice)
    for (let n = 0; n < count; n++) {
      const peer = scenario.attach(bob, { session: `s${n}` })
      scenario.join(peer, "builds")
      scenario.pass(10)
      scenario.detach(peer)
    }
    scenario.pass(1_000)
    scenario.settle()
    return { scenario, sender }
  }

  it("are so many: the one that is away longest makes room, with its channels, and what waits for it is its member's (I13)", () => {
    const { sender, scenario } = away(3)
    const waiting = scenario.send(sender, `${bob.publicKey}/s0`, { id: "m1" })
    scenario.settle()
    const onItsWay = scenario.send(sender, `${bob.publicKey}/s0`, { id: "m2" })
    const peer = scenario.attach(bob, { session: "new" })
    assert.deepStrictEqual(refusals(peer), ["none"])
    assert.sameMembers([...scenario.store.sessions.keys()], ["alice/s1", "bob/s1", "bob/s2", "bob/new"])
    assert.sameMembers([...scenario.store.subscriptions.keys()], ["bob/s1#builds", "bob/s2#builds"])
    assert.deepStrictEqual(peer.pushed, [waiting, onItsWay])
    assert.strictEqual(scenario.state.sessionCount, 4)
    // It is known no more.
    scenario.send(sender, `${bob.publicKey}/s0`, { id: "m3" })
    assert.deepInclude(sender.last, { type: "error", code: "unknown_target" })
    assert.strictEqual(scenario.attach(bob, { session: "s0" }).of("hello_ack")[0]?.resumed, false)
  })

  it("that are live make no room: they may be more, up to a bound of their own, and a known one always comes back (I13)", () => {
    const { scenario } = away(1)
    const live = ["one", "two", "three", "four"].map((session) => scenario.attach(bob, { session }))
    assert.deepStrictEqual(live.flatMap(refusals), ["none", "none", "none", "none"])
    assert.sameMembers([...scenario.store.sessions.keys()].slice(1), ["bob/one", "bob/two", "bob/three", "bob/four"])
    const [one, two] = live
    assert.ok(one && two)
    scenario.detach(two)
    // It is expected back.
    for (const choices of [{}, { transient: true } as const]) {
      assert.deepStrictEqual(refusals(scenario.attach(bob, { session: "five", ...choices })), ["capacity"])
    }
    assert.deepStrictEqual(refusals(scenario.attach(bob, { session: "two" })), ["none"])
    assert.deepStrictEqual(closes(one), [])
    // Others have their own.
    assert.deepStrictEqual(refusals(scenario.attach(carol)), ["none"])
  })

  it("that are transient take no place from those that are remembered (I13)", () => {
    const { scenario } = away(3)
    const commands = ["c1", "c2", "c3", "c4"].map((session) => scenario.attach(bob, { session, transient: true }))
    assert.deepStrictEqual(commands.flatMap(refusals), ["none", "none", "none", "none"])
    assert.deepStrictEqual(refusals(scenario.attach(bob, { session: "c5", maxInFlight: 0 })), ["capacity"])
    assert.sameMembers([...scenario.store.sessions.keys()], ["alice/s1", "bob/s0", "bob/s1", "bob/s2"])
    for (const one of commands) scenario.detach(one)
    assert.deepStrictEqual(refusals(scenario.attach(bob, { session: "c5", maxInFlight: 0 })), ["none"])
  })

  it("make room also in a mesh that remembers no more (I13)", () => {
    const scenario = new MeshScenario(rulesWith({ ...limits, sessionsPerMemberMax: 1, sessionsPerMeshMax: 2 }))
    scenario.attach(alice)
    scenario.detach(scenario.attach(bob), true)
    scenario.settle()
    assert.deepStrictEqual(refusals(scenario.attach(bob, { session: "s2" })), ["none"])
    assert.deepStrictEqual(refusals(scenario.attach(bob, { session: "s3" })), ["capacity"])
  })

  it("are remembered after a restart as they were, and what is too many goes then", () => {
    const { scenario } = away(3)
    const fewer = new MeshScenario(rulesWith({ ...limits, sessionsPerMemberMax: 2 }))
    for (const [key, one] of scenario.store.sessions) fewer.store.sessions.set(key, one)
    fewer.nowMillis = scenario.nowMillis + 10_000
    fewer.restart()
    fewer.settle()
    fewer.attach(bob, { session: "new" })
    assert.sameMembers([...fewer.store.sessions.keys()], ["alice/s1", "bob/s2", "bob/new"])
  })
})

describe("a first client", () => {
  const v1 = (digit: string, choices: HelloChoices = {}): HelloChoices => ({
    protocol: 1,
    session: `1-${digit}`,
    signature: digit,
    pid: 7,
    cwd: "/home/a/project",
    ...choices,
  })

  const statusOf = (scenario: MeshScenario, peer: Peer) => {
    const asker = scenario.attach(alice)
    scenario.request(asker, { type: "list_peers", id: RequestId.make("list") })
    return asker
      .of("peers")
      .at(-1)
      ?.peers.find(({ sessionId }) => sessionId === peer.session)?.status
  }

  it("whose member's certificate does not allow it is refused with a word that says so", () => {
    const [keys, door] = [keysOf("dave"), keysOf("door")]
    for (const allowV1 of [false, true]) {
      const certificate = certificateFor(keys, door, { allowV1 })
      const dave = { ...certificate, certificate }
      const scenario = new MeshScenario(rulesWith(), [dave, alice])
      const peer = scenario.arrive(dave, v1("1"))
      assert.deepStrictEqual(refusals(peer), [allowV1 ? "none" : "unsupported"])
      const [answer] = peer.answers
      if (answer?._tag === "Refused") assert.include(answer.refusal.message, "certificate does not allow")
      // With a client of this time it is let in as ever.
      assert.deepStrictEqual(refusals(scenario.attach(dave)), ["none"])
    }
  })

  it("is in dnd again when the same process comes back within the lease (I10)", () => {
    const scenario = new MeshScenario()
    const first = scenario.attach(bob, v1("1"))
    scenario.status(first, "dnd")
    scenario.detach(first)
    scenario.pass(89_999)
    const second = scenario.attach(bob, v1("2"))
    assert.strictEqual(statusOf(scenario, second), "dnd")
    const sender = scenario.attach(carol)
    scenario.send(sender, bob.publicKey)
    scenario.settle()
    assert.deepStrictEqual(second.pushed, [])
    // What it says then is what counts the next time.
    scenario.status(second, "idle")
    scenario.detach(second)
    assert.strictEqual(statusOf(scenario, scenario.attach(bob, v1("3"))), "idle")
  })

  it("is in dnd again though the broker has not heard of its end, and not by what that one left behind later", () => {
    const scenario = new MeshScenario()
    const lost = scenario.attach(bob, v1("1"))
    scenario.status(lost, "dnd")
    const second = scenario.attach(bob, v1("2"))
    assert.strictEqual(statusOf(scenario, second), "dnd")
    scenario.status(second, "idle")
    scenario.detach(second)
    scenario.detach(lost)
    assert.strictEqual(statusOf(scenario, scenario.attach(bob, v1("3"))), "idle")
  })

  it("is not in dnd after the lease, in another process or folder, or as another member", () => {
    const others: ReadonlyArray<readonly [MemberRecord, HelloChoices, number]> = [
      [bob, v1("2"), 90_000],
      [bob, v1("2", { pid: 8 }), 0],
      [bob, v1("2", { cwd: "/home/a/other" }), 0],
      [carol, v1("2"), 0],
    ]
    for (const [who, hello, millis] of others) {
      const scenario = new MeshScenario()
      const first = scenario.attach(bob, v1("1"))
      scenario.status(first, "dnd")
      scenario.detach(first)
      scenario.pass(millis)
      assert.strictEqual(statusOf(scenario, scenario.attach(who, hello)), "idle", JSON.stringify(hello))
    }
  })

  it("leaves its status to so many processes at most (I13)", () => {
    const scenario = new MeshScenario(rulesWith({ sessionsPerMemberMax: 2 }))
    for (const digit of ["1", "2", "3"]) {
      const peer = scenario.attach(bob, v1(digit, { pid: Number(digit) }))
      scenario.status(peer, "dnd")
      scenario.detach(peer)
    }
    assert.strictEqual(scenario.state.members.get(bob.publicKey)?.leftStatuses.size, 2)
  })
})

describe("a send for another session of its member", () => {
  it("is that session's for the recipient, and in a group it does not get it (I14)", () => {
    const scenario = new MeshScenario()
    const recipient = scenario.attach(bob)
    const writer = scenario.attach(alice, { session: "writer" })
    const sends = scenario.attach(alice, { session: "sends" })
    const id = scenario.send(sends, "*", { id: "m1", sessionId: "writer", sealedKeys: sealedTo(alice, bob) })
    scenario.settle()
    assert.deepStrictEqual([writer.pushed, sends.pushed, recipient.pushed], [[], [id], [id]])
    assert.deepStrictEqual(recipient.of("push")[0]?.senderSessionId, "writer")
    // The broker need not know it any more.
    scenario.send(sends, bob.publicKey, { id: "m2", sessionId: "long-gone" })
    scenario.settle()
    assert.deepStrictEqual(recipient.of("push")[1]?.senderSessionId, "long-gone")
  })

  it("is the same message as when that session had sent it itself (I7)", () => {
    const scenario = new MeshScenario()
    const recipient = scenario.attach(bob)
    const writer = scenario.attach(alice, { session: "writer" })
    const sends = scenario.attach(alice, { session: "sends" })
    const id = scenario.send(writer, bob.publicKey, { id: "m1" })
    scenario.send(sends, bob.publicKey, { id: "m1", sessionId: "writer" })
    scenario.settle()
    assert.deepInclude(sends.last, { type: "ack", messageId: id, duplicate: true })
    assert.deepStrictEqual(recipient.pushed, [id])
  })

  it("of a v1 client is its own: v1 does not have the field", () => {
    const scenario = new MeshScenario()
    const recipient = scenario.attach(bob)
    const sends = scenario.attach(alice, { protocol: 1, session: "1-1" })
    scenario.send(sends, bob.publicKey, { id: "m1", sessionId: "writer" })
    scenario.settle()
    assert.deepStrictEqual(recipient.of("push")[0]?.senderSessionId, "1-1")
  })
})

describe("a session that is forgotten after a month", () => {
  it("leaves what waits for it to its member, whoever of it comes: another session, or the same again (I8, I17)", () => {
    for (const session of ["s2", "s1"]) {
      const scenario = new MeshScenario()
      const sender = scenario.attach(alice)
      scenario.detach(scenario.attach(bob, { session: "s1" }))
      scenario.settle()
      scenario.pass(rulesWith().limits.sessionRetentionMillis - 1)
      const late = scenario.send(sender, `${bob.publicKey}/s1`, { id: "late" })
      scenario.settle()
      scenario.pass(1)
      assert.deepStrictEqual(scenario.attach(bob, { session }).pushed, [late])
      assert.deepStrictEqual(
        [...scenario.store.sessions.keys()].filter((key) => key.startsWith(bob.memberId)),
        [`${bob.memberId}/${session}`],
      )
    }
  })
})
