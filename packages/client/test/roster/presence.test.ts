/** A roster that is told: what a client knows of who is there without asking, and what it does where it missed something. */
import type { Peer, PeerChange } from "@claudemesh/domain/wire/BrokerFrame"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { BrokerClient } from "../../src/BrokerClient.ts"
import type { Identity } from "../../src/connection/Handshake.ts"
import { resealSpreadMillis } from "../../src/Limits.ts"
import { certified, trustOf } from "../support/Certified.ts"
import { startClient } from "../support/Clients.ts"
import { type FakeBroker, memberOf, peerOf, person, settle, testLayer } from "../support/FakeBroker.ts"

/** At a broker that tells changes. */
const started = (changes: Partial<Identity> = {}) =>
  startClient((broker) => {
    broker.rosterVersion = 7
  }, changes)

const lists = (broker: FakeBroker) => broker.sent("list_peers").length

const tell = (broker: FakeBroker, after: number, version: number, ...changes: ReadonlyArray<PeerChange>) => {
  broker.rosterVersion = version
  broker.latest.say({ type: "presence", after, version, changes })
  return settle
}

const statuses = (client: BrokerClient) =>
  Effect.map(client.peers, (peers) => peers.map(({ displayName, status }) => `${displayName} ${status}`).toSorted())

/** What is told of it from now on. */
const heard = Effect.fnUntraced(function* (client: BrokerClient) {
  const events: Array<string> = []
  yield* client.presence.pipe(
    Stream.runForEach(({ _tag, peer }) =>
      Effect.sync(() => void events.push(`${_tag} ${peer.displayName} ${peer.attached ? peer.status : "cut off"}`)),
    ),
    Effect.forkScoped,
  )
  yield* settle
  return events
})

layer(testLayer)("who is there", (it) => {
  it.effect("is asked for once, and from then on told", () =>
    Effect.gen(function* () {
      const { bob, broker, client } = yield* started()
      assert.isTrue(broker.hellos[0]?.presence)
      assert.strictEqual(lists(broker), 1)
      yield* tell(broker, 7, 8, { event: "changed", peer: peerOf(bob, { status: "working" }) })
      assert.deepStrictEqual(yield* statuses(client), ["Alice idle", "Bob working"])
      yield* tell(broker, 8, 9, { event: "left", peer: peerOf(bob) })
      assert.deepStrictEqual(yield* statuses(client), ["Alice idle"])
      yield* client.send({ to: bob.publicKey, text: "hi", priority: "now" })
      assert.strictEqual(lists(broker), 1)
    }),
  )

  it.effect("is asked for again where a version was missed, and not for one that is known", () =>
    Effect.gen(function* () {
      const { bob, broker, client } = yield* started()
      yield* tell(broker, 3, 5, { event: "left", peer: peerOf(bob) })
      assert.strictEqual(lists(broker), 1)
      assert.deepStrictEqual(yield* statuses(client), ["Alice idle", "Bob idle"])
      broker.peers = [peerOf(bob, { status: "dnd" })]
      yield* tell(broker, 8, 9, { event: "left", peer: peerOf(bob) })
      assert.strictEqual(lists(broker), 2)
      assert.deepStrictEqual(yield* statuses(client), ["Bob dnd"])
      yield* tell(broker, 9, 10, { event: "changed", peer: peerOf(bob, { status: "idle" }) })
      assert.deepStrictEqual(yield* statuses(client), ["Bob idle"])
      assert.strictEqual(lists(broker), 2)
    }),
  )

  it.effect("is what the broker says in the place of what a slow connection has missed", () =>
    Effect.gen(function* () {
      const { bob, broker, client } = yield* started()
      broker.latest.say({ type: "peers", id: "", version: 20, peers: [peerOf(bob, { status: "working" })] })
      yield* settle
      yield* tell(broker, 20, 21, { event: "joined", peer: peerOf(yield* person("Alice")) })
      assert.deepStrictEqual(yield* statuses(client), ["Alice idle", "Bob working"])
      assert.strictEqual(lists(broker), 1)
    }),
  )

  it.effect("is asked for each time at a broker that tells no changes, and by a command that asks once", () =>
    Effect.gen(function* () {
      for (const [version, changes] of [
        [undefined, {}],
        [7, { maxInFlight: 0 }],
        [7, { transient: true }],
      ] as const) {
        const { broker, client } = yield* startClient((broker) => {
          broker.rosterVersion = version
        }, changes)
        const before = lists(broker)
        yield* client.peers
        yield* client.peers
        assert.strictEqual(lists(broker) - before, 2)
        if (version !== undefined) assert.isUndefined(broker.hellos[0]?.presence)
      }
    }),
  )

  it.effect("is not asked for a profile that is told to be the same", () =>
    Effect.gen(function* () {
      const { alice, broker, client } = yield* started({ profile: { cwd: "/home/a" } })
      const [sent] = broker.sent("set_profile")
      if (sent === undefined) return assert.fail("no profile was sent")
      const { ciphertext, nonce, sealedKeys } = sent
      const sealedKey = sealedKeys.find(({ pubkey }) => pubkey === alice.publicKey)?.key ?? assert.fail("not to Alice")
      const profile = { ciphertext, nonce, sealedKey }
      const ours = Effect.map(client.peers, (peers) => peers.find(({ pubkey }) => pubkey === alice.publicKey)?.profile)
      yield* tell(broker, 7, 8, { event: "changed", peer: peerOf(alice, { profile }) })
      yield* tell(broker, 8, 9, { event: "changed", peer: peerOf(alice, { status: "working" }), sameProfile: true })
      assert.strictEqual((yield* ours)?.cwd, "/home/a")
      yield* tell(broker, 9, 10, { event: "changed", peer: peerOf(alice) })
      assert.isUndefined(yield* ours)
    }),
  )
})

