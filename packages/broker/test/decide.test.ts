/** What a mesh decides about hellos and sends, without fibers: who is attached, who is refused, who gets a message. */
import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import type { MemberRecord } from "../src/store/MessageStore.ts"
import { Command } from "../src/state/MeshCommand.ts"
import {
  alice,
  bob,
  carol,
  MeshScenario,
  nothingRemembered,
  Peer,
  rulesWith,
  sealedTo,
  storeFailure,
} from "./support/MeshScenario.ts"

const session = (who: MemberRecord, name: string): string => `${who.publicKey}/${name}`

const refusals = (peer: Peer) =>
  peer.answers.map((answer) => (answer._tag === "Refused" ? answer.refusal.code : "none"))

const errors = (peer: Peer) => peer.of("error").map(({ code, id }) => ({ code, id }))

describe("an attachment", () => {
  it("queues hello_ack before it answers, and pushes nothing before it is committed (I1)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const waiting = scenario.send(sender, bob.publicKey)
    scenario.settle()
    const peer = scenario.arrive(bob)
    assert.deepStrictEqual(
      peer.frames.map((frame) => frame.type),
      ["hello_ack"],
    )
    assert.deepStrictEqual(peer.answers, [{ _tag: "Attached" }])
    const meanwhile = scenario.send(sender, bob.publicKey, { priority: "now" })
    // Its commit is known before the attachment's: the write of the attachment ends later.
    const attachment = scenario.writes.shift()
    assert.strictEqual(attachment?.write._tag, "SessionAttached")
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [])
    if (attachment) scenario.writes.push(attachment)
    scenario.settle()
    assert.deepStrictEqual(
      peer.frames.map((frame) => frame.type),
      ["hello_ack", "push", "push"],
    )
    assert.sameMembers([...peer.pushed], [waiting, meanwhile])
  })

  it("that cannot be written down loses no session its messages: the row comes with the first of them (I9)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const peer = scenario.arrive(bob)
    scenario.commitOne(storeFailure("rejected"))
    assert.deepStrictEqual(
      peer.closed.map((reason) => reason.code),
      [1001],
    )
    const ids = [
      scenario.send(sender, session(bob, "s1")),
      scenario.send(sender, "*", { id: "all", sealedKeys: sealedTo(bob, carol) }),
    ]
    scenario.settle()
    // It has gone: the row says so, and the second message does not bring it again.
    assert.strictEqual(scenario.store.sessions.get(`${bob.memberId}/s1`)?.detachedAtMillis, scenario.nowMillis)
    scenario.restart()
    assert.deepStrictEqual(scenario.attach(bob, { session: "other" }).pushed, [])
    assert.sameMembers([...scenario.attach(bob).pushed], ids)
  })

  it("is not replaced by an older connection whose hello was long on its way (I2)", () => {
    const scenario = new MeshScenario()
    const late = new Peer(bob, "s1")
    const newer = scenario.attach(bob)
    scenario.authenticate(late)
    scenario.settle()
    assert.deepStrictEqual(
      [newer, late].map(({ closed }) => closed.map((reason) => reason.code)),
      [[], [4003]],
    )
    assert.deepStrictEqual(late.of("hello_ack"), [])
    scenario.detach(late)
    assert.strictEqual(scenario.state.connections.size, 1)
  })

  it("replaces the session's older connection, which is closed with 4003, and takes over what that had not acked (I2, I8)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const older = scenario.attach(bob)
    const ids = [scenario.send(sender, bob.publicKey), scenario.send(sender, session(bob, "s1"))]
    scenario.settle()
    assert.deepStrictEqual(older.pushed, ids)
    const newer = scenario.attach(bob)
    assert.deepStrictEqual(
      older.closed.map((reason) => reason.code),
      [4003],
    )
    assert.sameMembers([...newer.pushed], ids)
    assert.strictEqual(scenario.state.connections.size, 2)
    assert.deepStrictEqual(newer.of("hello_ack")[0]?.resumed, true)

    // What the older one still says changes nothing.
    scenario.detach(older)
    scenario.ack(older, ...ids)
    scenario.settle()
    assert.strictEqual(scenario.state.connections.size, 2)
    assert.strictEqual(scenario.remembered.inFlight, 2)
    assert.deepStrictEqual(newer.closed, [])
  })

  it("says what the session may use, and whether it was known", () => {
    const scenario = new MeshScenario()
    const [greeting] = scenario.attach(bob, { maxInFlight: 7 }).of("hello_ack")
    assert.deepInclude(greeting, { memberDisplayName: bob.displayName, protocol: 2, resumed: false })
    assert.strictEqual(`${greeting?.sessionId}`, "s1")
    assert.strictEqual(`${greeting?.brokerTime}`, "1970-01-01T00:16:40.000Z")
    assert.deepStrictEqual(greeting?.limits, { maxMessageBytes: 65_536, maxInFlight: 7 })
    assert.isTrue(scenario.attach(bob).of("hello_ack")[0]?.resumed)
  })

  it("of a v1 client is answered with the two keys it knows", () => {
    const scenario = new MeshScenario()
    const peer = scenario.attach(bob, { protocol: 1 })
    assert.deepStrictEqual(Object.keys(peer.frames[0] ?? {}), ["type", "presenceId", "memberDisplayName"])
  })

  it("is refused to a key that no member has, and to a member under another's id (I3)", () => {
    const scenario = new MeshScenario(rulesWith(), [alice, bob])
    const stranger = scenario.arrive(carol)
    const impostor = scenario.arrive(bob, { memberId: alice.memberId })
    for (const peer of [stranger, impostor]) {
      assert.deepStrictEqual(refusals(peer), ["unauthorized"])
      assert.deepStrictEqual(peer.frames, [])
    }
    assert.strictEqual(scenario.state.connections.size, 0)
    assert.strictEqual(scenario.state.sessionCount, 0)
    assert.deepStrictEqual(scenario.writes, [])
  })

  it("of a v1 hello that was used before is refused for as long as its timestamp is good, and forgotten after (I3)", () => {
    const scenario = new MeshScenario()
    const hello = { protocol: 1, signature: "1" } as const
    const first = scenario.arrive(bob, { ...hello, session: "1-1" })
    assert.deepStrictEqual(refusals(first), ["none"])
    assert.deepStrictEqual(refusals(scenario.arrive(bob, { ...hello, session: "1-2" })), ["replayed"])
    assert.deepStrictEqual(refusals(scenario.arrive(bob, { ...hello, session: "1-3", signature: "2" })), ["none"])
    scenario.pass(119_999)
    assert.deepStrictEqual(refusals(scenario.arrive(bob, { ...hello, session: "1-4" })), ["replayed"])
    scenario.pass(1)
    assert.deepStrictEqual(refusals(scenario.arrive(bob, { ...hello, session: "1-5" })), ["none"])
    assert.strictEqual(scenario.state.seenHellos.size, 1)
  })

  it("of one session too many is refused with capacity, and a known session comes back all the same (I13)", () => {
    const scenario = new MeshScenario(rulesWith({ sessionsPerMeshMax: 2 }))
    const known = scenario.attach(alice)
    scenario.attach(bob)
    assert.deepStrictEqual(refusals(scenario.arrive(bob, { session: "s2" })), ["capacity"])
    scenario.detach(known)
    scenario.settle()
    assert.deepStrictEqual(refusals(scenario.arrive(alice)), ["none"])
    assert.deepStrictEqual(refusals(scenario.arrive(carol)), ["capacity"])
  })

  it("of a v1 session gives its place back when it leaves (I13)", () => {
    const scenario = new MeshScenario(rulesWith({ sessionsPerMeshMax: 1 }))
    for (const digit of ["1", "2", "3"]) {
      const peer = scenario.attach(bob, { protocol: 1, session: `1-${digit}`, signature: digit })
      assert.deepStrictEqual(refusals(peer), ["none"])
      scenario.detach(peer)
      scenario.settle()
    }
    assert.strictEqual(scenario.state.sessionCount, 0)
  })
})

