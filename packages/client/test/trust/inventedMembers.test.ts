/** One test for one attack: the broker shows members whom nobody let in, and gets nothing sealed to them. */
import { MeshId } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import type { Certificate } from "@claudemesh/domain/trust/Certificate"
import type { Invite } from "@claudemesh/domain/trust/Invite"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { certificateOf, door, inviteOf, keysOf, owner } from "../support/Certified.ts"
import { startClient } from "../support/Clients.ts"
import { membershipOf, type Person, person, testLayer, settle } from "../support/FakeBroker.ts"
import { memberTarget } from "../support/SealedSend.ts"

import { hello, lists, mallory, sealsNothingTo } from "../support/Malice.ts"

layer(testLayer)("a broker that invents a member", (it) => {
  const backDoor = keysOf("back door")
  const stranger = keysOf("another owner")
  const admins = keysOf("admins' door")
  const attempts: Readonly<
    Record<string, (who: Person, bob: Person) => readonly [ReadonlyArray<Certificate>, ReadonlyArray<Invite>, string]>
  > = {
    "without a certificate": () => [[], [], "no proof that the key is a member's"],
    "with a certificate of another owner": (who) => [
      [certificateOf(who, {}, backDoor)],
      [inviteOf(backDoor, { ownerPublicKey: stranger.publicKey }, stranger)],
      "another owner's",
    ],
    "with an invite that it signed as the owner": (who) => [
      [certificateOf(who, {}, backDoor)],
      [inviteOf(backDoor, { issuer: owner.publicKey }, stranger)],
      "its invite was not signed by who it says",
    ],
    "with a certificate that its invite did not sign": (who) => [
      [{ ...certificateOf(who, {}, stranger), invite: door.publicKey }],
      [],
      "not signed by its invite",
    ],
    "by the invite of a member who is no admin": (who, bob) => [
      [certificateOf(who, {}, backDoor)],
      [inviteOf(backDoor, {}, bob)],
      "somebody who may not invite",
    ],
    "with a certificate of after its invite": (who) => [
      [certificateOf(who, { joinedAt: IsoTime.make("2026-11-24T08:00:00.000Z") }, backDoor)],
      [inviteOf(backDoor, { expiresAt: IsoTime.make("2026-11-24T07:00:00.000Z") })],
      "after its invite had expired",
    ],
    "with another mesh's certificate": (who) => [
      [certificateOf(who, {}, backDoor, MeshId.make("mesh-other"))],
      [inviteOf(backDoor, { meshId: MeshId.make("mesh-other") })],
      "another mesh's",
    ],
    "with another mesh's certificate on this mesh's invite": (who) => [
      [certificateOf(who, {}, door, MeshId.make("mesh-other"))],
      [],
      "not signed by its invite",
    ],
  }
  for (const [how, attempt] of Object.entries(attempts)) {
    it.effect(`${how} gets nothing sealed to it, and it is said why`, () =>
      Effect.gen(function* () {
        const { bob, broker, client } = yield* startClient()
        const invented = yield* mallory
        const [certificates, invites, why] = attempt(invented, bob)
        lists(broker, invented, { certificates, invites })
        const refused = yield* sealsNothingTo(broker, client, invented)
        assert.deepInclude(refused, { _tag: "UntrustedTarget", standing: "Uncertified" })
        assert.include(refused.message, why)
        const named = yield* Effect.flip(client.send({ ...hello, to: "Mallory" }))
        assert.include(named.message, why)
        const shown = (yield* client.roster).find(({ pubkey }) => pubkey === invented.publicKey)
        assert.deepInclude(shown, { displayName: undefined, brokerSays: "Mallory", role: undefined })
        assert.isUndefined(client.nameOf(invented.publicKey))
      }),
    )
  }

  it.effect("by an admin, as an admin, gets nothing sealed to it; as a member it does", () =>
    Effect.gen(function* () {
      const ada = { ...(yield* person("Ada")), publicKey: keysOf("Ada").publicKey, secretKey: keysOf("Ada").secretKey }
      const invented = yield* mallory
      for (const role of ["admin", "member"] as const) {
        const { broker, client } = yield* startClient((broker) => {
          lists(broker, ada, {
            certificates: [certificateOf(ada, {}, admins)],
            invites: [inviteOf(admins, { role: "admin" })],
          })
          lists(broker, invented, {
            certificates: [certificateOf(invented, {}, backDoor)],
            invites: [inviteOf(backDoor, { role }, ada)],
          })
        })
        if (role === "member") {
          yield* client.send({ ...hello, to: "Mallory" })
          continue
        }
        const refused = yield* sealsNothingTo(broker, client, invented)
        assert.include(refused.message, "only the owner can give")
      }
    }),
  )

  it.effect("under the name of a member does not take that member's messages, nor make the name ambiguous", () =>
    Effect.gen(function* () {
      const { bob, broker, client } = yield* startClient()
      const invented = { ...(yield* mallory), name: bob.name }
      lists(broker, invented)
      yield* client.send({ ...hello, to: "Bob" })
      assert.deepStrictEqual(broker.sends[0]?.targetSpec, memberTarget(bob))
    }),
  )

  it.effect("gets nothing where the owner's key is not known: then nobody does, and it is said why", () =>
    Effect.gen(function* () {
      const alice = yield* person("Alice")
      const { client } = yield* startClient(() => {}, { membership: membershipOf(alice) })
      const refused = yield* Effect.flip(client.send({ ...hello, to: "Bob" }))
      assert.include(refused.message, "join it again by an invite link")
    }),
  )

  it.effect("is told from one that could not be asked for: a group is not written to by half", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient((starting) => {
        starting.override = (frame) => frame.type === "get_trust"
      })
      broker.latest.close(1001)
      yield* settle
      const sending = yield* Effect.forkChild(Effect.flip(client.enqueue({ ...hello, to: "*" })))
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual((yield* Fiber.join(sending))._tag, "RequestTimedOut")
      assert.strictEqual(broker.sends.length, 0)
    }),
  )
})
