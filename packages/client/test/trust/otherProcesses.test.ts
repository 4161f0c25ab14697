/** What another process of this machine has learnt is noticed at the next call; what keeps trust up to date does not die. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { type Known, KnownMembers } from "../../src/trust/KnownMembers.ts"
import { withRevocation } from "../support/Certified.ts"
import { startClient } from "../support/Clients.ts"
import { settle, testLayer } from "../support/FakeBroker.ts"
import { carol } from "../support/Malice.ts"

layer(testLayer)("trust on one machine", (it) => {
  it.effect("knows at the next call whose number another process has compared", () =>
    Effect.gen(function* () {
      const shared = Layer.succeedContext(yield* Layer.build(Layer.fresh(KnownMembers.memory)))
      const one = yield* startClient(() => {}, {}, shared)
      const two = yield* startClient(() => {}, {}, shared)
      const { publicKey } = one.bob
      yield* one.client.confirmByVoice(publicKey)
      assert.deepNestedInclude(yield* two.client.standingOf(publicKey), { _tag: "Certified", role: "member" })
      const standing = yield* two.client.standingOf(publicKey)
      assert.isDefined(standing._tag === "Certified" ? standing.byVoiceAt : undefined)
    }),
  )

  it.effect("sends nothing to who was revoked by another process, whose broker tells this one nothing", () =>
    Effect.gen(function* () {
      const shared = Layer.succeedContext(yield* Layer.build(Layer.fresh(KnownMembers.memory)))
      const one = yield* startClient(() => {}, {}, shared)
      const two = yield* startClient(() => {}, {}, shared)
      const [revocation] = withRevocation([], one.bob.publicKey)
      if (revocation === undefined) return assert.fail("there is one")
      yield* one.client.remember(revocation)
      const refused = yield* Effect.flip(two.client.send({ to: "Bob", text: "hi", priority: "next" }))
      assert.strictEqual(refused._tag, "UntrustedTarget")
      assert.deepStrictEqual(two.broker.sends, [])
    }),
  )

  it.effect("is kept up to date also after a defect, and the connection stays", () =>
    Effect.gen(function* () {
      let dies = false
      const fragile = Layer.effect(
        KnownMembers,
        Effect.map(KnownMembers, (memory) =>
          KnownMembers.of({
            ...memory,
            add: (meshId, more: Known) =>
              Effect.suspend(() => (dies ? Effect.die("a defect") : memory.add(meshId, more))),
          }),
        ),
      ).pipe(Layer.provide(Layer.fresh(KnownMembers.memory)))
      const { bob, broker, client } = yield* startClient(() => {}, {}, fragile)
      const third = yield* carol
      dies = true
      broker.trust = { ...broker.trust, revocations: withRevocation([], third.publicKey) }
      broker.latest.say({ type: "trust_changed", version: 1 })
      yield* settle
      dies = false
      yield* TestClock.adjust("2 seconds")
      broker.trust = { ...broker.trust, revocations: withRevocation(broker.trust.revocations, bob.publicKey) }
      broker.latest.say({ type: "trust_changed", version: 2 })
      yield* settle
      assert.strictEqual((yield* client.standingOf(bob.publicKey))._tag, "Revoked")
      assert.strictEqual(broker.connections.length, 1)
    }),
  )
})