describe("a message to a member", () => {
  it("goes to exactly one session: the most recently active (I14)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const [first, second, third] = ["s1", "s2", "s3"].map((name) => scenario.attach(bob, { session: name }))
    assert.ok(first && second && third)
    scenario.pass(1_000)
    scenario.status(second, "idle")
    const id = scenario.send(sender, bob.publicKey)
    scenario.settle()
    assert.deepStrictEqual([first.pushed, second.pushed, third.pushed], [[], [id], []])
    assert.deepStrictEqual(sender.of("ack")[0]?.recipients, [{ pubkey: bob.publicKey, state: "delivered" }])
  })

  it("goes to another session than the sender's, though the sender is the most recently active", () => {
    const scenario = new MeshScenario()
    const other = scenario.attach(alice, { session: "other" })
    scenario.pass(1_000)
    const sender = scenario.attach(alice, { session: "mine" })
    const id = scenario.send(sender, alice.publicKey)
    scenario.settle()
    assert.deepStrictEqual([other.pushed, sender.pushed], [[id], []])
    scenario.detach(other)
    const alone = scenario.send(sender, alice.publicKey)
    scenario.settle()
    assert.includeMembers([...sender.pushed], [alone])
  })

  it("goes to the session whose gate is open", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const free = scenario.attach(bob, { session: "free" })
    const busy = scenario.attach(bob, { session: "busy" })
    scenario.pass(1_000)
    scenario.status(busy, "working")
    const id = scenario.send(sender, bob.publicKey)
    scenario.settle()
    assert.deepStrictEqual([free.pushed, busy.pushed], [[id], []])
  })

  it("waits while the member is away, and the next session to attach has it (I9, I22)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const id = scenario.send(sender, bob.publicKey)
    scenario.settle()
    assert.deepStrictEqual(sender.of("ack")[0]?.recipients, [{ pubkey: bob.publicKey, state: "queued" }])
    const peer = scenario.attach(bob)
    assert.deepStrictEqual(peer.pushed, [id])
  })

  it("that one session had not acked goes to another one when the first is lost, in order (I8)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const stays = scenario.attach(bob, { session: "stays" })
    scenario.pass(1_000)
    const leaves = scenario.attach(bob, { session: "leaves" })
    const ids = ["m1", "m2", "m3", "m4"].map((id) => scenario.send(sender, bob.publicKey, { id }))
    scenario.settle()
    assert.deepStrictEqual(leaves.pushed, ids)
    scenario.ack(leaves, ...ids.slice(0, 1))
    scenario.detach(leaves)
    scenario.settle()
    assert.deepStrictEqual(stays.pushed, ids.slice(1))
    assert.deepStrictEqual(
      stays.of("push").map((push) => push.redelivered),
      [false, false, false],
      "none of them was leased",
    )
  })
})

