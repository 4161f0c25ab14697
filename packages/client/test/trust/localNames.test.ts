/** What the person of this machine calls a member, and two who are called alike. */
import { DisplayName } from "@claudemesh/domain/Ids"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { KnownMembers } from "../../src/trust/KnownMembers.ts"
import { certified, trustOf } from "../support/Certified.ts"
import { startClient } from "../support/Clients.ts"
import { memberOf, person, testLayer } from "../support/FakeBroker.ts"

const robert = DisplayName.make("Robert")

layer(testLayer)("a member that is called otherwise here", (it) => {
  it.effect("is found, listed and named so, by the next process as well, and by the own name again", () =>
    Effect.gen(function* () {
      const memory = Layer.succeedContext(yield* Layer.build(KnownMembers.memory))
      const { bob, client } = yield* startClient(() => {}, {}, memory)
      yield* client.rename(bob.publicKey, robert)
      assert.strictEqual((yield* client.resolve("@robert")).pubkey, bob.publicKey)
      assert.strictEqual((yield* client.resolve("Bob")).pubkey, bob.publicKey, "nobody else is called so")
      assert.include(
        (yield* client.roster).map(({ displayName }) => displayName),
        robert,
      )
      const next = yield* startClient(() => {}, {}, memory)
      yield* next.client.roster
      assert.deepStrictEqual(
        [next.client.nameOf(bob.publicKey), next.client.ownNameOf(bob.publicKey)],
        [robert, DisplayName.make("Bob")],
      )
      yield* next.client.rename(bob.publicKey, undefined)
      assert.strictEqual(next.client.nameOf(bob.publicKey), DisplayName.make("Bob"))
    }),
  )
})

layer(testLayer)("two members of one name", (it) => {
  it.effect("are known as such, in whatever case, until one of them is called otherwise here", () =>
    Effect.gen(function* () {
      const other = yield* person("bob")
      const { alice, bob, client } = yield* startClient((broker) => {
        broker.members = [...broker.members, memberOf(other)]
        const { certificates, ...trust } = broker.trust
        broker.trust = { ...trustOf([]), ...trust, certificates: [...certificates, certified(other).certificate] }
      })
      yield* client.roster
      assert.deepStrictEqual(
        [alice, bob, other].map(({ publicKey }) => client.hasNamesake(publicKey)),
        [false, true, true],
      )
      assert.isFalse(client.isVerified(bob.publicKey))
      yield* client.confirmByVoice(bob.publicKey)
      assert.isTrue(client.isVerified(bob.publicKey))
      yield* client.rename(other.publicKey, robert)
      assert.isFalse(client.hasNamesake(other.publicKey))
    }),
  )

  it.effect("are known as such also where one is only called so here, and the other has joined under that name", () =>
    Effect.gen(function* () {
      const stranger = yield* person("robert")
      const { alice, bob, client } = yield* startClient((broker) => {
        broker.members = [...broker.members, memberOf(stranger)]
        const { certificates, ...trust } = broker.trust
        broker.trust = { ...trustOf([]), ...trust, certificates: [...certificates, certified(stranger).certificate] }
      })
      yield* client.roster
      assert.isFalse(client.hasNamesake(stranger.publicKey))
      yield* client.rename(bob.publicKey, robert)
      assert.deepStrictEqual(
        [alice, bob, stranger].map(({ publicKey }) => client.hasNamesake(publicKey)),
        [false, true, true],
      )
      yield* client.rename(bob.publicKey, undefined)
      assert.isFalse(client.hasNamesake(stranger.publicKey))
    }),
  )
})
