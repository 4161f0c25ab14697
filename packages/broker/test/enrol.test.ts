/** Who is let into a mesh and who is put out of it, step by step: what counts, and from when on. */
import { DisplayName, MemberId, RequestId } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { assert, describe, it } from "@effect/vitest"
import { certificateFor, inviteFrom, type Keys, keysOf, owner, revocationIn } from "../../domain/test/support/Trust.ts"
import { Enrolment } from "../src/state/Enrolment.ts"
import { dave, door, Enrolments, erin, joining, mallory, withDoor } from "./support/Enrolments.ts"
import { storeFailure } from "./support/MeshStory.ts"

describe("an invite", () => {
  it("counts once it is committed, and the same again is the same", () => {
    const story = new Enrolments()
    const invite = inviteFrom(door)
    story.ask(Enrolment.AddInvite({ by: owner.key, invite }))
    assert.deepStrictEqual(story.answers, [])
    assert.isFalse(story.state.invites.has(door.key))
    story.commit()
    assert.strictEqual(story.joins(dave), "Joined")
    assert.deepStrictEqual(story.told(Enrolment.AddInvite({ by: owner.key, invite })), {
      _tag: "InviteAdded",
      publicKey: door.key,
      created: false,
    })
    assert.strictEqual(story.adds(inviteFrom(door, { uses: 9 })), "conflict")
  })

  it("that comes again while it is being added is the same, and another one by its key is none", () => {
    const story = new Enrolments()
    for (const invite of [inviteFrom(door), inviteFrom(door), inviteFrom(door, { uses: 9 })]) {
      story.ask(Enrolment.AddInvite({ by: owner.key, invite }))
    }
    story.settle()
    const told = story.answers.map((answer) => (answer._tag === "InviteAdded" ? answer.created : answer._tag))
    assert.deepStrictEqual(told, ["Refused", true, false])
  })

  it("is brought by who signed it, and signed by the owner or an admin of this very mesh", () => {
    const story = withDoor()
    const other = keysOf("other")
    assert.strictEqual(story.adds(inviteFrom(other, { allowUnsealed: true })), "bad_invite")
    assert.strictEqual(story.adds(inviteFrom(other, { meshName: DisplayName.make("Else") })), "bad_invite")
    assert.strictEqual(story.joins(dave), "Joined")
    assert.strictEqual(story.adds(inviteFrom(other, {}, dave), dave), "bad_invite")
    assert.strictEqual(story.adds(inviteFrom(other), dave), "forbidden")
    assert.strictEqual(story.adds(inviteFrom(other, { expiresAt: isoFromMillis(story.nowMillis) })), "expired")
  })

  it("of an admin lets members in, and no admins", () => {
    const story = new Enrolments()
    story.adds(inviteFrom(door, { role: "admin" }))
    story.joins(dave)
    const other = keysOf("other")
    assert.strictEqual(story.adds(inviteFrom(other, { role: "admin" }, dave), dave), "bad_invite")
    assert.strictEqual(story.adds(inviteFrom(other, {}, dave), dave), "InviteAdded")
    assert.strictEqual(story.joins(erin, other), "Joined")
  })

  it("is one of a bounded number that are open: spent ones make room (I23)", () => {
    const story = withDoor(1, { invitesPerMeshMax: 1 })
    const other = keysOf("other")
    assert.strictEqual(story.adds(inviteFrom(other)), "full")
    story.joins(dave)
    assert.strictEqual(story.adds(inviteFrom(other)), "InviteAdded")
  })

  it("that nobody used is forgotten a month after it expired", () => {
    const story = withDoor()
    story.nowMillis = Date.parse(inviteFrom(door).expiresAt) + 31 * 86_400_000
    const expiresAt = isoFromMillis(story.nowMillis + 60_000)
    story.adds(inviteFrom(keysOf("other"), { expiresAt }))
    assert.isFalse(story.state.invites.has(door.key))
    assert.isFalse(story.state.register.invites.has(door.key))
  })

  it("is listed with its uses and its state, for admins alone", () => {
    const story = withDoor(1)
    story.adds(inviteFrom(keysOf("two"), { uses: 2 }))
    story.adds(inviteFrom(keysOf("three"), { expiresAt: isoFromMillis(story.nowMillis + 1) }))
    story.adds(inviteFrom(keysOf("four")))
    story.joins(dave)
    story.revokes(keysOf("four"))
    story.nowMillis += 1
    const answer = story.told(Enrolment.ListInvites({ by: owner.key }))
    assert.strictEqual(answer?._tag, "Invites")
    if (answer?._tag === "Invites") {
      assert.deepStrictEqual(
        answer.invites.map(({ state, used }) => [state, used]),
        [
          ["used_up", 1],
          ["open", 0],
          ["expired", 0],
          ["revoked", 0],
        ],
      )
    }
    assert.strictEqual(story.code(Enrolment.ListInvites({ by: dave.key })), "forbidden")
    assert.strictEqual(story.code(Enrolment.ListInvites({ by: mallory.key })), "unknown_mesh")
  })
})