describe("a message to a session", () => {
  it("goes to that session and no other (I5)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const addressed = scenario.attach(bob, { session: "s1" })
    scenario.pass(1_000)
    const other = scenario.attach(bob, { session: "s2" })
    const id = scenario.send(sender, session(bob, "s1"))
    scenario.settle()
    assert.deepStrictEqual([addressed.pushed, other.pushed], [[id], []])
  })

  it("waits for its session while that is away", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    scenario.detach(scenario.attach(bob, { session: "s1" }))
    const other = scenario.attach(bob, { session: "s2" })
    const id = scenario.send(sender, session(bob, "s1"))
    scenario.settle()
    assert.deepStrictEqual(other.pushed, [])
    assert.deepStrictEqual(scenario.attach(bob, { session: "s1" }).pushed, [id])
  })

  it("of a v1 client that has gone moves to its member's inbox, also when it was committed after the session left", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const away = scenario.attach(bob, { protocol: 1, session: "1-1" })
    scenario.status(away, "dnd")
    const held = scenario.send(sender, session(bob, "1-1"))
    scenario.settle()
    const late = scenario.send(sender, session(bob, "1-1"), { id: "late" })
    scenario.detach(away)
    scenario.settle()
    assert.deepStrictEqual(away.pushed, [])
    const next = scenario.attach(bob)
    assert.deepStrictEqual(next.pushed, [held, late])
    scenario.ack(next, held, late)
    scenario.settle()
    assert.deepStrictEqual(scenario.remembered, nothingRemembered)
    assert.deepStrictEqual(
      scenario.store.waiting({ memberId: bob.memberId, session: undefined }, scenario.nowMillis),
      [],
    )
  })

  it("of a v1 client that has gone reaches another session that is reading its backlog at that moment", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const away = scenario.attach(bob, { protocol: 1, session: "1-1" })
    scenario.status(away, "dnd")
    const moved = scenario.send(sender, session(bob, "1-1"), { id: "first" })
    const waiting = scenario.send(sender, bob.publicKey, { id: "second" })
    scenario.settle()
    const other = scenario.arrive(bob, { session: "other" })
    scenario.commit()
    assert.strictEqual(scenario.reads.length, 1, "the member's inbox is being read")
    const request = scenario.reads[0]
    assert.ok(request)
    const page = scenario.store.page(request)
    scenario.detach(away)
    scenario.commit()
    // The page was read before the move, and its end is heard of after it.
    scenario.readOne(Exit.succeed(page))
    scenario.settle()
    assert.sameMembers([...other.pushed], [moved, waiting])
  })
})

