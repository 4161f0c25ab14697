/** A client of Alice's, in a mesh with Bob, on a fake broker. */
import { Effect, Layer } from "effect"
import { makeBrokerClient } from "../../src/BrokerClient.ts"
import type { Identity } from "../../src/connection/Handshake.ts"
import type { History } from "../../src/inbox/History.ts"
import { SeenMessages } from "../../src/inbox/SeenMessages.ts"
import { storesInMemory } from "../../src/LocalStores.ts"
import type { OutboxStore } from "../../src/outbox/OutboxStore.ts"
import { KeptHeads } from "../../src/trust/KeptHeads.ts"
import { StateDb } from "../../src/local/StateDb.ts"
import { KnownMembers } from "../../src/trust/KnownMembers.ts"
import { certified, trustOf } from "./Certified.ts"
import { dialerFor, FakeBroker, memberOf, peerOf, person, settle } from "./FakeBroker.ts"

export const startClient = Effect.fnUntraced(function* (
  prepare: (broker: FakeBroker) => void = () => {},
  changes: Partial<Identity> = {},
  memory: Layer.Layer<KnownMembers> = KnownMembers.memory,
  seen: Layer.Layer<SeenMessages> = SeenMessages.memory,
  stores: Layer.Layer<History | OutboxStore> = storesInMemory,
  heads: Layer.Layer<KeptHeads> = Layer.fresh(KeptHeads.layer).pipe(Layer.provide(Layer.fresh(StateDb.memory))),
) {
  const alice = yield* person("Alice")
  const bob = yield* person("Bob")
  const broker = new FakeBroker()
  broker.members = [memberOf(alice), memberOf(bob)]
  broker.peers = [peerOf(alice), peerOf(bob)]
  broker.trust = trustOf([alice, bob])
  prepare(broker)
  const membership = changes.membership ?? certified(alice)
  let arrivals = 0
  const client = yield* makeBrokerClient({
    membership,
    sessionId: alice.sessionId,
    client: { name: "test", version: "1" },
    nextArrival: () => ++arrivals,
    ...changes,
  }).pipe(Effect.provide(Layer.mergeAll(dialerFor({ [membership.brokerUrl]: broker }), stores, memory, seen, heads)))
  yield* settle
  return { alice, bob, broker, client, membership }
})
