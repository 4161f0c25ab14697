/** A mesh that people are let into and put out of, step by step. */
import { DisplayName } from "@claudemesh/domain/Ids"
import type { Invite } from "@claudemesh/domain/trust/Invite"
import type { Revocation } from "@claudemesh/domain/trust/Revocation"
import { assert } from "@effect/vitest"
import {
  certificateFor,
  inviteFrom,
  type Keys,
  keysOf,
  owner,
  revocationIn,
  team,
} from "../../../domain/test/support/Trust.ts"
import { Enrolment, type EnrolmentAnswer } from "../../src/state/Enrolment.ts"
import { Command } from "../../src/state/MeshCommand.ts"
import type { MemberRecord } from "../../src/store/MessageStore.ts"
import { meshRecord, MeshScenario, rulesWith } from "./MeshScenario.ts"

export const door = keysOf("door")
export const dave = keysOf("dave")
export const erin = keysOf("erin")
export const mallory = keysOf("mallory")

export class Enrolments extends MeshScenario {
  readonly answers: Array<EnrolmentAnswer> = []

  constructor(limits: Parameters<typeof rulesWith>[0] = {}) {
    super(rulesWith(limits), [], {
      ...meshRecord,
      meshId: team,
      ownerPublicKey: owner.key,
      name: DisplayName.make("The Team"),
    })
    // The certificates of these scenarios are of this minute.
    this.nowMillis = Date.parse("2026-11-24T12:00:00.000Z")
  }

  /** The answer may come later. */
  ask(enrolment: Enrolment): void {
    const replyTo = this.awaitAnswer((answer) => {
      if (answer._tag === "Enrol") this.answers.push(answer.answer)
    })
    this.do(Command.Enrol({ enrolment, replyTo }))
  }

  /** What it is answered once everything under way has come to its end. */
  told(enrolment: Enrolment): EnrolmentAnswer | undefined {
    this.ask(enrolment)
    this.settle()
    return this.answers.at(-1)
  }

  code(enrolment: Enrolment): string | undefined {
    const answer = this.told(enrolment)
    return answer?._tag === "Refused" ? answer.code : answer?._tag
  }

  adds(invite: Invite, by: Keys = owner) {
    return this.code(Enrolment.AddInvite({ by: by.key, invite }))
  }

  joins(who: Keys, by: Keys = door, changes: Parameters<typeof certificateFor>[2] = {}) {
    return this.code(joining(who, by, changes))
  }

  revokes(subject: Keys, by: Keys = owner, changes: Partial<Revocation> = {}) {
    const revocation = revocationIn(this.state.register, subject.key, by, changes)
    return this.code(Enrolment.Revoke({ by: by.key, revocation }))
  }

  record({ key }: Keys): MemberRecord {
    const member = this.state.members.get(key)
    if (member === undefined) throw new Error("no member")
    return member.record
  }
}

export const joining = (who: Keys, by: Keys = door, changes: Parameters<typeof certificateFor>[2] = {}) =>
  Enrolment.Join({ by: who.key, certificate: certificateFor(who, by, changes) })

/** A mesh with an invite of so many uses. */
export const withDoor = (uses = 5, limits: Parameters<typeof rulesWith>[0] = {}): Enrolments => {
  const scenario = new Enrolments(limits)
  assert.strictEqual(scenario.adds(inviteFrom(door, { uses })), "InviteAdded")
  return scenario
}