describe("a send", () => {
  it("is acked after its commit and never before, and only then delivered (I7)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const recipient = scenario.attach(bob)
    const id = scenario.send(sender, bob.publicKey, { id: "m1" })
    assert.deepStrictEqual([sender.of("ack"), recipient.of("push"), sender.settled], [[], [], 0])
    scenario.settle()
    assert.deepStrictEqual(sender.of("ack"), [
      {
        type: "ack",
        id: "m1",
        messageId: id,
        queued: true,
        duplicate: false,
        recipients: [{ pubkey: bob.publicKey, state: "delivered" }],
        unsealed: [],
      },
    ])
    assert.strictEqual(sender.settled, 1)
  })

  it("of a v1 client is acked with the four keys it knows, and an empty id when it had none", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice, { protocol: 1, session: "1-1" })
    const messageId = scenario.send(sender, bob.publicKey)
    scenario.settle()
    assert.deepStrictEqual(sender.of("ack"), [{ type: "ack", id: "", messageId, queued: true }])
  })

  it("to oneself is acked first and pushed then", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    scenario.send(sender, alice.publicKey)
    scenario.settle()
    assert.deepStrictEqual(
      sender.frames.map((frame) => frame.type),
      ["hello_ack", "ack", "push"],
    )
  })

  it("tells what became of it: delivered, held by status, or queued (I22)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const recipient = scenario.attach(bob)
    const stateOf = (choices: Parameters<MeshScenario["send"]>[2]) => {
      scenario.send(sender, bob.publicKey, choices)
      scenario.settle()
      return sender.of("ack").at(-1)?.recipients?.[0]?.state
    }
    assert.strictEqual(stateOf({ id: "m1" }), "delivered")
    assert.strictEqual(stateOf({ id: "m2", priority: "low" }), "queued")
    scenario.status(recipient, "dnd")
    assert.strictEqual(stateOf({ id: "m3" }), "held")
    assert.strictEqual(stateOf({ id: "m4", priority: "now" }), "delivered")
    scenario.detach(recipient)
    assert.strictEqual(stateOf({ id: "m5" }), "queued")
    // Attached and idle, and only not committed yet: no status keeps it back.
    const idle = scenario.arrive(carol)
    assert.deepStrictEqual(idle.pushed, [])
    const attachment = scenario.writes.shift()
    scenario.send(sender, carol.publicKey, { id: "m6" })
    scenario.settle()
    assert.strictEqual(sender.of("ack").at(-1)?.recipients?.[0]?.state, "queued")
    if (attachment) scenario.writes.push(attachment)
    scenario.settle()
    assert.strictEqual(idle.pushed.length, 1)
  })

  it("is refused, and stores nothing, when nobody has the address or it is sealed for nobody (I5)", () => {
    const scenario = new MeshScenario(rulesWith(), [alice, bob])
    const sender = scenario.attach(alice)
    scenario.send(sender, carol.publicKey, { id: "m1" })
    scenario.send(sender, session(carol, "s1"), { id: "m2" })
    scenario.send(sender, session(bob, "nowhere"), { id: "m3" })
    scenario.send(sender, "*", { id: "m4" })
    scenario.send(sender, "#general", { id: "m5" })
    scenario.send(sender, bob.publicKey, { id: "m6", sealedKeys: [] })
    assert.deepStrictEqual(errors(sender), [
      { code: "unknown_target", id: "m1" },
      { code: "unknown_target", id: "m2" },
      { code: "unknown_target", id: "m3" },
      { code: "unsealed", id: "m4" },
      { code: "unsealed", id: "m5" },
      { code: "malformed", id: "m6" },
    ])
    assert.strictEqual(sender.settled, 6)
    assert.deepStrictEqual(scenario.writes, [])
    assert.strictEqual(scenario.state.lastSeq, 0)
  })

  it("of the same again is answered by the first result, and of another under its id by id_conflict (I7)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const recipient = scenario.attach(bob)
    const id = scenario.send(sender, bob.publicKey, { id: "m1" })
    scenario.settle()
    scenario.send(sender, bob.publicKey, { id: "m1" })
    scenario.settle()
    assert.deepInclude(sender.last, { type: "ack", messageId: id, duplicate: true })
    assert.deepInclude(sender.last, { recipients: [{ pubkey: bob.publicKey, state: "queued" }] })
    scenario.ack(recipient, id)
    scenario.send(sender, bob.publicKey, { id: "m1" })
    scenario.settle()
    assert.deepInclude(sender.last, { duplicate: true, recipients: [{ pubkey: bob.publicKey, state: "delivered" }] })
    scenario.send(sender, bob.publicKey, { id: "m1", ciphertext: "BBBB" })
    scenario.settle()
    assert.deepInclude(sender.last, { type: "error", code: "id_conflict", id: "m1", retryable: false })
    assert.deepStrictEqual(recipient.pushed, [id])
    assert.strictEqual(sender.settled, 4)
  })

  it("whose sender left before the commit is delivered all the same", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const recipient = scenario.attach(bob)
    const id = scenario.send(sender, bob.publicKey)
    scenario.detach(sender)
    scenario.settle()
    assert.deepStrictEqual(recipient.pushed, [id])
  })

  it("whose commit has an unknown end is refused as retryable, and its inbox looks whether it is there (I7)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const recipient = scenario.attach(bob)
    const there = scenario.send(sender, bob.publicKey, { id: "there" })
    const write = scenario.writes[0]?.write
    if (write) scenario.store.apply(write)
    scenario.commitOne(storeFailure("unavailable"))
    assert.deepInclude(sender.last, { type: "error", code: "unavailable", id: "there", retryable: true })
    scenario.send(sender, bob.publicKey, { id: "lost" })
    scenario.commitOne(storeFailure("unavailable"))
    const after = scenario.send(sender, bob.publicKey, { id: "after" })
    scenario.settle()
    assert.deepStrictEqual(recipient.pushed, [there, after])
    scenario.send(sender, bob.publicKey, { id: "there" })
    scenario.settle()
    assert.deepInclude(sender.last, { type: "ack", messageId: there, duplicate: true })
    assert.strictEqual(sender.settled, 4)
  })

  it("that the database refuses for good is answered with internal", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    scenario.send(sender, bob.publicKey, { id: "m1" })
    scenario.commitOne(storeFailure("rejected"))
    assert.deepInclude(sender.last, { type: "error", code: "internal", id: "m1" })
    assert.strictEqual(sender.settled, 1)
  })

  it("whose sequence was used by another owner makes this owner begin again, without an answer of its own", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const before = sender.frames.length
    scenario.send(sender, bob.publicKey, { id: "m1" })
    scenario.commitOne(storeFailure("fenced"))
    assert.isTrue(scenario.fenced)
    assert.strictEqual(sender.frames.length, before)
  })

  it("lives as long as it asks, and never longer than the broker keeps messages (I17)", () => {
    const scenario = new MeshScenario(rulesWith({ messageTtlMillis: 100_000 }))
    const sender = scenario.attach(alice)
    for (const choices of [{}, { ttlSeconds: 5 }, { ttlSeconds: 101 }]) scenario.send(sender, bob.publicKey, choices)
    const lifetimes = scenario.writes.map(({ write }) =>
      write._tag === "Accept" ? write.message.expiresAtMillis - write.message.createdAtMillis : undefined,
    )
    assert.deepStrictEqual(lifetimes, [100_000, 5_000, 100_000])
  })
})

describe("a command of a connection that is not attached", () => {
  it("does nothing, and gives back what a send or a lease had taken (I23)", () => {
    const scenario = new MeshScenario()
    const gone = scenario.attach(alice)
    scenario.detach(gone)
    scenario.settle()
    const before = gone.frames.length
    scenario.send(gone, bob.publicKey)
    scenario.status(gone, "dnd")
    scenario.lease(gone, "l1")
    assert.strictEqual(gone.settled, 2)
    assert.deepStrictEqual(scenario.do(Command.Detach({ peer: gone.id, saidGoodbye: false })), [])
    assert.strictEqual(gone.frames.length, before)
    assert.deepStrictEqual(scenario.writes, [])
  })
})
