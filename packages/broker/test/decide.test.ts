/** What a mesh decides about hellos and sends, without fibers: who is attached, who is refused, who gets a message. */
import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import type { MemberRecord } from "../src/store/MessageStore.ts"
import { Command } from "../src/state/MeshCommand.ts"
import { alice, bob, carol, MeshStory, nothingRemembered, Peer, rulesWith, storeFailure } from "./support/MeshStory.ts"

const session = (who: MemberRecord, name: string): string => `${who.publicKey}/${name}`

const refusals = (peer: Peer) =>
  peer.answers.map((answer) => (answer._tag === "Refused" ? answer.refusal.code : "none"))

const errors = (peer: Peer) => peer.of("error").map(({ code, id }) => ({ code, id }))

describe("an attachment", () => {
  it("queues hello_ack before it answers, and pushes nothing before it is committed (I1)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const waiting = story.send(sender, bob.publicKey)
    story.settle()
    const peer = story.arrive(bob)
    assert.deepStrictEqual(
      peer.frames.map((frame) => frame.type),
      ["hello_ack"],
    )
    assert.deepStrictEqual(peer.answers, [{ _tag: "Attached" }])
    const meanwhile = story.send(sender, bob.publicKey, { priority: "now" })
    // Its commit is known before the attachment's: the write of the attachment ends later.
    const attachment = story.writes.shift()
    assert.strictEqual(attachment?.write._tag, "SessionAttached")
    story.settle()
    assert.deepStrictEqual(peer.pushed, [])
    if (attachment) story.writes.push(attachment)
    story.settle()
    assert.deepStrictEqual(
      peer.frames.map((frame) => frame.type),
      ["hello_ack", "push", "push"],
    )
    assert.sameMembers([...peer.pushed], [waiting, meanwhile])
  })

  it("is not replaced by an older connection whose hello was long on its way (I2)", () => {
    const story = new MeshStory()
    const late = new Peer(bob, "s1")
    const newer = story.attach(bob)
    story.greet(late)
    story.settle()
    assert.deepStrictEqual(
      [newer, late].map(({ closed }) => closed.map((reason) => reason.code)),
      [[], [4003]],
    )
    assert.deepStrictEqual(late.of("hello_ack"), [])
    story.detach(late)
    assert.strictEqual(story.state.connections.size, 1)
  })

  it("replaces the session's older connection, which is closed with 4003, and takes over what that had not acked (I2, I8)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const older = story.attach(bob)
    const ids = [story.send(sender, bob.publicKey), story.send(sender, session(bob, "s1"))]
    story.settle()
    assert.deepStrictEqual(older.pushed, ids)
    const newer = story.attach(bob)
    assert.deepStrictEqual(
      older.closed.map((reason) => reason.code),
      [4003],
    )
    assert.sameMembers([...newer.pushed], ids)
    assert.strictEqual(story.state.connections.size, 2)
    assert.deepStrictEqual(newer.of("hello_ack")[0]?.resumed, true)

    // What the older one still says changes nothing.
    story.detach(older)
    story.ack(older, ...ids)
    story.settle()
    assert.strictEqual(story.state.connections.size, 2)
    assert.strictEqual(story.remembered.inFlight, 2)
    assert.deepStrictEqual(newer.closed, [])
  })

  it("says what the session may use, and whether it was known", () => {
    const story = new MeshStory()
    const [greeting] = story.attach(bob, { maxInFlight: 7 }).of("hello_ack")
    assert.deepInclude(greeting, { memberDisplayName: bob.displayName, protocol: 2, resumed: false })
    assert.strictEqual(`${greeting?.sessionId}`, "s1")
    assert.strictEqual(`${greeting?.brokerTime}`, "1970-01-01T00:16:40.000Z")
    assert.deepStrictEqual(greeting?.limits, { maxMessageBytes: 65_536, maxInFlight: 7 })
    assert.isTrue(story.attach(bob).of("hello_ack")[0]?.resumed)
  })

  it("of a v1 client is answered with the two keys it knows", () => {
    const story = new MeshStory()
    const peer = story.attach(bob, { protocol: 1 })
    assert.deepStrictEqual(Object.keys(peer.frames[0] ?? {}), ["type", "presenceId", "memberDisplayName"])
  })

  it("is refused to a key that no member has, and to a member under another's id (I3)", () => {
    const story = new MeshStory(rulesWith(), [alice, bob])
    const stranger = story.arrive(carol)
    const impostor = story.arrive(bob, { memberId: alice.memberId })
    for (const peer of [stranger, impostor]) {
      assert.deepStrictEqual(refusals(peer), ["unauthorized"])
      assert.deepStrictEqual(peer.frames, [])
    }
    assert.strictEqual(story.state.connections.size, 0)
    assert.strictEqual(story.state.sessionCount, 0)
    assert.deepStrictEqual(story.writes, [])
  })

  it("of a v1 hello that was used before is refused for as long as its timestamp is good, and forgotten after (I3)", () => {
    const story = new MeshStory()
    const hello = { protocol: 1, signature: "1" } as const
    const first = story.arrive(bob, { ...hello, session: "1-1" })
    assert.deepStrictEqual(refusals(first), ["none"])
    assert.deepStrictEqual(refusals(story.arrive(bob, { ...hello, session: "1-2" })), ["replayed"])
    assert.deepStrictEqual(refusals(story.arrive(bob, { ...hello, session: "1-3", signature: "2" })), ["none"])
    story.pass(119_999)
    assert.deepStrictEqual(refusals(story.arrive(bob, { ...hello, session: "1-4" })), ["replayed"])
    story.pass(1)
    assert.deepStrictEqual(refusals(story.arrive(bob, { ...hello, session: "1-5" })), ["none"])
    assert.strictEqual(story.state.seenHellos.size, 1)
  })

  it("of one session too many is refused with capacity, and a known session comes back all the same (I13)", () => {
    const story = new MeshStory(rulesWith({ sessionsPerMeshMax: 2 }))
    const known = story.attach(alice)
    story.attach(bob)
    assert.deepStrictEqual(refusals(story.arrive(bob, { session: "s2" })), ["capacity"])
    story.detach(known)
    story.settle()
    assert.deepStrictEqual(refusals(story.arrive(alice)), ["none"])
    assert.deepStrictEqual(refusals(story.arrive(carol)), ["capacity"])
  })

  it("of a v1 session gives its place back when it leaves (I13)", () => {
    const story = new MeshStory(rulesWith({ sessionsPerMeshMax: 1 }))
    for (const digit of ["1", "2", "3"]) {
      const peer = story.attach(bob, { protocol: 1, session: `1-${digit}`, signature: digit })
      assert.deepStrictEqual(refusals(peer), ["none"])
      story.detach(peer)
      story.settle()
    }
    assert.strictEqual(story.state.sessionCount, 0)
  })
})

