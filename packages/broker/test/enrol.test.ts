/** Who is let into a mesh and who is put out of it, step by step: what counts, and from when on. */
import { DisplayName, MemberId, RequestId } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { assert, describe, it } from "@effect/vitest"
import { certificateFor, inviteFrom, type Keys, keysOf, owner, revocationIn } from "../../domain/test/support/Trust.ts"
import { Enrolment } from "../src/state/Enrolment.ts"
import { dave, door, Enrolments, erin, joining, mallory, withDoor } from "./support/Enrolments.ts"
import { storeFailure } from "./support/MeshScenario.ts"

describe("an invite", () => {
  it("counts once it is committed, and the same again is the same", () => {
    const scenario = new Enrolments()
    const invite = inviteFrom(door)
    scenario.ask(Enrolment.AddInvite({ by: owner.key, invite }))
    assert.deepStrictEqual(scenario.answers, [])
    assert.isFalse(scenario.state.invites.has(door.key))
    scenario.commit()
    assert.strictEqual(scenario.joins(dave), "Joined")
    assert.deepStrictEqual(scenario.told(Enrolment.AddInvite({ by: owner.key, invite })), {
      _tag: "InviteAdded",
      publicKey: door.key,
      created: false,
    })
    assert.strictEqual(scenario.adds(inviteFrom(door, { uses: 9 })), "conflict")
  })

  it("that comes again while it is being added is the same, and another one by its key is none", () => {
    const scenario = new Enrolments()
    for (const invite of [inviteFrom(door), inviteFrom(door), inviteFrom(door, { uses: 9 })]) {
      scenario.ask(Enrolment.AddInvite({ by: owner.key, invite }))
    }
    scenario.settle()
    const told = scenario.answers.map((answer) => (answer._tag === "InviteAdded" ? answer.created : answer._tag))
    assert.deepStrictEqual(told, ["Refused", true, false])
  })

  it("is brought by who signed it, and signed by the owner or an admin of this very mesh", () => {
    const scenario = withDoor()
    const other = keysOf("other")
    assert.strictEqual(scenario.adds(inviteFrom(other, { allowUnsealed: true })), "bad_invite")
    assert.strictEqual(scenario.adds(inviteFrom(other, { meshName: DisplayName.make("Else") })), "bad_invite")
    assert.strictEqual(scenario.joins(dave), "Joined")
    assert.strictEqual(scenario.adds(inviteFrom(other, {}, dave), dave), "bad_invite")
    assert.strictEqual(scenario.adds(inviteFrom(other), dave), "forbidden")
  })

  it("that has expired is brought by the owner alone, where a mesh moves here", () => {
    const scenario = new Enrolments()
    scenario.adds(inviteFrom(door, { role: "admin" }))
    scenario.joins(dave)
    const spent = inviteFrom(keysOf("other"), { expiresAt: isoFromMillis(scenario.nowMillis) }, dave)
    assert.strictEqual(scenario.adds(spent, dave), "expired")
    assert.strictEqual(scenario.adds(spent, erin), "unknown_mesh")
    assert.strictEqual(scenario.adds(spent, owner), "InviteAdded")
    const long = { joinedAt: isoFromMillis(scenario.nowMillis - 86_400_000) }
    const certificate = certificateFor(erin, keysOf("other"), long)
    assert.strictEqual(scenario.code(Enrolment.Join({ by: erin.key, certificate })), "expired")
    assert.strictEqual(scenario.code(Enrolment.Join({ by: dave.key, certificate })), "forbidden")
    assert.strictEqual(scenario.code(Enrolment.Join({ by: owner.key, certificate })), "Joined")
  })

  it("of an admin lets members in, and no admins", () => {
    const scenario = new Enrolments()
    scenario.adds(inviteFrom(door, { role: "admin" }))
    scenario.joins(dave)
    const other = keysOf("other")
    assert.strictEqual(scenario.adds(inviteFrom(other, { role: "admin" }, dave), dave), "bad_invite")
    assert.strictEqual(scenario.adds(inviteFrom(other, {}, dave), dave), "InviteAdded")
    assert.strictEqual(scenario.joins(erin, other), "Joined")
  })

  it("is one of a bounded number that are open: spent ones make room (I23)", () => {
    const scenario = withDoor(1, { invitesPerMeshMax: 1 })
    const other = keysOf("other")
    assert.strictEqual(scenario.adds(inviteFrom(other)), "full")
    scenario.joins(dave)
    assert.strictEqual(scenario.adds(inviteFrom(other)), "InviteAdded")
  })

  it("that nobody used is forgotten a month after it expired", () => {
    const scenario = withDoor()
    scenario.nowMillis = Date.parse(inviteFrom(door).expiresAt) + 31 * 86_400_000
    const expiresAt = isoFromMillis(scenario.nowMillis + 60_000)
    scenario.adds(inviteFrom(keysOf("other"), { expiresAt }))
    assert.isFalse(scenario.state.invites.has(door.key))
    assert.isFalse(scenario.state.register.invites.has(door.key))
  })

  it("is listed with its uses and its state, for admins alone", () => {
    const scenario = withDoor(1)
    scenario.adds(inviteFrom(keysOf("two"), { uses: 2 }))
    scenario.adds(inviteFrom(keysOf("three"), { expiresAt: isoFromMillis(scenario.nowMillis + 1) }))
    scenario.adds(inviteFrom(keysOf("four")))
    scenario.joins(dave)
    scenario.revokes(keysOf("four"))
    scenario.nowMillis += 1
    const answer = scenario.told(Enrolment.ListInvites({ by: owner.key }))
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
    assert.strictEqual(scenario.code(Enrolment.ListInvites({ by: dave.key })), "forbidden")
    assert.strictEqual(scenario.code(Enrolment.ListInvites({ by: mallory.key })), "unknown_mesh")
  })
})

