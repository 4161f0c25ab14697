/** A client of Alice's, in a mesh with Bob, on a fake broker. */
import { Effect } from "effect"
import { makeBrokerClient } from "../../src/BrokerClient.ts"
import { dialerFor, FakeBroker, memberOf, membershipOf, peerOf, person, settle } from "./FakeBroker.ts"

export const startClient = Effect.fnUntraced(function* (prepare: (broker: FakeBroker) => void = () => {}) {
  const alice = yield* person("Alice")
  const bob = yield* person("Bob")
  const broker = new FakeBroker()
  broker.members = [memberOf(alice), memberOf(bob)]
  broker.peers = [peerOf(alice), peerOf(bob)]
  prepare(broker)
  const membership = membershipOf(alice)
  let arrivals = 0
  const client = yield* makeBrokerClient({
    membership,
    sessionId: alice.sessionId,
    client: { name: "test", version: "1" },
    nextArrival: () => ++arrivals,
  }).pipe(Effect.provide(dialerFor({ [membership.brokerUrl]: broker })))
  yield* settle
  return { alice, bob, broker, client, membership }
})
