/** Who is let into a mesh and who is put out of it at the same time, and what becomes of it when the store fails. */
import { assert, describe, it } from "@effect/vitest"
import {
  certificateFor,
  inviteFrom,
  type Keys,
  keysOf,
  owner,
  revocationIn,
  team,
} from "../../domain/test/support/Trust.ts"
import { Enrolment } from "../src/state/Enrolment.ts"
import { Write } from "../src/store/MessageStore.ts"
import { dave, door, Enrolments, erin, joining, withDoor } from "./support/Enrolments.ts"
import { storeFailure } from "./support/MeshStory.ts"

describe("who comes in and who is put out at once", () => {
  const other = keysOf("other")
  const byOwner = inviteFrom(other, { role: "owner" })

  /** Dave is an admin. */
  const withAdmin = (): Enrolments => {
    const story = new Enrolments()
    story.adds(inviteFrom(door, { role: "admin" }))
    story.joins(dave)
    return story
  }

  const revoking = (story: Enrolments, subject: Keys) =>
    Enrolment.Revoke({ by: dave.key, revocation: revocationIn(story.state.register, subject.key, dave) })

  const lastCodes = (story: Enrolments) =>
    story.answers.slice(-2).map((answer) => (answer._tag === "Refused" ? answer.code : answer._tag))

  it("are decided one after the other: an admin puts out no owner, whatever the order of the two (I27)", () => {
    for (const joinsFirst of [true, false]) {
      const story = withAdmin()
      story.adds(byOwner)
      const both = [joining(erin, other), revoking(story, erin)]
      for (const enrolment of joinsFirst ? both : both.toReversed()) story.ask(enrolment)
      story.settle()
      assert.deepStrictEqual(lastCodes(story), joinsFirst ? ["Joined", "forbidden"] : ["Revoked", "revoked"])
      for (const _ of ["now", "after a restart"]) {
        assert.strictEqual(story.state.members.has(erin.key), joinsFirst)
        story.restart()
      }
    }
  })

  it("are decided one after the other also when it is an invite that is brought (I27)", () => {
    for (const addedFirst of [true, false]) {
      const story = withAdmin()
      const both = [Enrolment.AddInvite({ by: owner.key, invite: byOwner }), revoking(story, other)]
      for (const enrolment of addedFirst ? both : both.toReversed()) story.ask(enrolment)
      story.settle()
      assert.deepStrictEqual(lastCodes(story), addedFirst ? ["InviteAdded", "forbidden"] : ["Revoked", "bad_invite"])
      for (const _ of ["now", "after a restart"]) {
        assert.strictEqual(story.joins(erin, other), addedFirst ? "Joined" : "unknown_mesh")
        story.restart()
      }
    }
  })

  it("are told that nothing is stored when what they wait for is not", () => {
    const story = withAdmin()
    story.adds(byOwner)
    for (const enrolment of [revoking(story, erin), joining(erin, other)]) story.ask(enrolment)
    story.commitOne(storeFailure("unavailable"))
    assert.deepStrictEqual(lastCodes(story), ["unavailable", "unavailable"])
  })

  it("do not keep a mesh from loading, in whatever order an earlier broker has stored them (I27)", () => {
    const story = withAdmin()
    story.adds(byOwner)
    const { key: publicKey } = erin
    const certificate = certificateFor(erin, other)
    const revocation = revocationIn(story.state.register, publicKey, dave)
    story.store.apply(Write.KeyRevoked({ seq: 8, revocation, atMillis: 8 }))
    story.store.apply(Write.MemberJoined({ meshId: team, seq: 9, certificate, atMillis: 9 }))
    story.restart()
    assert.isTrue(story.state.members.has(publicKey))
    assert.strictEqual(story.state.register.version, 1)
    // And the list goes on from there.
    assert.strictEqual(story.revokes(erin), "Revoked")
    story.restart()
    assert.isFalse(story.state.members.has(publicKey))
  })
})

describe("an enrolment whose outcome is not known", () => {
  /** What is asked for is stored, and its owner hears that the database is away. */
  const lost = (story: Enrolments, enrolment: Enrolment): void => {
    story.ask(enrolment)
    const [first] = story.writes
    if (first !== undefined) story.store.apply(first.write)
    story.commitOne(storeFailure("unavailable"))
  }

  const lastCode = (story: Enrolments) => {
    const answer = story.answers.at(-1)
    return answer?._tag === "Refused" ? answer.code : answer?._tag
  }

  it("is written again by the mesh itself, so that who was let in or put out by it is (I7)", () => {
    const story = withDoor()
    story.joins(dave)
    const there = story.attach(story.record(dave))
    lost(story, joining(erin))
    assert.strictEqual(lastCode(story), "unavailable")
    story.pass(999)
    assert.isFalse(story.state.members.has(erin.key))
    story.pass(1)
    story.settle()
    assert.isTrue(story.state.members.has(erin.key))
    assert.strictEqual(there.of("members_changed").length, 1)
    assert.strictEqual(story.state.invites.get(door.key)?.used, 2)
    lost(story, Enrolment.Revoke({ by: owner.key, revocation: revocationIn(story.state.register, dave.key, owner) }))
    assert.deepStrictEqual(there.closed, [])
    story.pass(1_000)
    story.settle()
    assert.deepStrictEqual(
      there.closed.map(({ code }) => code),
      [4002],
    )
    assert.isFalse(story.fenced)
  })

  it("is written again at once for whoever asks for it again, or for what has to wait for it", () => {
    const story = withDoor()
    lost(story, joining(erin))
    assert.strictEqual(story.joins(erin), "Joined")
    lost(story, joining(dave))
    assert.strictEqual(story.revokes(dave), "Revoked")
    assert.isFalse(story.state.members.has(dave.key))
    lost(story, Enrolment.AddInvite({ by: owner.key, invite: inviteFrom(keysOf("other")) }))
    assert.strictEqual(story.adds(inviteFrom(keysOf("other"))), "InviteAdded")
    // What was left to be done later is done by now.
    story.pass(60_000)
    assert.deepStrictEqual(story.writes, [])
    assert.strictEqual(story.store.members.length, 2)
  })

  it("stands in the way of another one: who signs the next revocation is told to look, and nobody is cut off", () => {
    const story = withDoor()
    for (const one of [dave, erin]) story.joins(one)
    const [first, second] = [dave, erin].map(({ key }) => revocationIn(story.state.register, key, owner))
    if (first === undefined || second === undefined) throw new Error("there are two")
    lost(story, Enrolment.Revoke({ by: owner.key, revocation: first }))
    assert.strictEqual(story.code(Enrolment.Revoke({ by: owner.key, revocation: second })), "conflict")
    assert.strictEqual(story.state.register.version, 1)
    assert.strictEqual(story.revokes(erin), "Revoked")
    assert.isFalse(story.fenced)
  })

  it("is tried less and less often while the database is away, and all who wait are told each time (I12)", () => {
    const story = withDoor()
    story.ask(joining(erin))
    const waits: Array<number> = []
    for (let n = 0; n < 7; n++) {
      story.commitOne(storeFailure("unavailable"))
      let seconds = 0
      for (; story.writes.length === 0; seconds++) story.pass(1_000)
      waits.push(seconds)
    }
    assert.deepStrictEqual(waits, [1, 2, 4, 8, 16, 30, 30])
    story.ask(joining(erin))
    story.commitOne(storeFailure("unavailable"))
    assert.strictEqual(lastCode(story), "unavailable")
    assert.strictEqual(story.answers.length, 3)
  })
})