describe("who joins", () => {
  it("is a member once it is committed, and not before", () => {
    const scenario = withDoor()
    scenario.ask(joining(dave))
    assert.isFalse(scenario.state.members.has(dave.key))
    scenario.commit()
    assert.isTrue(scenario.state.members.has(dave.key))
    const peer = scenario.attach(scenario.record(dave))
    assert.deepStrictEqual(peer.answers, [{ _tag: "Attached" }])
  })

  it("is announced to every v2 client that is there, once it is committed, and once only", () => {
    const scenario = withDoor(9)
    scenario.joins(dave, door, { allowV1: true })
    const there = scenario.attach(scenario.record(dave))
    const v1 = scenario.attach(scenario.record(dave), { session: "1-1", protocol: 1 })
    scenario.ask(joining(erin))
    assert.deepStrictEqual(there.of("members_changed"), [])
    scenario.commit()
    const { displayName, memberId, publicKey: pubkey } = scenario.record(erin)
    const member = { memberId, pubkey, displayName }
    assert.deepStrictEqual(there.of("members_changed"), [{ type: "members_changed", member }])
    // The same again is no news, and what is refused is none.
    scenario.joins(erin)
    scenario.joins(mallory, mallory)
    assert.strictEqual(there.of("members_changed").length, 1)
    assert.deepStrictEqual(
      v1.frames.map(({ type }) => type),
      ["hello_ack"],
    )
  })

  it("needs a name that no member has, nor one that looks the same, while it is committed and after", () => {
    const scenario = withDoor(9)
    const asBob = (who: Keys, name: string) => joining(who, door, { displayName: DisplayName.make(name) })
    scenario.ask(asBob(dave, "Bob"))
    scenario.ask(asBob(erin, "bob"))
    scenario.settle()
    assert.deepStrictEqual(
      scenario.answers.map((answer) => (answer._tag === "Refused" ? answer.code : answer._tag)).slice(-2),
      ["name_taken", "Joined"],
    )
    for (const name of ["Bob", "BOB", "B0b", "Воb", "Ｂｏｂ"]) {
      assert.strictEqual(scenario.code(asBob(erin, name)), "name_taken", name)
    }
    const answer = scenario.answers.at(-1)
    assert.include(answer?._tag === "Refused" ? answer.message : "", `"Bob" (${dave.key.slice(0, 8)})`)
    // The same again is the same, and whoever is gone has no name any more.
    assert.strictEqual(scenario.code(asBob(dave, "Bob")), "Joined")
    assert.strictEqual(scenario.revokes(dave), "Revoked")
    assert.strictEqual(scenario.code(asBob(erin, "bob")), "Joined")
    assert.strictEqual(scenario.code(asBob(mallory, "Robert")), "Joined")
  })

  it("is one of fifty by one use, while all of them are under way (I28)", () => {
    const scenario = withDoor(1)
    const people = Array.from({ length: 50 }, (_, n) => keysOf(`person ${n}`))
    for (const one of people) scenario.ask(joining(one))
    scenario.settle()
    const codes = scenario.answers.slice(1).map((answer) => (answer._tag === "Refused" ? answer.code : answer._tag))
    assert.deepStrictEqual(codes.toSorted(), ["Joined", ...Array.from({ length: 49 }, () => "used_up")].toSorted())
    assert.strictEqual(scenario.state.members.size, 1)
  })

  it("twice with one key is in once, and both are told, also when the first is under way", () => {
    const scenario = withDoor()
    scenario.ask(joining(dave))
    scenario.ask(joining(dave))
    scenario.settle()
    scenario.ask(joining(dave))
    const { memberId } = certificateFor(dave, door)
    assert.deepStrictEqual(scenario.answers.slice(1), [
      { _tag: "Joined", memberId, created: true },
      { _tag: "Joined", memberId, created: false },
      { _tag: "Joined", memberId, created: false },
    ])
    assert.strictEqual(scenario.state.invites.get(door.key)?.used, 1)
    assert.strictEqual(scenario.joins(dave, door, { displayName: DisplayName.make("Else") }), "conflict")
  })

  it("needs an invite that is there, open, and has signed the certificate", () => {
    const scenario = withDoor()
    assert.strictEqual(scenario.joins(dave, keysOf("no such")), "unknown_mesh")
    assert.strictEqual(scenario.joins(dave, mallory, { invite: door.key }), "bad_certificate")
    assert.strictEqual(
      scenario.code(Enrolment.Join({ by: mallory.key, certificate: certificateFor(dave, door) })),
      "forbidden",
    )
    const changed = { ...certificateFor(dave, door), displayName: DisplayName.make("Else") }
    assert.strictEqual(scenario.code(Enrolment.Join({ by: dave.key, certificate: changed })), "bad_certificate")
    const late = { joinedAt: isoFromMillis(scenario.nowMillis - 600_001) }
    assert.strictEqual(scenario.joins(dave, door, late), "bad_certificate")
    scenario.nowMillis = Date.parse(inviteFrom(door).expiresAt)
    assert.strictEqual(scenario.joins(dave), "expired")
  })

  it("takes nobody else's id, and no place beyond the last (I23)", () => {
    const scenario = withDoor(5, { membersPerMeshMax: 2 })
    const memberId = MemberId.make("one-id")
    assert.strictEqual(scenario.joins(dave, door, { memberId }), "Joined")
    assert.strictEqual(scenario.joins(erin, door, { memberId }), "conflict")
    assert.strictEqual(scenario.joins(erin), "Joined")
    assert.strictEqual(scenario.joins(keysOf("frank")), "full")
  })

  it("is told to try again when it was not stored, and its use is free again", () => {
    const scenario = withDoor(1)
    scenario.ask(joining(dave))
    scenario.commitOne(storeFailure("unavailable"))
    assert.strictEqual(scenario.joins(dave), "Joined")
    const told = scenario.answers.slice(1).map((answer) => (answer._tag === "Refused" ? answer.code : answer._tag))
    assert.deepStrictEqual(told, ["unavailable", "Joined"])
  })

  it("is no member when its invite is revoked meanwhile, in this life of the mesh and in the next", () => {
    for (const joinsFirst of [true, false]) {
      const scenario = withDoor()
      const revocation = revocationIn(scenario.state.register, door.key, owner)
      const both = [joining(dave), Enrolment.Revoke({ by: owner.key, revocation })]
      for (const enrolment of joinsFirst ? both : both.toReversed()) scenario.ask(enrolment)
      scenario.settle()
      for (const _ of ["now", "after a restart"]) {
        assert.isFalse(scenario.state.members.has(dave.key))
        assert.strictEqual(scenario.state.membersById.size, 0)
        assert.strictEqual(scenario.state.invites.get(door.key)?.used, joinsFirst ? 1 : 0)
        assert.strictEqual(scenario.joins(dave), "revoked")
        scenario.restart()
      }
    }
  })

  it("is told that the invite is used up when the table refuses it, and begins anew when another owner wrote", () => {
    const scenario = withDoor()
    scenario.ask(joining(dave))
    scenario.commitOne(storeFailure("rejected"))
    scenario.ask(joining(erin))
    scenario.commitOne(storeFailure("fenced"))
    const told = scenario.answers.slice(1).map((answer) => (answer._tag === "Refused" ? answer.code : answer._tag))
    assert.deepStrictEqual(told, ["used_up", "unavailable"])
    assert.isTrue(scenario.fenced)
  })
})

