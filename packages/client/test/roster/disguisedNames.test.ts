/** A member may choose a name that reads as another one's with what lists and people put around it: it finds nobody alone. */
import { DisplayName, MemberId, PublicKey } from "@claudemesh/domain/Ids"
import { MemberName } from "@claudemesh/domain/trust/MemberName"
import { looksTheSame } from "@claudemesh/domain/trust/NameSkeleton"
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { resolveMember } from "../../src/roster/ResolveMember.ts"
import { resolveTarget } from "../../src/roster/ResolveTarget.ts"
import type { CertifiedView } from "../../src/roster/Roster.ts"
import { MemberStanding } from "../../src/trust/MemberStanding.ts"

const member = (name: string, start: string): CertifiedView => ({
  memberId: MemberId.make(start),
  pubkey: PublicKey.make(start.padEnd(64, "0")),
  role: undefined,
  standing: MemberStanding.Certified({ role: "member", byVoiceAt: undefined }),
  protocol: 2,
  isListed: true,
  displayName: DisplayName.make(name),
})

const directoryOf = (...members: ReadonlyArray<CertifiedView>) => ({
  members,
  strangers: [],
  peers: [],
  sessionName: () => undefined,
  ownNameOf: (key: PublicKey) => (key === renamed.pubkey ? bob.displayName : undefined),
  isMemberName: () => false,
  standingOf: () => MemberStanding.Uncertified({ doubt: "no_certificate" }),
})

const bob = member("Bob", "3fa9c1d2")
/** The same, as this machine calls him. */
const renamed = member("Bobby", "3fa9c1d2")

describe("a name that reads as another member's", () => {
  for (const disguise of [
    "Bob (3fa9c1d2)",
    "Bob (3fa9c1d2, verified)",
    '"Bob"',
    "“Bob”",
    "'Bob'",
    '"Bob" (3fa9c1d2)',
  ]) {
    it(`${disguise} takes nothing that is meant for that one`, () => {
      assert.isTrue(Schema.is(MemberName)(disguise), "a certificate may carry it")
      assert.isFalse(looksTheSame(disguise, "Bob"), "a broker lets it in")
      for (const meant of [bob, renamed]) {
        const directory = directoryOf(meant, member(disguise, "66666666"))
        const target = resolveTarget(disguise, directory)
        const found = resolveMember(disguise, directory)
        assert.strictEqual(Result.isFailure(target) && target.failure._tag, "AmbiguousTarget")
        assert.strictEqual(Result.isFailure(found) && found.failure._tag, "AmbiguousTarget")
      }
    })
  }

  it("is found as it is written where it could mean nobody else", () => {
    const quoted = member('"Zoe"', "77777777")
    assert.deepStrictEqual(resolveMember('"Zoe"', directoryOf(bob, quoted)), Result.succeed(quoted))
  })
})