describe("a message to a member", () => {
  it("goes to exactly one session: the most recently active (I14)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const [first, second, third] = ["s1", "s2", "s3"].map((name) => story.attach(bob, { session: name }))
    assert.ok(first && second && third)
    story.pass(1_000)
    story.status(second, "idle")
    const id = story.send(sender, bob.publicKey)
    story.settle()
    assert.deepStrictEqual([first.pushed, second.pushed, third.pushed], [[], [id], []])
    assert.deepStrictEqual(sender.of("ack")[0]?.recipients, [{ pubkey: bob.publicKey, state: "delivered" }])
  })

  it("goes to another session than the sender's, though the sender is the most recently active", () => {
    const story = new MeshStory()
    const other = story.attach(alice, { session: "other" })
    story.pass(1_000)
    const sender = story.attach(alice, { session: "mine" })
    const id = story.send(sender, alice.publicKey)
    story.settle()
    assert.deepStrictEqual([other.pushed, sender.pushed], [[id], []])
    story.detach(other)
    const alone = story.send(sender, alice.publicKey)
    story.settle()
    assert.includeMembers([...sender.pushed], [alone])
  })

  it("goes to the session whose gate is open", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const free = story.attach(bob, { session: "free" })
    const busy = story.attach(bob, { session: "busy" })
    story.pass(1_000)
    story.status(busy, "working")
    const id = story.send(sender, bob.publicKey)
    story.settle()
    assert.deepStrictEqual([free.pushed, busy.pushed], [[id], []])
  })

  it("waits while the member is away, and the next session to attach has it (I9, I22)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const id = story.send(sender, bob.publicKey)
    story.settle()
    assert.deepStrictEqual(sender.of("ack")[0]?.recipients, [{ pubkey: bob.publicKey, state: "queued" }])
    const peer = story.attach(bob)
    assert.deepStrictEqual(peer.pushed, [id])
  })

  it("that one session had not acked goes to another one when the first is lost, in order (I8)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const stays = story.attach(bob, { session: "stays" })
    story.pass(1_000)
    const leaves = story.attach(bob, { session: "leaves" })
    const ids = ["m1", "m2", "m3", "m4"].map((id) => story.send(sender, bob.publicKey, { id }))
    story.settle()
    assert.deepStrictEqual(leaves.pushed, ids)
    story.ack(leaves, ...ids.slice(0, 1))
    story.detach(leaves)
    story.settle()
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
    const story = new MeshStory()
    const sender = story.attach(alice)
    const addressed = story.attach(bob, { session: "s1" })
    story.pass(1_000)
    const other = story.attach(bob, { session: "s2" })
    const id = story.send(sender, session(bob, "s1"))
    story.settle()
    assert.deepStrictEqual([addressed.pushed, other.pushed], [[id], []])
  })

  it("waits for its session while that is away", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    story.detach(story.attach(bob, { session: "s1" }))
    const other = story.attach(bob, { session: "s2" })
    const id = story.send(sender, session(bob, "s1"))
    story.settle()
    assert.deepStrictEqual(other.pushed, [])
    assert.deepStrictEqual(story.attach(bob, { session: "s1" }).pushed, [id])
  })

  it("of a v1 client that has gone moves to its member's inbox, also when it was committed after the session left", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const away = story.attach(bob, { protocol: 1, session: "1-1" })
    story.status(away, "dnd")
    const held = story.send(sender, session(bob, "1-1"))
    story.settle()
    const late = story.send(sender, session(bob, "1-1"), { id: "late" })
    story.detach(away)
    story.settle()
    assert.deepStrictEqual(away.pushed, [])
    const next = story.attach(bob)
    assert.deepStrictEqual(next.pushed, [held, late])
    story.ack(next, held, late)
    story.settle()
    assert.deepStrictEqual(story.remembered, nothingRemembered)
    assert.deepStrictEqual(story.store.waiting({ memberId: bob.memberId, session: undefined }, story.nowMillis), [])
  })

  it("of a v1 client that has gone reaches another session that is reading its backlog at that moment", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const away = story.attach(bob, { protocol: 1, session: "1-1" })
    story.status(away, "dnd")
    const moved = story.send(sender, session(bob, "1-1"), { id: "first" })
    const waiting = story.send(sender, bob.publicKey, { id: "second" })
    story.settle()
    const other = story.arrive(bob, { session: "other" })
    story.commit()
    assert.strictEqual(story.reads.length, 1, "the member's inbox is being read")
    const request = story.reads[0]
    assert.ok(request)
    const page = story.store.page(request)
    story.detach(away)
    story.commit()
    // The page was read before the move, and its end is heard of after it.
    story.readOne(Exit.succeed(page))
    story.settle()
    assert.sameMembers([...other.pushed], [moved, waiting])
  })
})

