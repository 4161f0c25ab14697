import { DisplayName, Slug } from "@claudemesh/domain/Ids"
import { ChainVerifier } from "@claudemesh/domain/trust/ChainVerifier"
import { assert, layer } from "@effect/vitest"
import { Effect, Result } from "effect"
import { TestClock } from "effect/testing"
import { BrokerUrl } from "../src/keys/BrokerUrl.ts"
import { formatInviteLink, parseInviteLink } from "../src/invite/InviteLink.ts"
import { newInvite } from "../src/invite/NewInvite.ts"
import { signCertificate, signInvite, verifierOf } from "../src/keys/SignRecords.ts"
import { Sodium } from "../src/keys/Sodium.ts"
import { testLayer } from "./support/FakeBroker.ts"
import { adminOf, forAdmins, forMembers, hourMillis, joinedBy, owner, withChecksum } from "./support/Invites.ts"
import { plainKey } from "./support/Plain.ts"

const nowMillis = 1_795_507_198_670
const now = TestClock.setTime(nowMillis)

/** A link of the owner's and one of an admin's, of one mesh. */
const links = Effect.fnUntraced(function* (slug?: string) {
  const olga = yield* owner(slug)
  const ada = yield* adminOf(olga)
  return {
    olga,
    ada,
    ofOwner: (yield* newInvite(olga, { ...forMembers, label: DisplayName.make("für Zoë") })).link,
    ofAdmin: (yield* newInvite(ada, forMembers)).link,
  }
})

const fieldsOf = (link: string): ReadonlyArray<string> => link.slice(link.indexOf("#") + 1).split(".")
const withFields = (link: string, fields: ReadonlyArray<string>): string =>
  withChecksum(`${link.slice(0, link.indexOf("#") + 1)}${fields.join(".")}`)

/** How each text is refused, and which is not. */
const refusals = Effect.fnUntraced(function* (texts: ReadonlyArray<string>) {
  const taken: Array<string> = []
  const how = new Map<string, number>()
  for (const text of texts) {
    const result = yield* Effect.result(parseInviteLink(text))
    if (Result.isSuccess(result)) taken.push(text)
    else how.set(result.failure._tag, (how.get(result.failure._tag) ?? 0) + 1)
  }
  return { taken, how }
})

const everyBitTurned = (link: string): ReadonlyArray<string> =>
  Array.from(link).flatMap((character, index) =>
    [0, 1, 2, 3, 4, 5, 6, 7].map(
      (bit) => link.slice(0, index) + String.fromCharCode(character.charCodeAt(0) ^ (1 << bit)) + link.slice(index + 1),
    ),
  )

