/** Who is a member, and who is not, whatever a broker says. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { DisplayName, MemberId, MeshId, PublicKey, Signature } from "../../src/Ids.ts"
import { IsoTime } from "../../src/IsoTime.ts"
import { ChainVerifier } from "../../src/trust/ChainVerifier.ts"
import {
  certificateFor,
  inviteFrom,
  type Keys,
  keysOf,
  newRegister,
  owner,
  revocationIn,
  sign,
  team,
  verifier,
} from "../support/Trust.ts"

const invite = keysOf("invite")
const bob = keysOf("bob")
const mallory = keysOf("mallory")

/** A register with one member who came by one invite of the owner's. */
const withMember = (member: Keys = bob, by: Keys = invite, role: "member" | "admin" = "member"): ChainVerifier => {
  const register = newRegister()
  register.learnInvite(inviteFrom(by, { role }))
  register.learnCertificate(certificateFor(member, by))
  return register
}

const ann = keysOf("ann")
const annsInvite = keysOf("ann's invite")
const carl = keysOf("carl")

/** Ann, an admin, has invited Carl. */
const withAdmin = (): ChainVerifier => {
  const register = withMember(ann, invite, "admin")
  register.learnInvite(inviteFrom(annsInvite, {}, ann))
  register.learnCertificate(certificateFor(carl, annsInvite))
  return register
}

/** A register, and how many signatures it has looked at. */
const countingRegister = () => {
  let checked = 0
  const register = new ChainVerifier(team, owner.key, {
    ...verifier,
    verify: (...asked) => {
      checked += 1
      return verifier.verify(...asked)
    },
  })
  return { checked: () => checked, register }
}

const doubtOf = (register: ChainVerifier, { key }: Keys) => {
  const standing = register.standingOf(key)
  return standing._tag === "Uncertified" ? standing.doubt : standing._tag
}