describe("who is nobody in the mesh", () => {
  it("is told that there is none, whatever it asks and however well it guesses", () => {
    const scenario = withDoor()
    scenario.joins(dave)
    scenario.revokes(dave)
    const other = keysOf("other")
    const answers = [
      scenario.adds(inviteFrom(other), mallory),
      scenario.adds(inviteFrom(other, {}, mallory), mallory),
      scenario.adds(inviteFrom(door), mallory),
      scenario.code(Enrolment.ListInvites({ by: mallory.key })),
      scenario.joins(mallory, keysOf("no such")),
      scenario.revokes(mallory, mallory),
      scenario.revokes(mallory, mallory, { version: 1 }),
    ]
    assert.deepStrictEqual(new Set(answers), new Set(["unknown_mesh"]))
    // Whoever was somebody, or has a link, is told more.
    assert.strictEqual(scenario.code(Enrolment.ListInvites({ by: dave.key })), "forbidden")
    assert.strictEqual(scenario.joins(mallory, mallory, { invite: door.key }), "bad_certificate")
  })
})

describe("a revocation", () => {
  const together = () => {
    const scenario = withDoor()
    scenario.joins(dave, door, { allowV1: true })
    scenario.joins(erin)
    return scenario
  }

  it("closes every socket of the member with 4002 at once, and no other", () => {
    const scenario = together()
    const [one, two] = ["s1", "s2"].map((session) => scenario.attach(scenario.record(dave), { session }))
    const v1 = scenario.attach(scenario.record(dave), { session: "s3", protocol: 1, signature: "1" })
    const other = scenario.attach(scenario.record(erin))
    assert.strictEqual(scenario.revokes(dave), "Revoked")
    for (const peer of [one, two, v1])
      assert.deepStrictEqual(
        peer?.closed.map(({ code }) => code),
        [4002],
      )
    assert.deepStrictEqual(other.closed, [])
    assert.deepStrictEqual(other.last, { type: "trust_changed", version: 1 })
  })

  it("is no word before it is committed", () => {
    const scenario = together()
    const peer = scenario.attach(scenario.record(dave))
    const revocation = revocationIn(scenario.state.register, dave.key, owner)
    scenario.ask(Enrolment.Revoke({ by: owner.key, revocation }))
    assert.deepStrictEqual(peer.closed, [])
    scenario.commitOne(storeFailure("unavailable"))
    assert.deepStrictEqual(peer.closed, [])
    assert.strictEqual(scenario.state.register.version, 0)
    assert.strictEqual(scenario.revokes(dave), "Revoked")
  })

  it("lets the member in no more, in this life of the mesh and in the next", () => {
    const scenario = together()
    const record = scenario.record(dave)
    scenario.revokes(dave)
    for (const _ of ["now", "after a restart"]) {
      const peer = scenario.attach(record)
      assert.deepStrictEqual(peer.answers, [
        { _tag: "Refused", refusal: { code: "revoked", message: "this member was revoked" } },
      ])
      assert.strictEqual(scenario.joins(dave), "revoked")
      scenario.restart()
    }
  })

  it("takes the member out of every audience, list and lease", () => {
    const scenario = together()
    const away = scenario.attach(scenario.record(dave))
    scenario.detach(away)
    const gone = scenario.attach(scenario.record(dave), { session: "s2" })
    const reader = scenario.attach(scenario.record(erin))
    scenario.revokes(dave)
    scenario.settle()
    scenario.request(reader, { type: "list_peers", id: RequestId.make("p") })
    assert.deepStrictEqual(
      reader
        .of("peers")
        .at(-1)
        ?.peers.map((peer) => peer.pubkey),
      [erin.key],
    )
    scenario.request(reader, { type: "list_members", id: RequestId.make("m") })
    const members = reader.of("members").at(-1)
    assert.deepStrictEqual(
      members?.members.map(({ pubkey }) => pubkey),
      [erin.key],
    )
    assert.strictEqual(members?.revocations, 1)
    scenario.send(reader, dave.key, { id: "x1" })
    scenario.settle()
    assert.deepInclude(reader.last, { type: "error", code: "unknown_target" })
    scenario.send(reader, "*", { id: "x2", sealedKeys: [] })
    scenario.settle()
    assert.deepInclude(reader.last, { type: "ack", recipients: [] })
    assert.strictEqual(gone.pushed.length + away.pushed.length, 0)
    assert.strictEqual(scenario.state.sessionCount, 1)
    assert.strictEqual(scenario.state.expectedBack.size, 0)
  })

  it("again is the same, also while it is under way and when the member itself has left", () => {
    const scenario = together()
    const leaves = Enrolment.Revoke({
      by: dave.key,
      revocation: revocationIn(scenario.state.register, dave.key, dave),
    })
    scenario.ask(leaves)
    scenario.ask(leaves)
    scenario.settle()
    assert.deepStrictEqual(scenario.told(leaves), { _tag: "Revoked", version: 1 })
    assert.deepStrictEqual(scenario.answers.slice(-3), Array(3).fill({ _tag: "Revoked", version: 1 }))
    scenario.revokes(erin)
    scenario.restart()
    assert.deepStrictEqual(scenario.told(leaves), { _tag: "Revoked", version: 1 })
    assert.strictEqual(scenario.state.register.version, 2)
  })

  it("has the next owner write what the last one could not: that the member's sessions are gone (I4)", () => {
    const scenario = together()
    const sender = scenario.attach(scenario.record(erin))
    const peer = scenario.attach(scenario.record(dave))
    scenario.status(peer, "dnd")
    scenario.send(sender, `${dave.key}/s1`, { id: "never" })
    scenario.settle()
    const where = `${peer.member.memberId}/s1`
    const revocation = revocationIn(scenario.state.register, dave.key, owner)
    scenario.ask(Enrolment.Revoke({ by: owner.key, revocation }))
    scenario.commitOne()
    assert.isUndefined(scenario.store.sessions.get(where)?.detachedAtMillis)
    scenario.writes = []
    scenario.restart()
    assert.deepStrictEqual(
      scenario.writes.map(({ write }) => write._tag),
      ["SessionDetached", "SessionDetached"],
    )
    scenario.settle()
    assert.strictEqual(scenario.store.sessions.get(where)?.detachedAtMillis, scenario.nowMillis)
    scenario.restart()
    assert.deepStrictEqual(scenario.writes, [])
  })

  it("leaves what the member had sent before its own", () => {
    const scenario = together()
    const sender = scenario.attach(scenario.record(dave))
    const messageId = scenario.send(sender, erin.key, { id: "last-words" })
    const senderName = scenario.record(dave).displayName
    scenario.settle()
    scenario.revokes(dave)
    for (const _ of ["now", "after a restart"]) {
      const reader = scenario.attach(scenario.record(erin))
      assert.deepInclude(reader.of("push")[0] ?? {}, { messageId, senderPubkey: dave.key, senderName })
      scenario.restart()
    }
  })

  it("of an invite lets nobody else in, and keeps those who are named", () => {
    const scenario = together()
    assert.strictEqual(scenario.revokes(door, owner, { kept: [dave.key] }), "Revoked")
    assert.isTrue(scenario.state.members.has(dave.key))
    assert.isFalse(scenario.state.members.has(erin.key))
    assert.strictEqual(scenario.joins(keysOf("frank")), "revoked")
  })

  it("is by the owner, an admin or the member itself, the next of the list, and one at a time", () => {
    const scenario = together()
    assert.strictEqual(scenario.revokes(erin, dave), "forbidden")
    assert.strictEqual(scenario.revokes(erin, mallory), "unknown_mesh")
    assert.strictEqual(scenario.revokes(erin, owner, { version: 2 }), "conflict")
    const revocation = revocationIn(scenario.state.register, erin.key, owner)
    assert.strictEqual(scenario.code(Enrolment.Revoke({ by: mallory.key, revocation })), "unknown_mesh")
    scenario.ask(Enrolment.Revoke({ by: owner.key, revocation }))
    const second = revocationIn(scenario.state.register, dave.key, owner)
    scenario.ask(Enrolment.Revoke({ by: owner.key, revocation: second }))
    scenario.settle()
    assert.deepStrictEqual(
      scenario.answers.slice(-2).map((answer) => (answer._tag === "Refused" ? answer.code : answer._tag)),
      ["conflict", "Revoked"],
    )
    assert.strictEqual(scenario.revokes(dave, dave), "Revoked")
  })
})

describe("the signed records", () => {
  it("are passed on as they were signed, with all that they stand on, a few revocations at a time", () => {
    const scenario = new Enrolments()
    const other = keysOf("other")
    const gone = Array.from({ length: 12 }, (_, n) => keysOf(`gone ${n}`))
    scenario.adds(inviteFrom(door, { role: "admin", uses: 20 }))
    scenario.joins(dave)
    scenario.adds(inviteFrom(other, {}, dave), dave)
    scenario.joins(erin, other)
    for (const one of gone) scenario.joins(one)
    for (const one of gone) assert.strictEqual(scenario.revokes(one, dave), "Revoked")
    const reader = scenario.attach(scenario.record(erin))
    const ask = (keys: ReadonlyArray<Keys>, after: number) => {
      scenario.request(reader, { type: "get_trust", id: RequestId.make("t"), keys: keys.map(({ key }) => key), after })
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
