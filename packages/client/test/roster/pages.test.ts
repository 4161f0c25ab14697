/** Lists that come in pages: what the client knows is whole or as before, whatever changes while they come. */
import { SessionId } from "@claudemesh/domain/Ids"
import type { BrokerFrame, Members, Peer } from "@claudemesh/domain/wire/BrokerFrame"
import type { ListMembers, ListPeers } from "@claudemesh/domain/wire/ClientFrame"
import { assert, layer } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { BrokerClient } from "../../src/BrokerClient.ts"
import { listPageMax } from "../../src/Limits.ts"
import { ToldMembers } from "../../src/roster/ToldMembers.ts"
import { startClient } from "../support/Clients.ts"
import { type FakeBroker, memberOf, peerOf, type Person, person, settle, testLayer } from "../support/FakeBroker.ts"

/** At a broker that tells changes, and whose answers to lists are up to the test. */
const asking = Effect.gen(function* () {
  const asked: Array<ListPeers | ListMembers> = []
  const started = yield* startClient((broker) => {
    broker.rosterVersion = 7
    broker.override = (frame) => {
      if (frame.type !== "list_peers") return false
      asked.push(frame)
      return true
    }
  })
  yield* settle
  return { ...started, asked }
})

const page = (
  broker: FakeBroker,
  frame: ListPeers | ListMembers | undefined,
  peers: ReadonlyArray<Peer>,
  more?: string,
  version = 7,
) => {
  const after = frame?.after
  const said = { type: "peers", id: frame?.id ?? "", version, peers } as const
  broker.latest.say({ ...said, ...(typeof after === "string" && { after }), ...(more !== undefined && { more }) })
  return settle
}

const session = (who: Person, name: string): Peer => peerOf(who, { sessionId: SessionId.make(name) })

const names = (client: BrokerClient) =>
  Effect.map(client.peers, (peers) =>
    peers.map(({ displayName, sessionId }) => `${displayName} ${sessionId}`).toSorted(),
  )

