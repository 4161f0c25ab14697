/** Invites as a broker lists them, and what is believed of it. */
import { DisplayName } from "@claudemesh/domain/Ids"
import type { Invite } from "@claudemesh/domain/trust/Invite"
import { assert, layer } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Sodium } from "../src/keys/Sodium.ts"
import { type InviteView, judgeInvites, resolveInvite } from "../src/roster/Invites.ts"
import { nothingKnown } from "../src/trust/KnownMembers.ts"
import { TrustStore } from "../src/trust/TrustStore.ts"
import { certificateOf, certified, door, inviteOf, keysOf, withRevocation } from "./support/Certified.ts"
import { at, person, testLayer } from "./support/FakeBroker.ts"

const label = (text: string) => ({ label: DisplayName.make(text) })
const listed = (invite: Invite) => ({ invite, used: 0, state: "open" as const })
const [front, back, forged, admins, byAdmin] = ["front", "back", "forged", "admins", "by Ada"].map(keysOf)

/** Alice's machine: Ada is an admin, and "front" was made here. */
const store = Effect.gen(function* () {
  const alice = yield* person("Alice")
  const ada = { ...(yield* person("Ada")), ...keysOf("Ada") }
  const opened = new TrustStore(certified(alice), yield* Sodium)
  opened.learn(
    {
      certificates: [certificateOf(ada, {}, admins)],
      invites: [inviteOf(admins ?? door, { role: "admin", ...label("admins") })],
      revocations: [],
    },
    Date.parse(at),
  )
  opened.restore({ ...nothingKnown, invites: [inviteOf(front ?? door, label("front"))] })
  return { ada, alice, opened }
})

const found = (asked: string, all: ReadonlyArray<InviteView>) => {
  const result = resolveInvite(asked, all)
  if (Result.isFailure(result)) return result.failure._tag
  return typeof result.success === "string" ? `key ${result.success}` : result.success.invite.publicKey
}

layer(testLayer)("an invite that the broker lists", (it) => {
  it.effect("is found by its label and the beginning of its key, of the owner and of an admin", () =>
    Effect.gen(function* () {
      const { ada, opened } = yield* store
      const invites = [inviteOf(back ?? door, label("back")), inviteOf(byAdmin ?? door, label("by Ada"), ada)]
      const all = judgeInvites(invites.map(listed), opened)
      for (const { label, publicKey } of invites) {
        for (const asked of [label, label.toUpperCase(), publicKey, publicKey.slice(0, 8)]) {
          assert.strictEqual(found(asked, all), publicKey)
        }
        assert.strictEqual(found(publicKey.slice(0, 7), all), "UnknownInvite")
      }
    }),
  )

  it.effect("that neither the owner nor an admin signed is found by its whole key alone", () =>
    Effect.gen(function* () {
      const { alice, opened } = yield* store
      const { publicKey } = forged ?? door
      const attempts: ReadonlyArray<Invite> = [
        inviteOf(forged ?? door, { ...label("back"), issuer: keysOf("owner").publicKey }, keysOf("Mallory")),
        inviteOf(forged ?? door, label("back"), alice),
        { ...inviteOf(forged ?? door, label("other")), ...label("back") },
      ]
      for (const invite of attempts) {
        const all = judgeInvites([listed(invite)], opened)
        assert.strictEqual(found("back", all), "UnknownInvite")
        assert.strictEqual(found(publicKey.slice(0, 16), all), "UnknownInvite")
        assert.strictEqual(found(publicKey, all), `key ${publicKey}`)
        // Nor does it make the label of a good one ambiguous.
        const both = judgeInvites([listed(invite), listed(inviteOf(back ?? door, label("back")))], opened)
        assert.strictEqual(found("back", both), back?.publicKey)
      }
    }),
  )

  it.effect("is found also where the broker does not list it, and was made or used here", () =>
    Effect.gen(function* () {
      const { opened } = yield* store
      const namesake = inviteOf(back ?? door, label("front"))
      assert.strictEqual(found("front", judgeInvites([], opened)), front?.publicKey)
      assert.strictEqual(found("for the team", judgeInvites([], opened)), door.publicKey)
      assert.strictEqual(found("front", judgeInvites([listed(namesake)], opened)), "AmbiguousInvite")
      // What the broker sends of it later changes nothing.
      opened.learn({ certificates: [], invites: [{ ...namesake, ...front }], revocations: [] }, Date.parse(at))
      assert.strictEqual(found("front", judgeInvites([], opened)), front?.publicKey)
      // One that was revoked gives its label to one that was not, and is found where there is no other.
      const revocations = withRevocation([], front?.publicKey ?? door.publicKey)
      opened.learn({ certificates: [], invites: [], revocations }, Date.parse(at))
      assert.strictEqual(found("front", judgeInvites([listed(namesake)], opened)), back?.publicKey)
      assert.strictEqual(found("front", judgeInvites([], opened)), front?.publicKey)
    }),
  )

  it.effect("twice is one", () =>
    Effect.gen(function* () {
      const { opened } = yield* store
      const invite = listed(inviteOf(back ?? door, label("back")))
      assert.strictEqual(found("back", judgeInvites([invite, invite], opened)), back?.publicKey)
    }),
  )
})