describe("who joins", () => {
  it("is a member once it is committed, and not before", () => {
    const story = withDoor()
    story.ask(joining(dave))
    assert.isFalse(story.state.members.has(dave.key))
    story.commit()
    assert.isTrue(story.state.members.has(dave.key))
    const peer = story.attach(story.record(dave))
    assert.deepStrictEqual(peer.answers, [{ _tag: "Attached" }])
  })

  it("is announced to every v2 client that is there, once it is committed, and once only", () => {
    const story = withDoor(9)
    story.joins(dave, door, { allowV1: true })
    const there = story.attach(story.record(dave))
    const v1 = story.attach(story.record(dave), { session: "1-1", protocol: 1 })
    story.ask(joining(erin))
    assert.deepStrictEqual(there.of("members_changed"), [])
    story.commit()
    const { displayName, memberId, publicKey: pubkey } = story.record(erin)
    const member = { memberId, pubkey, displayName }
    assert.deepStrictEqual(there.of("members_changed"), [{ type: "members_changed", member }])
    // The same again is no news, and what is refused is none.
    story.joins(erin)
    story.joins(mallory, mallory)
    assert.strictEqual(there.of("members_changed").length, 1)
    assert.deepStrictEqual(
      v1.frames.map(({ type }) => type),
      ["hello_ack"],
    )
  })

  it("needs a name that no member has, nor one that looks the same, while it is committed and after", () => {
    const story = withDoor(9)
    const asBob = (who: Keys, name: string) => joining(who, door, { displayName: DisplayName.make(name) })
    story.ask(asBob(dave, "Bob"))
    story.ask(asBob(erin, "bob"))
    story.settle()
    assert.deepStrictEqual(
      story.answers.map((answer) => (answer._tag === "Refused" ? answer.code : answer._tag)).slice(-2),
      ["name_taken", "Joined"],
    )
    for (const name of ["Bob", "BOB", "B0b", "Воb", "Ｂｏｂ"]) {
      assert.strictEqual(story.code(asBob(erin, name)), "name_taken", name)
    }
    const answer = story.answers.at(-1)
    assert.include(answer?._tag === "Refused" ? answer.message : "", `"Bob" (${dave.key.slice(0, 8)})`)
    // The same again is the same, and whoever is gone has no name any more.
    assert.strictEqual(story.code(asBob(dave, "Bob")), "Joined")
    assert.strictEqual(story.revokes(dave), "Revoked")
    assert.strictEqual(story.code(asBob(erin, "bob")), "Joined")
    assert.strictEqual(story.code(asBob(mallory, "Robert")), "Joined")
  })

  it("is one of fifty by one use, while all of them are under way (I28)", () => {
    const story = withDoor(1)
    const people = Array.from({ length: 50 }, (_, n) => keysOf(`person ${n}`))
    for (const one of people) story.ask(joining(one))
    story.settle()
    const codes = story.answers.slice(1).map((answer) => (answer._tag === "Refused" ? answer.code : answer._tag))
    assert.deepStrictEqual(codes.toSorted(), ["Joined", ...Array.from({ length: 49 }, () => "used_up")].toSorted())
    assert.strictEqual(story.state.members.size, 1)
  })

  it("twice with one key is in once, and both are told, also when the first is under way", () => {
    const story = withDoor()
    story.ask(joining(dave))
    story.ask(joining(dave))
    story.settle()
    story.ask(joining(dave))
    const { memberId } = certificateFor(dave, door)
    assert.deepStrictEqual(story.answers.slice(1), [
      { _tag: "Joined", memberId, created: true },
      { _tag: "Joined", memberId, created: false },
      { _tag: "Joined", memberId, created: false },
    ])
    assert.strictEqual(story.state.invites.get(door.key)?.used, 1)
    assert.strictEqual(story.joins(dave, door, { displayName: DisplayName.make("Else") }), "conflict")
  })

  it("needs an invite that is there, open, and has signed the certificate", () => {
    const story = withDoor()
    assert.strictEqual(story.joins(dave, keysOf("no such")), "unknown_mesh")
    assert.strictEqual(story.joins(dave, mallory, { invite: door.key }), "bad_certificate")
    assert.strictEqual(
      story.code(Enrolment.Join({ by: mallory.key, certificate: certificateFor(dave, door) })),
      "forbidden",
    )
    const changed = { ...certificateFor(dave, door), displayName: DisplayName.make("Else") }
    assert.strictEqual(story.code(Enrolment.Join({ by: dave.key, certificate: changed })), "bad_certificate")
    const late = { joinedAt: isoFromMillis(story.nowMillis - 600_001) }
    assert.strictEqual(story.joins(dave, door, late), "bad_certificate")
    story.nowMillis = Date.parse(inviteFrom(door).expiresAt)
    assert.strictEqual(story.joins(dave), "expired")
  })

  it("takes nobody else's id, and no place beyond the last (I23)", () => {
    const story = withDoor(5, { membersPerMeshMax: 2 })
    const memberId = MemberId.make("one-id")
    assert.strictEqual(story.joins(dave, door, { memberId }), "Joined")
    assert.strictEqual(story.joins(erin, door, { memberId }), "conflict")
    assert.strictEqual(story.joins(erin), "Joined")
    assert.strictEqual(story.joins(keysOf("frank")), "full")
  })

  it("is told to try again when it was not stored, and its use is free again", () => {
    const story = withDoor(1)
    story.ask(joining(dave))
    story.commitOne(storeFailure("unavailable"))
    assert.strictEqual(story.joins(dave), "Joined")
    const told = story.answers.slice(1).map((answer) => (answer._tag === "Refused" ? answer.code : answer._tag))
    assert.deepStrictEqual(told, ["unavailable", "Joined"])
  })

  it("is no member when its invite is revoked meanwhile, in this life of the mesh and in the next", () => {
    for (const joinsFirst of [true, false]) {
      const story = withDoor()
      const revocation = revocationIn(story.state.register, door.key, owner)
      const both = [joining(dave), Enrolment.Revoke({ by: owner.key, revocation })]
      for (const enrolment of joinsFirst ? both : both.toReversed()) story.ask(enrolment)
      story.settle()
      for (const _ of ["now", "after a restart"]) {
        assert.isFalse(story.state.members.has(dave.key))
        assert.strictEqual(story.state.membersById.size, 0)
        assert.strictEqual(story.state.invites.get(door.key)?.used, joinsFirst ? 1 : 0)
        assert.strictEqual(story.joins(dave), "revoked")
        story.restart()
      }
    }
  })

  it("is told that the invite is used up when the table refuses it, and begins anew when another owner wrote", () => {
    const story = withDoor()
    story.ask(joining(dave))
    story.commitOne(storeFailure("rejected"))
    story.ask(joining(erin))
    story.commitOne(storeFailure("fenced"))
    const told = story.answers.slice(1).map((answer) => (answer._tag === "Refused" ? answer.code : answer._tag))
    assert.deepStrictEqual(told, ["used_up", "unavailable"])
    assert.isTrue(story.fenced)
  })
})