describe("a member", () => {
  it("is verified by an invite of the owner's and a certificate of the invite's (I26)", () => {
    const standing = withMember().standingOf(bob.key)
    assert.strictEqual(standing._tag, "Certified")
    if (standing._tag === "Certified") assert.strictEqual(standing.role, "member")
  })

  it("is verified by an admin's invite, too", () => assert.strictEqual(doubtOf(withAdmin(), carl), "Certified"))

  it("is none without a certificate", () => assert.strictEqual(doubtOf(withMember(), mallory), "no_certificate"))

  it("is none while its invite is not known", () => {
    const register = newRegister()
    register.learnCertificate(certificateFor(bob, invite))
    assert.strictEqual(doubtOf(register, bob), "no_invite")
    register.learnInvite(inviteFrom(invite))
    assert.strictEqual(doubtOf(register, bob), "Certified")
  })

  it("has its signatures checked once, however often it is judged", () => {
    const { checked, register } = countingRegister()
    register.learnInvite(inviteFrom(invite, { uses: 2 }))
    for (const who of [bob, carl]) register.learnCertificate(certificateFor(who, invite))
    const tags = () => [bob, carl].map(({ key }) => register.standingOf(key)._tag)
    assert.deepStrictEqual(tags(), ["Certified", "Certified"])
    assert.strictEqual(checked(), 5)
    register.learnRevocation(revocationIn(register, bob.key, owner))
    assert.deepStrictEqual(tags(), ["Revoked", "Certified"])
    assert.strictEqual(checked(), 6)
  })

  it("is none by an invite that somebody else signed in the owner's name", () => {
    const register = newRegister()
    register.learnInvite(inviteFrom(invite, { issuer: owner.key }, mallory))
    register.learnCertificate(certificateFor(bob, invite))
    assert.strictEqual(doubtOf(register, bob), "bad_invite_signature")
  })

  it("is none by an invite of another owner", () => {
    const register = newRegister()
    register.learnInvite(inviteFrom(invite, { ownerPublicKey: mallory.key }, mallory))
    register.learnCertificate(certificateFor(bob, invite))
    assert.strictEqual(doubtOf(register, bob), "other_mesh")
  })

  it("is none by an invite of the same owner to another mesh", () => {
    const register = newRegister()
    register.learnInvite(inviteFrom(invite, { meshId: MeshId.make("m2") }))
    register.learnCertificate(certificateFor(bob, invite))
    assert.strictEqual(doubtOf(register, bob), "other_mesh")
  })

  it("is none by a certificate that another key than the invite's signed", () => {
    const register = newRegister()
    register.learnInvite(inviteFrom(invite))
    register.learnCertificate(certificateFor(bob, mallory, { invite: invite.key }))
    assert.strictEqual(doubtOf(register, bob), "bad_signature")
  })

  it("is none when it did not sign the certificate itself: whoever has a link certifies nobody else's key", () => {
    const register = newRegister()
    register.learnInvite(inviteFrom(invite))
    const unasked = certificateFor(bob, invite, { displayName: DisplayName.make("Alice") })
    register.learnCertificate({ ...unasked, consent: certificateFor(bob, invite).consent })
    assert.strictEqual(doubtOf(register, bob), "no_consent")
    register.learnCertificate({ ...unasked, consent: unasked.signature })
    assert.strictEqual(doubtOf(register, bob), "no_consent")
  })

  it("is none when any field of its certificate was changed", () => {
    const good = certificateFor(bob, invite)
    const changes: ReadonlyArray<Partial<typeof good>> = [
      { memberId: MemberId.make("id-other") },
      { displayName: DisplayName.make("Alice") },
      { allowV1: true },
      { joinedAt: IsoTime.make("2026-11-24T12:00:00.001Z") },
      { signature: Signature.make(good.signature.replace(/^./, (digit) => (digit === "0" ? "1" : "0"))) },
    ]
    for (const change of changes) {
      const register = newRegister()
      register.learnInvite(inviteFrom(invite))
      register.learnCertificate({ ...good, ...change })
      assert.strictEqual(doubtOf(register, bob), "bad_signature", JSON.stringify(change))
    }
    const moved = newRegister()
    moved.learnInvite(inviteFrom(invite))
    moved.learnCertificate({ ...good, publicKey: mallory.key })
    assert.strictEqual(doubtOf(moved, mallory), "bad_signature")
  })

  it("is none when any field of its invite was changed", () => {
    const good = inviteFrom(invite)
    const changes: ReadonlyArray<Partial<typeof good>> = [
      { role: "admin" },
      { uses: 2 },
      { expiresAt: IsoTime.make("2027-12-01T00:00:00.000Z") },
      { allowUnsealed: true },
      { brokerUrl: "wss://evil.example.com/ws" },
      { label: DisplayName.make("else") },
      { meshName: DisplayName.make("else") },
    ]
    for (const change of changes) {
      const register = newRegister()
      register.learnInvite({ ...good, ...change })
      register.learnCertificate(certificateFor(bob, invite))
      assert.strictEqual(doubtOf(register, bob), "bad_invite_signature", JSON.stringify(change))
    }
  })

  it("is none when it joined after the invite had expired", () => {
    const register = newRegister()
    register.learnInvite(inviteFrom(invite))
    register.learnCertificate(certificateFor(bob, invite, { joinedAt: IsoTime.make("2026-12-01T00:00:00.001Z") }))
    assert.strictEqual(doubtOf(register, bob), "expired_invite")
  })

  it("is none with a key that nothing can be sealed to", () => {
    const broken = { ...bob, key: PublicKey.make("0".repeat(64)) }
    assert.strictEqual(doubtOf(withMember(broken), broken), "bad_key")
  })
})

describe("an invite", () => {
  it("that was signed by who may stays their word when it, or they, are revoked", () => {
    const register = withAdmin()
    const later = inviteFrom(keysOf("later"), {}, ann)
    assert.deepStrictEqual(register.inviteStanding(later), { doubt: undefined, revocation: undefined })
    assert.isTrue(Result.isSuccess(register.learnRevocation(revocationIn(register, ann.key, owner))))
    const { doubt, revocation } = register.inviteStanding(later)
    assert.deepStrictEqual([doubt, revocation?.subject], [undefined, ann.key])
    const forged = inviteFrom(keysOf("later"), { issuer: ann.key }, mallory)
    assert.strictEqual(register.inviteStanding(forged).doubt, "bad_invite_signature")
  })

  it("of a plain member gives nothing", () => {
    const register = withMember()
    register.learnInvite(inviteFrom(annsInvite, {}, bob))
    register.learnCertificate(certificateFor(carl, annsInvite))
    assert.strictEqual(doubtOf(register, carl), "issuer_unproved")
    assert.strictEqual(register.inviteDoubt(inviteFrom(annsInvite, {}, bob)), "issuer_unproved")
  })

  it("of an admin makes no admin, and no owner", () => {
    for (const role of ["admin", "owner"] as const) {
      const register = withAdmin()
      register.learnInvite(inviteFrom(annsInvite, { role }, ann))
      assert.strictEqual(doubtOf(register, carl), "role_not_given", role)
      assert.strictEqual(register.inviteDoubt(inviteFrom(annsInvite, { role }, ann)), "role_not_given")
    }
  })

  it("of somebody that an admin invited gives nothing, whatever role they claim", () => {
    const register = withAdmin()
    const carlsInvite = keysOf("carl's invite")
    const dave = keysOf("dave")
    register.learnInvite(inviteFrom(carlsInvite, {}, carl))
    register.learnCertificate(certificateFor(dave, carlsInvite))
    assert.strictEqual(doubtOf(register, dave), "issuer_unproved")
  })

  it("that names itself as its issuer goes round in no circle", () => {
    const register = newRegister()
    register.learnInvite(inviteFrom(annsInvite, {}, carl))
    register.learnCertificate(certificateFor(carl, annsInvite))
    assert.notStrictEqual(doubtOf(register, carl), "Certified")
  })
})