layer(testLayer)("what is told of it", (it) => {
  it.effect("are the edges, by the names of certificates", () =>
    Effect.gen(function* () {
      const { bob, broker, client } = yield* started()
      const events = yield* heard(client)
      const working = peerOf(bob, { status: "working" })
      yield* tell(broker, 7, 8, { event: "changed", peer: working })
      yield* tell(broker, 8, 9, { event: "changed", peer: working })
      yield* tell(broker, 9, 10, { event: "left", peer: working })
      yield* tell(broker, 10, 11, { event: "joined", peer: peerOf(bob) })
      assert.deepStrictEqual(events, ["Changed Bob working", "Left Bob working", "Joined Bob idle"])
    }),
  )

  it.effect("over a cut and a restart of the broker is nothing of joining and leaving", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client } = yield* started()
      const events = yield* heard(client)
      broker.mode = "down"
      broker.latest.close(1001)
      yield* TestClock.adjust("30 seconds")
      // It has begun again, counts from the beginning, and expects Bob back.
      broker.mode = "up"
      broker.rosterVersion = 0
      broker.peers = [peerOf(alice), peerOf(bob, { attached: false })]
      for (let seconds = 0; seconds < 35; seconds++) yield* TestClock.adjust("1 second")
      yield* settle
      yield* tell(broker, 0, 1, { event: "changed", peer: peerOf(bob) })
      assert.deepStrictEqual(events, ["Changed Bob cut off", "Changed Bob idle"])
    }),
  )

  it.effect("to who does not look is merged, and is not kept", () =>
    Effect.gen(function* () {
      const { bob, broker, client } = yield* started()
      const seen: Array<string> = []
      const look = (peer: Peer) => (peer.status === "working" ? Effect.sleep("1 minute") : Effect.void)
      yield* client.presence.pipe(
        Stream.runForEach(({ _tag, peer }) =>
          Effect.andThen(
            look({ ...peerOf(bob), status: peer.status }),
            Effect.sync(() => void seen.push(`${_tag} ${peer.status}`)),
          ),
        ),
        Effect.forkScoped,
      )
      yield* settle
      yield* tell(broker, 7, 8, { event: "changed", peer: peerOf(bob, { status: "working" }) })
      yield* tell(broker, 8, 9, { event: "left", peer: peerOf(bob) })
      yield* tell(broker, 9, 10, { event: "joined", peer: peerOf(bob, { status: "dnd" }) })
      yield* TestClock.adjust("1 minute")
      yield* settle
      assert.deepStrictEqual(seen, ["Changed working", "Changed dnd"])
    }),
  )
})

layer(testLayer)("who joins later", (it) => {
  it.effect("is known without the list, is proved before anything is sealed to a group, and can read our profile", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client } = yield* started({ profile: { cwd: "/home/a" } })
      const carol = yield* person("Carol")
      const [first] = broker.sent("set_profile")
      const asked = broker.sent("list_members").length
      broker.trust = trustOf([alice, bob, carol])
      broker.latest.say({ type: "members_changed", member: memberOf(carol) })
      const sending = yield* Effect.forkChild(client.send({ to: "*", text: "hi", priority: "now" }))
      yield* settle
      yield* Fiber.join(sending)
      assert.include(broker.sends[0]?.sealedKeys?.map(({ pubkey }) => pubkey) ?? [], carol.publicKey)
      yield* TestClock.adjust(resealSpreadMillis)
      yield* settle
      const [, second, ...others] = broker.sent("set_profile")
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual([second?.ciphertext, second?.nonce], [first?.ciphertext, first?.nonce])
      assert.deepStrictEqual(
        second?.sealedKeys.map(({ pubkey }) => pubkey),
        [carol.publicKey],
      )
      assert.strictEqual(broker.sent("list_members").length, asked)
    }),
  )

  it.effect("is given the whole profile by way of a broker that adds no keys", () =>
    Effect.gen(function* () {
      const { alice, bob, broker } = yield* startClient(() => {}, { profile: { cwd: "/home/a" } })
      const carol = yield* person("Carol")
      broker.trust = trustOf([alice, bob, carol])
      broker.members = [...broker.members, memberOf(carol)]
      yield* TestClock.adjust(resealSpreadMillis)
      yield* settle
      assert.strictEqual(broker.sent("set_profile").at(-1)?.sealedKeys.length, 3)
    }),
  )
})

layer(testLayer)("a status", (it) => {
  it.effect("says its source and its end, and dnd is said again for what is left of it", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* started({ membership: certified(yield* person("Alice")) })
      const said = () =>
        broker.sent("set_status").map(({ forSeconds, source, status }) => [status, source, forSeconds] as const)
      yield* client.setStatus("dnd", { forSeconds: 600 })
      yield* client.setStatus("working", { source: "hook" })
      yield* TestClock.adjust("100 seconds")
      broker.latest.close(1001)
      yield* TestClock.adjust("2 seconds")
      yield* settle
      const [dnd, hook, again] = said()
      assert.deepStrictEqual(
        [dnd, hook],
        [
          ["dnd", undefined, 600],
          ["working", "hook", undefined],
        ],
      )
      assert.strictEqual(again?.[0], "dnd")
      assert.isAtMost(again?.[2] ?? 0, 500)
      assert.isAbove(again?.[2] ?? 0, 490)
      yield* TestClock.adjust("600 seconds")
      broker.latest.close(1001)
      yield* TestClock.adjust("2 seconds")
      yield* settle
      assert.strictEqual(said().length, 3, "it is over")
    }),
  )
})