describe("a send", () => {
  it("is acked after its commit and never before, and only then delivered (I7)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const recipient = story.attach(bob)
    const id = story.send(sender, bob.publicKey, { id: "m1" })
    assert.deepStrictEqual([sender.of("ack"), recipient.of("push"), sender.settled], [[], [], 0])
    story.settle()
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
    const story = new MeshStory()
    const sender = story.attach(alice, { protocol: 1, session: "1-1" })
    const messageId = story.send(sender, bob.publicKey)
    story.settle()
    assert.deepStrictEqual(sender.of("ack"), [{ type: "ack", id: "", messageId, queued: true }])
  })

  it("to oneself is acked first and pushed then", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    story.send(sender, alice.publicKey)
    story.settle()
    assert.deepStrictEqual(
      sender.frames.map((frame) => frame.type),
      ["hello_ack", "ack", "push"],
    )
  })

  it("tells what became of it: delivered, held by status, or queued (I22)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const recipient = story.attach(bob)
    const stateOf = (choices: Parameters<MeshStory["send"]>[2]) => {
      story.send(sender, bob.publicKey, choices)
      story.settle()
      return sender.of("ack").at(-1)?.recipients?.[0]?.state
    }
    assert.strictEqual(stateOf({ id: "m1" }), "delivered")
    assert.strictEqual(stateOf({ id: "m2", priority: "low" }), "queued")
    story.status(recipient, "dnd")
    assert.strictEqual(stateOf({ id: "m3" }), "held")
    assert.strictEqual(stateOf({ id: "m4", priority: "now" }), "delivered")
    story.detach(recipient)
    assert.strictEqual(stateOf({ id: "m5" }), "queued")
    // Attached and idle, and only not committed yet: no status keeps it back.
    const idle = story.arrive(carol)
    assert.deepStrictEqual(idle.pushed, [])
    const attachment = story.writes.shift()
    story.send(sender, carol.publicKey, { id: "m6" })
    story.settle()
    assert.strictEqual(sender.of("ack").at(-1)?.recipients?.[0]?.state, "queued")
    if (attachment) story.writes.push(attachment)
    story.settle()
    assert.strictEqual(idle.pushed.length, 1)
  })

  it("is refused, and stores nothing, when nobody has the address or it is sealed for nobody (I5)", () => {
    const story = new MeshStory(rulesWith(), [alice, bob])
    const sender = story.attach(alice)
    story.send(sender, carol.publicKey, { id: "m1" })
    story.send(sender, session(carol, "s1"), { id: "m2" })
    story.send(sender, session(bob, "nowhere"), { id: "m3" })
    story.send(sender, "*", { id: "m4" })
    story.send(sender, "#general", { id: "m5" })
    story.send(sender, bob.publicKey, { id: "m6", sealedKeys: [] })
    assert.deepStrictEqual(errors(sender), [
      { code: "unknown_target", id: "m1" },
      { code: "unknown_target", id: "m2" },
      { code: "unknown_target", id: "m3" },
      { code: "unsealed", id: "m4" },
      { code: "unsealed", id: "m5" },
      { code: "malformed", id: "m6" },
    ])
    assert.strictEqual(sender.settled, 6)
    assert.deepStrictEqual(story.writes, [])
    assert.strictEqual(story.state.lastSeq, 0)
  })

  it("of the same again is answered by the first result, and of another under its id by id_conflict (I7)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const recipient = story.attach(bob)
    const id = story.send(sender, bob.publicKey, { id: "m1" })
    story.settle()
    story.send(sender, bob.publicKey, { id: "m1" })
    story.settle()
    assert.deepInclude(sender.last, { type: "ack", messageId: id, duplicate: true })
    assert.deepInclude(sender.last, { recipients: [{ pubkey: bob.publicKey, state: "queued" }] })
    story.ack(recipient, id)
    story.send(sender, bob.publicKey, { id: "m1" })
    story.settle()
    assert.deepInclude(sender.last, { duplicate: true, recipients: [{ pubkey: bob.publicKey, state: "delivered" }] })
    story.send(sender, bob.publicKey, { id: "m1", ciphertext: "BBBB" })
    story.settle()
    assert.deepInclude(sender.last, { type: "error", code: "id_conflict", id: "m1", retryable: false })
    assert.deepStrictEqual(recipient.pushed, [id])
    assert.strictEqual(sender.settled, 4)
  })

  it("whose sender left before the commit is delivered all the same", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const recipient = story.attach(bob)
    const id = story.send(sender, bob.publicKey)
    story.detach(sender)
    story.settle()
    assert.deepStrictEqual(recipient.pushed, [id])
  })

  it("whose commit has an unknown end is refused as retryable, and its inbox looks whether it is there (I7)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const recipient = story.attach(bob)
    const there = story.send(sender, bob.publicKey, { id: "there" })
    const write = story.writes[0]?.write
    if (write) story.store.apply(write)
    story.commitOne(storeFailure("unavailable"))
    assert.deepInclude(sender.last, { type: "error", code: "unavailable", id: "there", retryable: true })
    story.send(sender, bob.publicKey, { id: "lost" })
    story.commitOne(storeFailure("unavailable"))
    const after = story.send(sender, bob.publicKey, { id: "after" })
    story.settle()
    assert.deepStrictEqual(recipient.pushed, [there, after])
    story.send(sender, bob.publicKey, { id: "there" })
    story.settle()
    assert.deepInclude(sender.last, { type: "ack", messageId: there, duplicate: true })
    assert.strictEqual(sender.settled, 4)
  })

  it("that the database refuses for good is answered with internal", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    story.send(sender, bob.publicKey, { id: "m1" })
    story.commitOne(storeFailure("rejected"))
    assert.deepInclude(sender.last, { type: "error", code: "internal", id: "m1" })
    assert.strictEqual(sender.settled, 1)
  })

  it("whose sequence was used by another owner makes this owner begin again, without an answer of its own", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const before = sender.frames.length
    story.send(sender, bob.publicKey, { id: "m1" })
    story.commitOne(storeFailure("fenced"))
    assert.isTrue(story.fenced)
    assert.strictEqual(sender.frames.length, before)
  })

  it("lives as long as it asks, and never longer than the broker keeps messages (I17)", () => {
    const story = new MeshStory(rulesWith({ messageTtlMillis: 100_000 }))
    const sender = story.attach(alice)
    for (const choices of [{}, { ttlSeconds: 5 }, { ttlSeconds: 101 }]) story.send(sender, bob.publicKey, choices)
    const lifetimes = story.writes.map(({ write }) =>
      write._tag === "Accept" ? write.message.expiresAtMillis - write.message.createdAtMillis : undefined,
    )
    assert.deepStrictEqual(lifetimes, [100_000, 5_000, 100_000])
  })
})

describe("a command of a connection that is not attached", () => {
  it("does nothing, and gives back what a send or a lease had taken (I23)", () => {
    const story = new MeshStory()
    const gone = story.attach(alice)
    story.detach(gone)
    story.settle()
    const before = gone.frames.length
    story.send(gone, bob.publicKey)
    story.status(gone, "dnd")
    story.lease(gone, "l1")
    assert.strictEqual(gone.settled, 2)
    assert.deepStrictEqual(story.do(Command.Detach({ peer: gone.id, saidGoodbye: false })), [])
    assert.strictEqual(gone.frames.length, before)
    assert.deepStrictEqual(story.writes, [])
  })
})
