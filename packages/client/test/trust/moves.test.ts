/** Clients follow the owner's word of where the mesh is, and nobody else's: one test for one attack. */
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import type { MeshMoved } from "@claudemesh/domain/trust/MeshMoved"
import { MeshId } from "@claudemesh/domain/Ids"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { askBroker } from "../../src/connection/AskBroker.ts"
import { makeBrokerClient } from "../../src/BrokerClient.ts"
import { signMove } from "../../src/keys/SignRecords.ts"
import { Sodium } from "../../src/keys/Sodium.ts"
import { storesInMemory } from "../../src/LocalStores.ts"
import { KeepMove, type Place, placeOf } from "../../src/trust/FollowMove.ts"
import { headOf, second } from "../support/AuditHeads.ts"
import { certified, door, owner, trustOf } from "../support/Certified.ts"
import { dialerFor, FakeBroker, memberOf, peerOf, person, settle, testLayer } from "../support/FakeBroker.ts"
import { hello } from "../support/Malice.ts"

const there = "wss://new.example.com/ws"

const moveBy = Effect.fnUntraced(function* (secretKey: typeof owner.secretKey, changes: Partial<MeshMoved> = {}) {
  const unsigned = { meshId: MeshId.make("mesh-team"), version: 1, brokerUrl: there, at: isoFromMillis(0), ...changes }
  return signMove(yield* Sodium, unsigned, secretKey)
})

/** A client of Alice's on the old broker, and the new one. */
const withTwoBrokers = Effect.gen(function* () {
  const [alice, bob] = [yield* person("Alice"), yield* person("Bob")]
  const [old, next] = [new FakeBroker(), new FakeBroker()]
  for (const broker of [old, next]) {
    broker.members = [memberOf(alice), memberOf(bob)]
    broker.peers = [peerOf(alice), peerOf(bob)]
    broker.trust = trustOf([alice, bob])
  }
  const membership = certified(alice)
  const kept: Array<Place> = []
  const dialer = dialerFor({ [membership.brokerUrl]: old, [there]: next })
  const start = makeBrokerClient({
    membership,
    sessionId: alice.sessionId,
    client: { name: "test", version: "1" },
    nextArrival: () => 1,
  }).pipe(
    Effect.provide(Layer.mergeAll(dialer, storesInMemory)),
    Effect.provideService(KeepMove, (place) => Effect.sync(() => void kept.push(place))),
    Effect.tap(settle),
  )
  return { old, next, kept, membership, start }
})

layer(testLayer)("a mesh that has moved", (it) => {
  it.effect("is followed by a client that is connected, with what waits in its outbox", () =>
    Effect.gen(function* () {
      const { kept, membership, next, old, start } = yield* withTwoBrokers
      // The new broker's record is another one, and another key signs it.
      old.audit = headOf(7)
      next.audit = headOf(2, "b", 9_000, second)
      const client = yield* start
      old.override = (frame) => frame.type === "send"
      yield* client.enqueue({ ...hello, to: "Bob" })
      yield* settle
      const moved = yield* moveBy(owner.secretKey)
      old.latest.say({ type: "mesh_moved", moved })
      yield* settle
      assert.deepStrictEqual(kept, [{ moved, brokerUrl: there }])
      assert.strictEqual((yield* client.state)._tag, "Connected")
      assert.deepStrictEqual(
        next.sends.map(({ id }) => id),
        old.sends.map(({ id }) => id),
      )
      assert.strictEqual(yield* client.outboxSize, 0)
      assert.include(yield* client.moveNotice, `team has moved to ${there}`)
      assert.include(yield* client.moveNotice, membership.brokerUrl)
      assert.deepStrictEqual(yield* client.alarms, [])
      // The same again, and an older one, lead nowhere.
      next.latest.say({ type: "mesh_moved", moved })
      yield* settle
      assert.strictEqual(next.connections.length, 1)
    }),
  )

  it.effect(
    "is not followed by the word of the broker, an admin or a former owner, or to an address no link may have",
    () =>
      Effect.gen(function* () {
        const { kept, next, old, start } = yield* withTwoBrokers
        const client = yield* start
        const forged = { ...(yield* moveBy(owner.secretKey)), brokerUrl: "wss://evil.example.com/ws" }
        const bad = [
          forged,
          yield* moveBy(door.secretKey),
          yield* moveBy(owner.secretKey, { meshId: MeshId.make("mesh-other") }),
          yield* moveBy(owner.secretKey, { brokerUrl: "ws://new.example.com/ws" }),
          yield* moveBy(owner.secretKey, { brokerUrl: "wss://me:secret@new.example.com/ws" }),
          yield* moveBy(owner.secretKey, { brokerUrl: "wss://new.example.com/ws?x=1" }),
        ]
        for (const moved of bad) {
          old.latest.say({ type: "mesh_moved", moved })
          yield* settle
        }
        assert.deepStrictEqual(kept, [])
        assert.strictEqual(next.connections.length, 0)
        assert.strictEqual(old.connections.length, 1)
        assert.strictEqual((yield* client.alarms).length, 3)
        assert.include((yield* client.alarms)[0], "is not followed: the mesh's owner did not sign it")
      }),
  )

  it.effect("is where the highest version says: nothing leads back", () =>
    Effect.gen(function* () {
      const { membership } = yield* withTwoBrokers
      const sodium = yield* Sodium
      const [first, second] = [yield* moveBy(owner.secretKey), yield* moveBy(owner.secretKey, { version: 2 })]
      const after = { ...membership, moved: second }
      for (const moved of [first, second]) {
        assert.deepStrictEqual(placeOf(moved, after, sodium), Result.succeed(undefined))
      }
      const third = yield* moveBy(owner.secretKey, { version: 3, brokerUrl: membership.brokerUrl })
      assert.isTrue(Result.isSuccess(placeOf(third, after, sodium)))
    }),
  )

  it.effect(
    "is asked for at a broker that may be wrong with nothing of the outbox, and has to show one's own proof",
    () =>
      Effect.gen(function* () {
        const alice = yield* person("Alice")
        const membership = certified(alice)
        const broker = new FakeBroker()
        broker.members = [memberOf(alice)]
        broker.trust = trustOf([])
        const identity = { membership, sessionId: alice.sessionId, client: { name: "test", version: "1" } }
        const ask = askBroker(identity, "5 seconds").pipe(Effect.provide(dialerFor({ [membership.brokerUrl]: broker })))
        assert.strictEqual((yield* Effect.flip(ask))._tag, "NotOfThisMesh")
        broker.trust = trustOf([alice])
        yield* ask
        const types = new Set(broker.connections.flatMap(({ sent }) => sent.map(({ type }) => type)))
        assert.deepStrictEqual([...types], ["hello", "get_trust"])
        assert.deepStrictEqual([...new Set(broker.hellos.map(({ maxInFlight }) => maxInFlight))], [0])
      }),
  )
})
