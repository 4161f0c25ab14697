/** One test for one attack: the broker keeps a revocation from us by not answering, by noise, or process by process. */
import { MemberId } from "@claudemesh/domain/Ids"
import type { Revocation } from "@claudemesh/domain/trust/Revocation"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { trustGossipMax } from "../../src/Limits.ts"
import { type Known, KnownMembers, nothingKnown, withMore } from "../../src/trust/KnownMembers.ts"
import { keysOf, withRevocation } from "../support/Certified.ts"
import { startClient } from "../support/Clients.ts"
import { type Person, pushOf, settle, testLayer } from "../support/FakeBroker.ts"
import { hello } from "../support/Malice.ts"
import { sealedSend } from "../support/SealedSend.ts"

/** As one machine's processes share it. */
const shared = () => {
  let known = nothingKnown
  const add = (more: Known) => Effect.sync(() => void (known = withMore(known, more)))
  const service = KnownMembers.of({
    read: () => Effect.sync(() => known),
    add: (_, more) => add(more),
    names: () => Effect.succeed(new Map()),
    rename: () => Effect.void,
  })
  return { add, memory: Layer.succeed(KnownMembers, service) }
}

layer(testLayer)("a revocation that the broker keeps from us", (it) => {
  it.effect("is in force when another process of this machine knows it", () =>
    Effect.gen(function* () {
      const { add, memory } = shared()
      const { bob, broker, client } = yield* startClient(undefined, {}, memory)
      yield* client.send({ ...hello, to: "Bob" })
      yield* add({ ...nothingKnown, revocations: withRevocation([], bob.publicKey) })
      const refused = yield* Effect.flip(client.send({ ...hello, to: "Bob" }))
      assert.deepInclude(refused, { _tag: "UntrustedTarget", standing: "Revoked" })
      assert.deepStrictEqual(yield* client.alarms, ["the broker shows 0 revocations, and 1 are known: it hides some"])
      assert.strictEqual(broker.sends.length, 1)
    }),
  )

  it.effect("is told of when a member knows it and the broker gives no answer", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      yield* client.roster
      broker.override = (frame) => frame.type === "get_trust"
      const send = yield* sealedSend({ from: bob, to: alice, text: "hi", revocations: 1 })
      broker.latest.say(pushOf(send, bob, membership.meshId, alice.publicKey))
      yield* settle
      yield* TestClock.adjust("11 seconds")
      assert.include((yield* client.alarms)[0], "knows of 1 revocations, and the broker shows 0")
    }),
  )

  it.effect("is told of when the connection ends over the question, with the next one", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      yield* client.roster
      broker.override = (frame, connection) => {
        if (frame.type === "get_trust") connection.close(1001)
        return frame.type === "get_trust"
      }
      const send = yield* sealedSend({ from: bob, to: alice, text: "hi", revocations: 1 })
      broker.latest.say(pushOf(send, bob, membership.meshId, alice.publicKey))
      yield* settle
      assert.deepStrictEqual(yield* client.alarms, [])
      broker.override = () => false
      yield* TestClock.adjust("5 seconds")
      yield* settle
      assert.include((yield* client.alarms)[0], "knows of 1 revocations, and the broker shows 0")
    }),
  )

  it.effect("is told of when the broker drowns a member's word in those of keys of its own", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* startClient()
      yield* client.roster
      // Nobody's proof is ever given.
      broker.override = (frame) => frame.type === "get_trust" && frame.keys.length > 0
      const says = Effect.fnUntraced(function* (from: Person) {
        const send = yield* sealedSend({ from, to: alice, text: "hi", revocations: 1 })
        broker.latest.say(pushOf(send, from, membership.meshId, alice.publicKey))
      })
      for (let n = 0; n <= trustGossipMax; n++) {
        yield* says({ ...bob, ...keysOf(`nobody ${n}`), memberId: MemberId.make(`n${n}`) })
      }
      yield* settle
      yield* says(bob)
      yield* settle
      yield* TestClock.adjust("21 seconds")
      assert.include((yield* client.alarms)[0], "Bob")
    }),
  )

  it.effect("by another list of the same length is told of, though nothing of that list is shown", () =>
    Effect.gen(function* () {
      const { bob, broker, client } = yield* startClient((broker) => {
        broker.trust = { ...broker.trust, revocations: withRevocation([], keysOf("x").publicKey) }
      })
      yield* client.roster
      const none: ReadonlyArray<Revocation> = []
      broker.trust = { ...broker.trust, revocations: none }
      broker.version = 1
      broker.latest.close(1001)
      yield* TestClock.adjust("5 seconds")
      yield* client.send({ ...hello, to: "Bob" })
      assert.strictEqual((yield* client.standingOf(bob.publicKey))._tag, "Certified")
      assert.include((yield* client.alarms)[0], "does not show revocation 1, which is known")
    }),
  )
})