describe("who is nobody in the mesh", () => {
  it("is told that there is none, whatever it asks and however well it guesses", () => {
    const story = withDoor()
    story.joins(dave)
    story.revokes(dave)
    const other = keysOf("other")
    const answers = [
      story.adds(inviteFrom(other), mallory),
      story.adds(inviteFrom(other, {}, mallory), mallory),
      story.adds(inviteFrom(door), mallory),
      story.code(Enrolment.ListInvites({ by: mallory.key })),
      story.joins(mallory, keysOf("no such")),
      story.revokes(mallory, mallory),
      story.revokes(mallory, mallory, { version: 1 }),
    ]
    assert.deepStrictEqual(new Set(answers), new Set(["unknown_mesh"]))
    // Whoever was somebody, or has a link, is told more.
    assert.strictEqual(story.code(Enrolment.ListInvites({ by: dave.key })), "forbidden")
    assert.strictEqual(story.joins(mallory, mallory, { invite: door.key }), "bad_certificate")
  })
})

describe("a revocation", () => {
  const together = () => {
    const story = withDoor()
    story.joins(dave, door, { allowV1: true })
    story.joins(erin)
    return story
  }

  it("closes every socket of the member with 4002 at once, and no other", () => {
    const story = together()
    const [one, two] = ["s1", "s2"].map((session) => story.attach(story.record(dave), { session }))
    const v1 = story.attach(story.record(dave), { session: "s3", protocol: 1, signature: "1" })
    const other = story.attach(story.record(erin))
    assert.strictEqual(story.revokes(dave), "Revoked")
    for (const peer of [one, two, v1])
      assert.deepStrictEqual(
        peer?.closed.map(({ code }) => code),
        [4002],
      )
    assert.deepStrictEqual(other.closed, [])
    assert.deepStrictEqual(other.last, { type: "trust_changed", version: 1 })
  })

  it("is no word before it is committed", () => {
    const story = together()
    const peer = story.attach(story.record(dave))
    const revocation = revocationIn(story.state.register, dave.key, owner)
    story.ask(Enrolment.Revoke({ by: owner.key, revocation }))
    assert.deepStrictEqual(peer.closed, [])
    story.commitOne(storeFailure("unavailable"))
    assert.deepStrictEqual(peer.closed, [])
    assert.strictEqual(story.state.register.version, 0)
    assert.strictEqual(story.revokes(dave), "Revoked")
  })

  it("lets the member in no more, in this life of the mesh and in the next", () => {
    const story = together()
    const record = story.record(dave)
    story.revokes(dave)
    for (const _ of ["now", "after a restart"]) {
      const peer = story.attach(record)
      assert.deepStrictEqual(peer.answers, [
        { _tag: "Refused", refusal: { code: "revoked", message: "this member was revoked" } },
      ])
      assert.strictEqual(story.joins(dave), "revoked")
      story.restart()
    }
  })

  it("takes the member out of every audience, list and lease", () => {
    const story = together()
    const away = story.attach(story.record(dave))
    story.detach(away)
    const gone = story.attach(story.record(dave), { session: "s2" })
    const reader = story.attach(story.record(erin))
    story.revokes(dave)
    story.settle()
    story.request(reader, { type: "list_peers", id: RequestId.make("p") })
    assert.deepStrictEqual(
      reader
        .of("peers")
        .at(-1)
        ?.peers.map((peer) => peer.pubkey),
      [erin.key],
    )
    story.request(reader, { type: "list_members", id: RequestId.make("m") })
    const members = reader.of("members").at(-1)
    assert.deepStrictEqual(
      members?.members.map(({ pubkey }) => pubkey),
      [erin.key],
    )
    assert.strictEqual(members?.revocations, 1)
    story.send(reader, dave.key, { id: "x1" })
    story.settle()
    assert.deepInclude(reader.last, { type: "error", code: "unknown_target" })
    story.send(reader, "*", { id: "x2", sealedKeys: [] })
    story.settle()
    assert.deepInclude(reader.last, { type: "ack", recipients: [] })
    assert.strictEqual(gone.pushed.length + away.pushed.length, 0)
    assert.strictEqual(story.state.sessionCount, 1)
    assert.strictEqual(story.state.expectedBack.size, 0)
  })

  it("again is the same, also while it is under way and when the member itself has left", () => {
    const story = together()
    const leaves = Enrolment.Revoke({
      by: dave.key,
      revocation: revocationIn(story.state.register, dave.key, dave),
    })
    story.ask(leaves)
    story.ask(leaves)
    story.settle()
    assert.deepStrictEqual(story.told(leaves), { _tag: "Revoked", version: 1 })
    assert.deepStrictEqual(story.answers.slice(-3), Array(3).fill({ _tag: "Revoked", version: 1 }))
    story.revokes(erin)
    story.restart()
    assert.deepStrictEqual(story.told(leaves), { _tag: "Revoked", version: 1 })
    assert.strictEqual(story.state.register.version, 2)
  })

  it("has the next owner write what the last one could not: that the member's sessions are gone (I4)", () => {
    const story = together()
    const sender = story.attach(story.record(erin))
    const peer = story.attach(story.record(dave))
    story.status(peer, "dnd")
    story.send(sender, `${dave.key}/s1`, { id: "never" })
    story.settle()
    const where = `${peer.member.memberId}/s1`
    const revocation = revocationIn(story.state.register, dave.key, owner)
    story.ask(Enrolment.Revoke({ by: owner.key, revocation }))
    story.commitOne()
    assert.isUndefined(story.store.sessions.get(where)?.detachedAtMillis)
    story.writes = []
    story.restart()
    assert.deepStrictEqual(
      story.writes.map(({ write }) => write._tag),
      ["SessionDetached", "SessionDetached"],
    )
    story.settle()
    assert.strictEqual(story.store.sessions.get(where)?.detachedAtMillis, story.nowMillis)
    story.restart()
    assert.deepStrictEqual(story.writes, [])
  })

  it("leaves what the member had sent before its own", () => {
    const story = together()
    const sender = story.attach(story.record(dave))
    const messageId = story.send(sender, erin.key, { id: "last-words" })
    const senderName = story.record(dave).displayName
    story.settle()
    story.revokes(dave)
    for (const _ of ["now", "after a restart"]) {
      const reader = story.attach(story.record(erin))
      assert.deepInclude(reader.of("push")[0] ?? {}, { messageId, senderPubkey: dave.key, senderName })
      story.restart()
    }
  })

  it("of an invite lets nobody else in, and keeps those who are named", () => {
    const story = together()
    assert.strictEqual(story.revokes(door, owner, { kept: [dave.key] }), "Revoked")
    assert.isTrue(story.state.members.has(dave.key))
    assert.isFalse(story.state.members.has(erin.key))
    assert.strictEqual(story.joins(keysOf("frank")), "revoked")
  })

  it("is by the owner, an admin or the member itself, the next of the list, and one at a time", () => {
    const story = together()
    assert.strictEqual(story.revokes(erin, dave), "forbidden")
    assert.strictEqual(story.revokes(erin, mallory), "unknown_mesh")
    assert.strictEqual(story.revokes(erin, owner, { version: 2 }), "conflict")
    const revocation = revocationIn(story.state.register, erin.key, owner)
    assert.strictEqual(story.code(Enrolment.Revoke({ by: mallory.key, revocation })), "unknown_mesh")
    story.ask(Enrolment.Revoke({ by: owner.key, revocation }))
    const second = revocationIn(story.state.register, dave.key, owner)
    story.ask(Enrolment.Revoke({ by: owner.key, revocation: second }))
    story.settle()
    assert.deepStrictEqual(
      story.answers.slice(-2).map((answer) => (answer._tag === "Refused" ? answer.code : answer._tag)),
      ["conflict", "Revoked"],
    )
    assert.strictEqual(story.revokes(dave, dave), "Revoked")
  })
})