layer(testLayer)("an invite link", (it) => {
  it.effect("leads a joiner to a membership that the owner's key proves, from the owner or from an admin", () =>
    Effect.gen(function* () {
      yield* now
      const { ofAdmin, ofOwner, olga } = yield* links()
      for (const link of [ofOwner, ofAdmin]) {
        assert.match(link, /^https:\/\/mesh\.example\.com\/team\/join#[A-Za-z0-9._-]+$/)
        assert.isBelow(link.length, 1_024)
        const read = yield* parseInviteLink(link)
        assert.strictEqual(formatInviteLink(read), link)
        assert.deepInclude(read.invite, { meshId: olga.meshId, role: "member", uses: 3, brokerUrl: olga.brokerUrl })
        assert.strictEqual(Date.parse(read.invite.expiresAt), nowMillis + hourMillis)

        const zoe = yield* joinedBy(link, "Zoë")
        const register = new ChainVerifier(olga.meshId, olga.ownerPublicKey ?? zoe.pubkey, verifierOf(yield* Sodium))
        for (const invite of [read.invite, read.issuer?.invite]) if (invite) register.learnInvite(invite)
        if (read.issuer) register.learnCertificate(read.issuer.certificate)
        if (zoe.certificate) register.learnCertificate(zoe.certificate)
        assert.deepInclude<unknown>(register.standingOf(zoe.pubkey), { _tag: "Certified", role: "member" })
      }
      assert.strictEqual((yield* parseInviteLink(ofOwner)).invite.label, "für Zoë")
    }),
  )

  it.effect("is the invite's secret key and no other: neither the owner's nor the admin's is in it", () =>
    Effect.gen(function* () {
      yield* now
      const { ada, ofAdmin, ofOwner, olga } = yield* links()
      const secrets = [olga.ownerSecretKey, olga.secretKey, ada.secretKey].map((key) =>
        Buffer.from(plainKey(key).slice(0, 64), "hex").toString("base64url"),
      )
      for (const secret of secrets) {
        assert.notInclude(ofOwner, secret)
        assert.notInclude(ofAdmin, secret)
      }
    }),
  )

  it.effect("is refused with any one bit of it turned, by mistake or on purpose", () =>
    Effect.gen(function* () {
      yield* now
      const { ofAdmin, ofOwner } = yield* links()
      for (const link of [ofOwner, ofAdmin]) {
        const byMistake = yield* refusals(everyBitTurned(link))
        assert.deepStrictEqual(byMistake.taken, [])
        assert.deepStrictEqual([...byMistake.how], [["LinkBroken", link.length * 8]])
        const onPurpose = yield* refusals(
          everyBitTurned(link)
            .map(withChecksum)
            .filter((text) => text !== link),
        )
        assert.deepStrictEqual(onPurpose.taken, [])
        assert.isAbove(onPurpose.how.get("LinkForged") ?? 0, 1_000)
      }
    }),
  )

  it.effect("is refused with any field of another good link, of the same mesh or of another", () =>
    Effect.gen(function* () {
      yield* now
      const here = yield* links()
      const there = yield* links("other")
      const more = yield* newInvite(here.olga, { ...forAdmins, uses: 7, validMillis: 2 * hourMillis })
      const moreOfAdmin = yield* newInvite(yield* adminOf(here.olga, "Bea"), {
        ...forMembers,
        uses: 8,
        validMillis: 2 * hourMillis,
        label: DisplayName.make("eight"),
      })
      const pairs = [
        [here.ofOwner, there.ofOwner],
        [here.ofOwner, more.link],
        [here.ofAdmin, there.ofAdmin],
        [here.ofAdmin, moreOfAdmin.link],
        [here.ofAdmin, more.link],
      ] as const
      const mixed = pairs.flatMap(([link, other]) => {
        const own = fieldsOf(link)
        const others = fieldsOf(other)
        return own
          .map((_, index) => withFields(link, own.with(index, others[index] ?? "")))
          .filter((text) => text !== link)
      })
      assert.isAbove(mixed.length, 50)
      assert.deepStrictEqual((yield* refusals(mixed)).taken, [])
    }),
  )

  it.effect("is refused with another admin's proof, with one that nobody asked for, and without any", () =>
    Effect.gen(function* () {
      yield* now
      const { ofAdmin, ofOwner, olga } = yield* links()
      const ofBea = (yield* newInvite(yield* adminOf(olga, "Bea"), forMembers)).link
      const proofOf = (link: string) => fieldsOf(link).slice(13, -1)
      const own = (link: string) => fieldsOf(link).slice(0, 13)
      const { how, taken } = yield* refusals([
        withFields(ofAdmin, [...own(ofAdmin), ...proofOf(ofBea), ""]),
        withFields(ofAdmin, [...own(ofAdmin), ""]),
        withFields(ofOwner, [...own(ofOwner), ...proofOf(ofBea), ""]),
        withFields(ofOwner, [...own(ofOwner), "", ""]),
      ])
      assert.deepStrictEqual(taken, [])
      assert.strictEqual(how.get("LinkForged"), 1)
    }),
  )

  it.effect(
    "is refused when a member who is no admin made it, or an admin for an admin, however well it is signed",
    () =>
      Effect.gen(function* () {
        yield* now
        const sodium = yield* Sodium
        const { ada, ofAdmin, ofOwner } = yield* links()
        const mallory = yield* joinedBy(ofOwner, "Mallory")
        const link = yield* parseInviteLink(ofAdmin)
        const forgedBy = (
          { certificate, invite, pubkey, secretKey }: typeof mallory,
          role: "admin" | "member",
        ): string => {
          const signed = signInvite(sodium, { ...link.invite, role, issuer: pubkey }, secretKey)
          if (certificate === undefined || invite === undefined) return ""
          return formatInviteLink({ ...link, invite: signed, issuer: { certificate, invite } })
        }
        assert.strictEqual(forgedBy(ada, "member"), ofAdmin)
        const doubtOf = (text: string) => Effect.flip(parseInviteLink(text))
        assert.deepInclude(yield* doubtOf(forgedBy(mallory, "member")), {
          _tag: "LinkForged",
          doubt: "issuer_unproved",
        })
        assert.deepInclude(yield* doubtOf(forgedBy(ada, "admin")), { _tag: "LinkForged", doubt: "role_not_given" })

        // The certificate of an admin that the invite's key did not sign.
        const { certificate, invite } = ada
        if (certificate === undefined || invite === undefined) return assert.fail("no proof")
        const own = signCertificate(
          sodium,
          ada.meshId,
          { ...certificate, displayName: mallory.displayName },
          { invite: mallory.secretKey, member: ada.secretKey },
        )
        const lent = formatInviteLink({ ...link, issuer: { certificate: own, invite } })
        assert.deepInclude(yield* doubtOf(lent), { _tag: "LinkForged" })
      }),
  )

  it.effect(
    "tells a link that is broken, one that was forged and one that has expired apart, each with what to do",
    () =>
      Effect.gen(function* () {
        yield* now
        const { ofOwner } = yield* links()
        const refusal = (text: string) => Effect.flip(parseInviteLink(text))
        for (const text of [
          "",
          ofOwner.slice(0, -1),
          ofOwner.slice(1),
          `${ofOwner}\n`,
          `${ofOwner}a`,
          "https://a.b/join#1",
        ]) {
          const broken = yield* refusal(text)
          assert.strictEqual(broken._tag, "LinkBroken")
          assert.include(broken.message, "Copy the whole link again")
        }
        assert.include((yield* refusal(`${ofOwner}a`)).message, "changed or missing")
        const read = yield* parseInviteLink(ofOwner)
        const stranger = yield* owner()
        const forged = signInvite(yield* Sodium, read.invite, stranger.ownerSecretKey)
        const refused = yield* refusal(formatInviteLink({ ...read, invite: forged }))
        assert.deepInclude(refused, { _tag: "LinkForged", doubt: "bad_invite_signature" })
        assert.include(refused.message, "Do not use it")

        const next = fieldsOf(ofOwner).with(0, "2")
        assert.include((yield* refusal(withFields(ofOwner, next))).message, "another version")

        yield* TestClock.adjust(hourMillis - 1)
        yield* parseInviteLink(ofOwner)
        yield* TestClock.adjust(1)
        const expired = yield* refusal(ofOwner)
        assert.deepInclude(expired, { _tag: "LinkExpired", expiresAt: read.invite.expiresAt })
        // Its time is told only of what the owner signed.
        assert.strictEqual((yield* refusal(formatInviteLink({ ...read, invite: forged })))._tag, "LinkForged")
      }),
  )

  it.effect(
    "is made for a broker without TLS too, and keeps an admin's own broker where that has another address",
    () =>
      Effect.gen(function* () {
        yield* now
        const { ada } = yield* links()
        const elsewhere = BrokerUrl.make("ws://[::1]:7900/ws")
        const { link } = yield* newInvite({ ...ada, brokerUrl: elsewhere }, forMembers)
        assert.match(link, /^http:\/\/\[::1\]:7900\/join#/)
        const read = yield* parseInviteLink(link)
        assert.strictEqual(read.brokerUrl, elsewhere)
        assert.strictEqual(read.issuer?.invite.brokerUrl, ada.brokerUrl)
        assert.strictEqual(formatInviteLink(read), link)
      }),
  )
})

layer(testLayer)("a new invite", (it) => {
  it.effect("is the owner's to make for admins and members, an admin's for members, and nobody else's", () =>
    Effect.gen(function* () {
      yield* now
      const { ada, ofOwner, olga } = yield* links()
      const made = yield* newInvite(olga, forAdmins)
      assert.strictEqual(made.signer.publicKey, made.invite.ownerPublicKey)
      assert.strictEqual(plainKey(made.signer.secretKey), plainKey(olga.ownerSecretKey))
      assert.strictEqual(made.invite.issuer, olga.ownerPublicKey)
      const byAdmin = yield* newInvite(ada, forMembers)
      assert.strictEqual(byAdmin.signer.publicKey, ada.pubkey)
      assert.strictEqual(plainKey(byAdmin.signer.secretKey), plainKey(ada.secretKey))
      assert.strictEqual(byAdmin.invite.issuer, ada.pubkey)

      const refused = yield* Effect.flip(newInvite(ada, forAdmins))
      assert.strictEqual(refused._tag, "OnlyOwnerMakesAdmins")
      assert.include(refused.message, "the owner of team makes admins")
      const member = yield* joinedBy(ofOwner, "Zoë")
      assert.strictEqual((yield* Effect.flip(newInvite(member, forMembers)))._tag, "MayNotInvite")
      // Of a mesh that one of the first clients joined there is no proof.
      const { certificate: _certificate, invite: _invite, ...old } = member
      assert.strictEqual((yield* Effect.flip(newInvite(old, forMembers)))._tag, "MayNotInvite")
    }),
  )

  it.effect("gives the mesh its own name, whatever the inviter calls it", () =>
    Effect.gen(function* () {
      yield* now
      const { olga } = yield* links()
      const { invite } = yield* newInvite({ ...olga, slug: Slug.make("work") }, forMembers)
      assert.strictEqual(invite.slug, "team")
      assert.strictEqual(invite.label, olga.name)
    }),
  )

  it.effect("has keys of its own each time", () =>
    Effect.gen(function* () {
      yield* now
      const { olga } = yield* links()
      const [first, second] = [yield* newInvite(olga, forMembers), yield* newInvite(olga, forMembers)]
      assert.notStrictEqual(first.invite.publicKey, second.invite.publicKey)
      assert.notStrictEqual(first.link, second.link)
    }),
  )
})
