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
import { storeFailure } from "./support/MeshScenario.ts"

describe("who comes in and who is put out at once", () => {
  const other = keysOf("other")
  const byOwner = inviteFrom(other, { role: "owner" })

  /** Dave is an admin. */
  const withAdmin = (): Enrolments => {
    const scenario = new Enrolments()
    scenario.adds(inviteFrom(door, { role: "admin" }))
    scenario.joins(dave)
    return scenario
  }

  const revoking = (scenario: Enrolments, subject: Keys) =>
    Enrolment.Revoke({ by: dave.key, revocation: revocationIn(scenario.state.register, subject.key, dave) })

  const lastCodes = (scenario: Enrolments) =>
    scenario.answers.slice(-2).map((answer) => (answer._tag === "Refused" ? answer.code : answer._tag))

  it("are decided one after the other: an admin puts out no owner, whatever the order of the two (I27)", () => {
    for (const joinsFirst of [true, false]) {
      const scenario = withAdmin()
      scenario.adds(byOwner)
      const both = [joining(erin, other), revoking(scenario, erin)]
      for (const enrolment of joinsFirst ? both : both.toReversed()) scenario.ask(enrolment)
      scenario.settle()
      assert.deepStrictEqual(lastCodes(scenario), joinsFirst ? ["Joined", "forbidden"] : ["Revoked", "revoked"])
      for (const _ of ["now", "after a restart"]) {
        assert.strictEqual(scenario.state.members.has(erin.key), joinsFirst)
        scenario.restart()
      }
    }
  })

  it("are decided one after the other also when it is an invite that is brought (I27)", () => {
    for (const addedFirst of [true, false]) {
      const scenario = withAdmin()
      const both = [Enrolment.AddInvite({ by: owner.key, invite: byOwner }), revoking(scenario, other)]
      for (const enrolment of addedFirst ? both : both.toReversed()) scenario.ask(enrolment)
      scenario.settle()
      assert.deepStrictEqual(lastCodes(scenario), addedFirst ? ["InviteAdded", "forbidden"] : ["Revoked", "bad_invite"])
      for (const _ of ["now", "after a restart"]) {
        assert.strictEqual(scenario.joins(erin, other), addedFirst ? "Joined" : "unknown_mesh")
        scenario.restart()
      }
    }
  })

  it("are told that nothing is stored when what they wait for is not", () => {
    const scenario = withAdmin()
    scenario.adds(byOwner)
    for (const enrolment of [revoking(scenario, erin), joining(erin, other)]) scenario.ask(enrolment)
    scenario.commitOne(storeFailure("unavailable"))
    assert.deepStrictEqual(lastCodes(scenario), ["unavailable", "unavailable"])
  })

  it("do not keep a mesh from loading, in whatever order an earlier broker has stored them (I27)", () => {
    const scenario = withAdmin()
    scenario.adds(byOwner)
    const { key: publicKey } = erin
    const certificate = certificateFor(erin, other)
    const revocation = revocationIn(scenario.state.register, publicKey, dave)
    scenario.store.apply(Write.KeyRevoked({ seq: 8, revocation, atMillis: 8 }))
    scenario.store.apply(Write.MemberJoined({ meshId: team, seq: 9, certificate, atMillis: 9 }))
    scenario.restart()
    assert.isTrue(scenario.state.members.has(publicKey))
    assert.strictEqual(scenario.state.register.version, 1)
    // And the list goes on from there.
    assert.strictEqual(scenario.revokes(erin), "Revoked")
    scenario.restart()
    assert.isFalse(scenario.state.members.has(publicKey))
  })
})

describe("an enrolment whose outcome is not known", () => {
  /** What is asked for is stored, and its owner hears that the database is away. */
  const lost = (scenario: Enrolments, enrolment: Enrolment): void => {
    scenario.ask(enrolment)
    const [first] = scenario.writes
    if (first !== undefined) scenario.store.apply(first.write)
    scenario.commitOne(storeFailure("unavailable"))
  }

  const lastCode = (scenario: Enrolments) => {
    const answer = scenario.answers.at(-1)
    return answer?._tag === "Refused" ? answer.code : answer?._tag
  }

  it("is written again by the mesh itself, so that who was let in or put out by it is (I7)", () => {
    const scenario = withDoor()
    scenario.joins(dave)
    const there = scenario.attach(scenario.record(dave))
    lost(scenario, joining(erin))
    assert.strictEqual(lastCode(scenario), "unavailable")
    scenario.pass(999)
    assert.isFalse(scenario.state.members.has(erin.key))
    scenario.pass(1)
    scenario.settle()
    assert.isTrue(scenario.state.members.has(erin.key))
    assert.strictEqual(there.of("members_changed").length, 1)
    assert.strictEqual(scenario.state.invites.get(door.key)?.used, 2)
    lost(
      scenario,
      Enrolment.Revoke({ by: owner.key, revocation: revocationIn(scenario.state.register, dave.key, owner) }),
    )
    assert.deepStrictEqual(there.closed, [])
    scenario.pass(1_000)
    scenario.settle()
    assert.deepStrictEqual(
      there.closed.map(({ code }) => code),
      [4002],
    )
    assert.isFalse(scenario.fenced)
  })

  it("is written again at once for whoever asks for it again, or for what has to wait for it", () => {
    const scenario = withDoor()
    lost(scenario, joining(erin))
    assert.strictEqual(scenario.joins(erin), "Joined")
    lost(scenario, joining(dave))
    assert.strictEqual(scenario.revokes(dave), "Revoked")
    assert.isFalse(scenario.state.members.has(dave.key))
    lost(scenario, Enrolment.AddInvite({ by: owner.key, invite: inviteFrom(keysOf("other")) }))
    assert.strictEqual(scenario.adds(inviteFrom(keysOf("other"))), "InviteAdded")
    // What was left to be done later is done by now.
    scenario.pass(60_000)
    assert.deepStrictEqual(scenario.writes, [])
    assert.strictEqual(scenario.store.members.length, 2)
  })

  it("stands in the way of another one: who signs the next revocation is told to look, and nobody is cut off", () => {
    const scenario = withDoor()
    for (const one of [dave, erin]) scenario.joins(one)
    const [first, second] = [dave, erin].map(({ key }) => revocationIn(scenario.state.register, key, owner))
    if (first === undefined || second === undefined) throw new Error("there are two")
    lost(scenario, Enrolment.Revoke({ by: owner.key, revocation: first }))
    assert.strictEqual(scenario.code(Enrolment.Revoke({ by: owner.key, revocation: second })), "conflict")
    assert.strictEqual(scenario.state.register.version, 1)
    assert.strictEqual(scenario.revokes(erin), "Revoked")
    assert.isFalse(scenario.fenced)
  })

  it("is tried less and less often while the database is away, and all who wait are told each time (I12)", () => {
    const scenario = withDoor()
    scenario.ask(joining(erin))
    const waits: Array<number> = []
    for (let n = 0; n < 7; n++) {
      scenario.commitOne(storeFailure("unavailable"))
      let seconds = 0
      for (; scenario.writes.length === 0; seconds++) scenario.pass(1_000)
      waits.push(seconds)
    }
    assert.deepStrictEqual(waits, [1, 2, 4, 8, 16, 30, 30])
    scenario.ask(joining(erin))
    scenario.commitOne(storeFailure("unavailable"))
    assert.strictEqual(lastCode(scenario), "unavailable")
    assert.strictEqual(scenario.answers.length, 3)
  })
})