layer(testLayer)("a list of sessions", (it) => {
  it.effect("is asked for page by page, and what changes while they come is in it", () =>
    Effect.gen(function* () {
      const { alice, asked, bob, broker, client } = yield* asking
      assert.deepStrictEqual([asked[0]?.limit, asked[0]?.after], [listPageMax, undefined])
      yield* page(broker, asked[0], [session(alice, "a1"), session(alice, "a2")], "c1")
      assert.deepStrictEqual([asked[1]?.limit, asked[1]?.after], [listPageMax, "c1"])
      // One of the first page leaves, and one comes whose place was on it.
      const changes = [
        { event: "left", peer: session(alice, "a1") },
        { event: "joined", peer: session(alice, "a0") },
      ] as const
      broker.latest.say({ type: "presence", after: 7, version: 9, changes })
      yield* page(broker, asked[1], [session(bob, "b1")], "c2", 9)
      yield* page(broker, asked[2], [session(bob, "b2")], undefined, 9)
      assert.strictEqual(asked.length, 3)
      assert.deepStrictEqual(yield* names(client), ["Alice a0", "Alice a2", "Bob b1", "Bob b2"])
      // And from then on it is told.
      const left = { event: "left", peer: session(bob, "b1") } as const
      broker.latest.say({ type: "presence", after: 9, version: 10, changes: [left] })
      yield* settle
      assert.deepStrictEqual(yield* names(client), ["Alice a0", "Alice a2", "Bob b2"])
      assert.strictEqual(asked.length, 3)
    }),
  )

  it.effect(
    "is begun anew where something was missed while its pages came, and a page of the old one is of no use",
    () =>
      Effect.gen(function* () {
        const { alice, asked, bob, broker, client } = yield* asking
        yield* page(broker, asked[0], [session(alice, "a1")], "c1")
        broker.latest.say({ type: "presence", after: 8, version: 9, changes: [] })
        yield* settle
        yield* page(broker, asked[1], [session(bob, "b1")], undefined, 9)
        assert.deepStrictEqual([asked.length, asked[2]?.after], [3, undefined])
        yield* page(broker, asked[2], [session(alice, "a9")], "c9", 9)
        yield* page(broker, asked[3], [session(bob, "b9")], undefined, 9)
        assert.deepStrictEqual(yield* names(client), ["Alice a9", "Bob b9"])
        assert.strictEqual(asked.length, 4)
      }),
  )

  it.effect("is as it was until the last page is there: who is on a later page has not left", () =>
    Effect.gen(function* () {
      const { alice, asked, bob, broker, client } = yield* asking
      yield* page(broker, asked[0], [session(alice, "a1"), session(bob, "b1"), session(bob, "b2")])
      const events: Array<string> = []
      yield* client.presence.pipe(
        Stream.runForEach(({ _tag, peer }) => Effect.sync(() => void events.push(`${_tag} ${peer.sessionId}`))),
        Effect.forkScoped,
      )
      yield* settle
      broker.latest.close(1001)
      yield* TestClock.adjust(2_000)
      yield* settle
      yield* page(broker, asked[1], [session(alice, "a1")], "c1")
      assert.deepStrictEqual(events, [])
      yield* page(broker, asked[2], [session(bob, "b1")])
      assert.deepStrictEqual(events, ["Left b2"])
      assert.deepStrictEqual(yield* names(client), ["Alice a1", "Bob b1"])
    }),
  )

  it.effect("that was sent unasked and is cut short is asked for in pages", () =>
    Effect.gen(function* () {
      const { alice, asked, bob, broker, client } = yield* asking
      yield* page(broker, asked[0], [session(alice, "a1")])
      yield* page(broker, undefined, [session(alice, "a1")], "", 30)
      assert.deepStrictEqual([asked.length, asked[1]?.after], [2, undefined])
      yield* page(broker, asked[1], [session(alice, "a1"), session(bob, "b1")], undefined, 30)
      assert.deepStrictEqual(yield* names(client), ["Alice a1", "Bob b1"])
    }),
  )

  it.effect("whose next page is refused because the member asks too much goes on a moment later", () =>
    Effect.gen(function* () {
      const { alice, asked, bob, broker, client } = yield* asking
      yield* page(broker, asked[0], [session(alice, "a1")], "c1")
      const refusal: BrokerFrame = {
        type: "error",
        code: "rate_limited",
        message: "slower",
        id: asked[1]?.id ?? "",
        retryable: true,
      }
      broker.latest.say(refusal)
      yield* settle
      assert.strictEqual(asked.length, 2)
      yield* TestClock.adjust(2_000)
      assert.deepStrictEqual([asked.length, asked[2]?.after], [3, "c1"])
      yield* page(broker, asked[2], [session(bob, "b1")])
      assert.deepStrictEqual(yield* names(client), ["Alice a1", "Bob b1"])
    }),
  )
})

layer(testLayer)("a list of members", (it) => {
  const said = (members: ReadonlyArray<Person>, more?: Person, after?: Person): Members => ({
    type: "members",
    id: "r1",
    revocations: 0,
    members: members.map((who) => memberOf(who)),
    ...(more !== undefined && { more: more.publicKey }),
    ...(after !== undefined && { after: after.publicKey }),
  })

  it.effect(
    "is gathered from its pages, with who joins while they come, and is as it was until the last is there",
    () =>
      Effect.gen(function* () {
        const [alice, bob, carol, dave] = yield* Effect.all(["Alice", "Bob", "Carol", "Dave"].map(person))
        if (!alice || !bob || !carol || !dave) return assert.fail("somebody is missing")
        const told = new ToldMembers()
        const all = () => told.all.map(({ displayName }) => String(displayName))
        told.list(said([alice]))
        told.list(said([alice, bob], bob))
        told.joined(memberOf(dave))
        assert.deepStrictEqual(all(), ["Alice", "Dave"])
        told.list(said([carol], undefined, bob))
        assert.deepStrictEqual(all(), ["Alice", "Bob", "Dave", "Carol"])
        // A page of a list that was given up, or that nobody has begun, is of no use.
        told.list(said([alice], undefined, carol))
        told.list(said([alice], alice))
        told.lost()
        told.list(said([carol], undefined, alice))
        assert.deepStrictEqual(all(), ["Alice", "Bob", "Dave", "Carol"])
      }),
  )

  it.effect("is asked for in pages, and an older broker's answer is all of it", () =>
    Effect.gen(function* () {
      const { broker } = yield* asking
      assert.deepStrictEqual(
        broker.sent("list_members").map(({ after, limit }) => ({ after, limit })),
        [{ after: undefined, limit: listPageMax }],
      )
    }),
  )
})
