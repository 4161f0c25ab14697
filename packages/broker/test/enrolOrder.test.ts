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
import { dave, door, Enrolments, erin, joining } from "./support/Enrolments.ts"
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