describe("the signed records", () => {
  it("are passed on as they were signed, with all that they stand on, a few revocations at a time", () => {
    const story = new Enrolments()
    const other = keysOf("other")
    const gone = Array.from({ length: 12 }, (_, n) => keysOf(`gone ${n}`))
    story.adds(inviteFrom(door, { role: "admin", uses: 20 }))
    story.joins(dave)
    story.adds(inviteFrom(other, {}, dave), dave)
    story.joins(erin, other)
    for (const one of gone) story.joins(one)
    for (const one of gone) assert.strictEqual(story.revokes(one, dave), "Revoked")
    const reader = story.attach(story.record(erin))
    const ask = (keys: ReadonlyArray<Keys>, after: number) => {
      story.request(reader, { type: "get_trust", id: RequestId.make("t"), keys: keys.map(({ key }) => key), after })
      return reader.of("trust").at(-1)
    }
    const trust = ask([erin, mallory], 0)
    assert.deepStrictEqual(
      trust?.certificates.map(({ publicKey }) => publicKey),
      [erin.key, dave.key, ...gone.slice(0, 10).map(({ key }) => key)],
    )
    assert.deepStrictEqual(
      trust?.invites.map(({ publicKey }) => publicKey),
      [other.key, door.key],
    )
    assert.deepStrictEqual(
      trust?.revocations.map(({ version }) => version),
      Array.from({ length: 10 }, (_, n) => n + 1),
    )
    assert.strictEqual(trust?.version, 12)
    assert.deepStrictEqual(
      ask([gone[0] ?? dave], 10)?.revocations.map(({ version }) => version),
      [11, 12],
    )
    assert.deepStrictEqual(ask([], 99)?.revocations, [])
  })
})