describe("a revocation", () => {
  const revoke = (register: ChainVerifier, subject: Keys, by: Keys, kept: ReadonlyArray<PublicKey> = []) =>
    register.learnRevocation(revocationIn(register, subject.key, by, { kept }))

  it("by the owner ends a member", () => {
    const register = withMember()
    assert.isTrue(Result.isSuccess(revoke(register, bob, owner)))
    assert.strictEqual(doubtOf(register, bob), "Revoked")
    assert.isTrue(register.isRevoked(bob.key))
  })

  it("by an admin ends a member, another admin and an invite, and not the owner", () => {
    const register = withAdmin()
    assert.isTrue(Result.isSuccess(revoke(register, carl, ann)))
    assert.strictEqual(doubtOf(register, carl), "Revoked")
    assert.deepStrictEqual(revoke(register, owner, ann), Result.fail("not_entitled"))
  })

  it("by an admin does not end the owner's own membership, nor the invite that it came by", () => {
    const register = withAdmin()
    const [founding, olga] = [keysOf("founding"), keysOf("olga")]
    register.learnInvite(inviteFrom(founding, { role: "owner" }))
    register.learnCertificate(certificateFor(olga, founding))
    for (const subject of [olga, founding]) {
      assert.deepStrictEqual(revoke(register, subject, ann), Result.fail("not_entitled"))
    }
    assert.isTrue(Result.isSuccess(revoke(register, olga, olga)))
    assert.strictEqual(doubtOf(register, olga), "Revoked")
  })

  it("by an admin ends nothing of the owner's either where the owner's proof came after it (I27)", () => {
    const [founding, olga] = [keysOf("founding"), keysOf("olga")]
    for (const subject of [olga, founding]) {
      const register = withAdmin()
      // Nobody can know yet whose key it is.
      const revocation = revocationIn(register, subject.key, ann)
      assert.isTrue(Result.isSuccess(register.learnRevocation(revocation)))
      register.learnInvite(inviteFrom(founding, { role: "owner" }))
      register.learnCertificate(certificateFor(olga, founding))
      assert.strictEqual(doubtOf(register, olga), "Certified")
      assert.isFalse(register.isRevoked(olga.key))

      const again = withAdmin()
      again.learnInvite(inviteFrom(founding, { role: "owner" }))
      again.learnCertificate(certificateFor(olga, founding))
      assert.deepStrictEqual(again.learnRevocation(revocation), Result.fail("not_entitled"))
      assert.isTrue(Result.isSuccess(again.learnRevocation(revocation, true)))
      assert.strictEqual(doubtOf(again, olga), "Certified")
      assert.isTrue(Result.isSuccess(revoke(again, olga, olga)))
      assert.strictEqual(doubtOf(again, olga), "Revoked")
    }
  })

  it("is not refused for an invite that only says that it is the owner's", () => {
    const register = withAdmin()
    register.learnInvite(inviteFrom(keysOf("founding"), { role: "owner" }, mallory))
    assert.isTrue(Result.isSuccess(revoke(register, keysOf("founding"), ann)))
  })

  it("taken before is still none by a plain member", () => {
    const register = withAdmin()
    const revocation = revocationIn(register, ann.key, carl)
    assert.deepStrictEqual(register.learnRevocation(revocation, true), Result.fail("not_entitled"))
  })

  it("by a plain member ends nobody but itself", () => {
    const register = withAdmin()
    assert.deepStrictEqual(revoke(register, ann, carl), Result.fail("not_entitled"))
    assert.isTrue(Result.isSuccess(revoke(register, carl, carl)))
    assert.strictEqual(doubtOf(register, carl), "Revoked")
  })

  it("by a stranger, or by somebody who was revoked, is none", () => {
    const register = withAdmin()
    assert.deepStrictEqual(revoke(register, carl, mallory), Result.fail("not_entitled"))
    assert.isTrue(Result.isSuccess(revoke(register, ann, owner, [carl.key])))
    assert.deepStrictEqual(revoke(register, carl, ann), Result.fail("not_entitled"))
    assert.strictEqual(doubtOf(register, carl), "Certified")
  })

  it("in an admin's name that another key signed is none", () => {
    const register = withAdmin()
    const forged = { ...revocationIn(register, carl.key, ann), signature: sign("else", mallory) }
    assert.deepStrictEqual(register.learnRevocation(forged), Result.fail("bad_signature"))
  })

  it("is taken in its place of the list only (I27)", () => {
    const register = withAdmin()
    const first = revocationIn(register, carl.key, ann)
    assert.deepStrictEqual(
      register.learnRevocation(revocationIn(register, carl.key, ann, { version: 2 })),
      Result.fail("not_next"),
    )
    assert.isTrue(Result.isSuccess(register.learnRevocation(first)))
    assert.deepStrictEqual(register.learnRevocation(first), Result.fail("not_next"))
    // A second list with another beginning.
    assert.deepStrictEqual(
      register.learnRevocation(revocationIn(newRegister(), bob.key, owner, { version: 2 })),
      Result.fail("not_next"),
    )
    const elsewhere = revocationIn(register, bob.key, owner, { meshId: MeshId.make("m2") })
    assert.deepStrictEqual(register.learnRevocation(elsewhere), Result.fail("not_next"))
  })

  it("of an admin takes along everybody it had invited, but for those that are kept", () => {
    const register = withAdmin()
    const dave = keysOf("dave")
    register.learnCertificate(certificateFor(dave, annsInvite))
    const standing = register.standingOn(ann.key).map(({ publicKey }) => publicKey)
    assert.sameMembers([...standing], [carl.key, dave.key])
    assert.isTrue(Result.isSuccess(revoke(register, ann, owner, [dave.key])))
    assert.strictEqual(doubtOf(register, carl), "Revoked")
    assert.strictEqual(doubtOf(register, dave), "Certified")
  })

  it("of an invite takes along who joins by it later, whatever time they claim", () => {
    const register = withMember()
    assert.isTrue(Result.isSuccess(revoke(register, invite, owner, [bob.key])))
    register.learnCertificate(certificateFor(mallory, invite))
    assert.strictEqual(doubtOf(register, bob), "Certified")
    assert.strictEqual(doubtOf(register, mallory), "Revoked")
    assert.strictEqual(register.inviteDoubt(inviteFrom(invite)), "issuer_unproved")
  })

  it("of an invite leaves an admin who is kept what an admin may do", () => {
    const register = withAdmin()
    assert.isTrue(Result.isSuccess(revoke(register, invite, owner, [ann.key])))
    assert.strictEqual(doubtOf(register, carl), "Certified")
    const later = keysOf("later")
    assert.isUndefined(register.inviteDoubt(inviteFrom(later, {}, ann)))
  })

  it("has nobody's signatures looked at but of those who may stand on its subject", () => {
    const { checked, register } = countingRegister()
    register.learnInvite(inviteFrom(invite, { role: "admin", uses: 2 }))
    for (const who of [ann, bob]) register.learnCertificate(certificateFor(who, invite))
    register.learnInvite(inviteFrom(annsInvite, {}, ann))
    register.learnCertificate(certificateFor(carl, annsInvite))
    const revoked = () => [ann, bob, carl, mallory].map(({ key }) => register.isRevoked(key))
    assert.deepStrictEqual(revoked(), [false, false, false, false])
    assert.strictEqual(checked(), 0)
    register.learnRevocation(revocationIn(register, mallory.key, owner))
    assert.deepStrictEqual(revoked(), [false, false, false, true])
    assert.strictEqual(checked(), 1, "that of the revocation")
    // Carl came by her invite: both have a chain with her key.
    register.learnRevocation(revocationIn(register, ann.key, owner))
    assert.deepStrictEqual(revoked(), [true, false, true, true])
    assert.strictEqual(checked(), 2 + 3 + 3)
    register.learnRevocation(revocationIn(register, invite.key, owner))
    assert.deepStrictEqual(revoked(), [true, true, true, true])
  })

  it("that keeps its own subject ends it all the same", () => {
    const register = withMember()
    assert.isTrue(Result.isSuccess(revoke(register, bob, owner, [bob.key])))
    assert.strictEqual(doubtOf(register, bob), "Revoked")
  })

  it("ends a key that is certified again by another invite", () => {
    const register = withMember()
    assert.isTrue(Result.isSuccess(revoke(register, bob, owner)))
    register.learnInvite(inviteFrom(annsInvite))
    register.learnCertificate(certificateFor(bob, annsInvite))
    assert.strictEqual(doubtOf(register, bob), "Revoked")
  })
})
