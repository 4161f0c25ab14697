/** What every database must do for leases, for an ack of many, for the count that answers a pull, and for sessions that make room. */
import { MeshId, SessionId } from "@claudemesh/domain/Ids"
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { type InboxAddress, MessageStore, Write } from "../src/store/MessageStore.ts"
import { alice, bob, carol, meshId, meshRecord } from "./support/MeshScenario.ts"
import { acceptOf, consumeOf, inboxOf, messageOf } from "./support/Stores.ts"
import {
  channelWrite,
  type Claim,
  commit,
  conforms,
  moveOf,
  pageOf,
  seqsOf,
  sessionWrite,
} from "./support/StoreSuite.ts"

const keysOf = (inbox: InboxAddress, seqs: ReadonlyArray<number>) => seqs.map((seq) => ({ inbox, seq }))

const leaseOf = (inbox: InboxAddress, ...seqs: ReadonlyArray<number>): Write =>
  Write.Lease({ meshId, deliveries: keysOf(inbox, seqs), atMillis: 5 })
const releaseOf = (inbox: InboxAddress, ...seqs: ReadonlyArray<number>): Write =>
  Write.Release({ meshId, deliveries: keysOf(inbox, seqs) })
const forgotten = (session: string): Write =>
  Write.SessionForgotten({ meshId, memberId: bob.memberId, session: SessionId.make(session) })

/** Of what waits in an inbox: what may have been shown. */
const leased = (inbox = inboxOf(bob)) =>
  Effect.map(pageOf({ inbox }), (rows) => rows.filter((row) => row.leased !== false).map(({ message }) => message.seq))

const countOf = (
  inboxes: ReadonlyArray<InboxAddress>,
  except: Parameters<MessageStore["Service"]["countWaiting"]>[2],
) =>
  Effect.map(
    Effect.flatMap(MessageStore, (store) => store.countWaiting(meshId, inboxes, except, 2_000)),
    (counts) => Object.fromEntries(counts.map(({ inbox, messages }) => [inbox.session ?? inbox.memberId, messages])),
  )

const load = Effect.flatMap(MessageStore, (store) => Effect.map(store.loadMesh(meshId), Option.getOrThrow))

const claims: Readonly<Record<string, Claim>> = {
  "says of each message of a page whether it was leased, until it was released (I8)": Effect.gen(function* () {
    yield* commit(...[1, 2, 3].map((seq) => acceptOf(messageOf(seq), [inboxOf(bob), inboxOf(carol)])))
    assert.deepStrictEqual(yield* leased(), [])
    yield* commit(leaseOf(inboxOf(bob), 1, 3))
    assert.deepStrictEqual([yield* leased(), yield* leased(inboxOf(carol))], [[1, 3], []])
    yield* commit(releaseOf(inboxOf(bob), 1), leaseOf(inboxOf(carol), 2))
    assert.deepStrictEqual([yield* leased(), yield* leased(inboxOf(carol))], [[3], [2]])
    assert.deepStrictEqual(yield* seqsOf(), [1, 2, 3], "all of them wait still")
  }),

  "keeps of each delivery the end of what one batch says of it": Effect.gen(function* () {
    yield* commit(...[1, 2, 3, 4].map((seq) => acceptOf(messageOf(seq), [inboxOf(bob), inboxOf(bob, "s1")])))
    const all = inboxOf(bob)
    yield* commit(leaseOf(all, 1, 2, 3), releaseOf(all, 1, 2), leaseOf(all, 2), releaseOf(inboxOf(bob, "s1"), 3))
    assert.deepStrictEqual([yield* leased(), yield* leased(inboxOf(bob, "s1"))], [[2, 3], []])
  }),

  "marks what a member keeps of a message, when another delivery of it goes that may have been shown (I8)": Effect.gen(
    function* () {
      const sessions = ["s1", "s2"].map((session) => inboxOf(bob, session))
      yield* commit(...[1, 2, 3].map((seq) => acceptOf(messageOf(seq), sessions)))
      yield* commit(leaseOf(inboxOf(bob, "s2"), 1, 2), releaseOf(inboxOf(bob, "s2"), 2))
      yield* commit(moveOf("all", "s2"))
      assert.deepStrictEqual(
        [yield* leased(inboxOf(bob, "s1")), yield* seqsOf({ inbox: inboxOf(bob, "s1") }), yield* seqsOf()],
        [[1], [1, 2, 3], []],
      )
      yield* commit(moveOf("all", "s1"))
      assert.deepStrictEqual([yield* leased(), yield* seqsOf()], [[1], [1, 2, 3]])
    },
  ),

  "keeps the mark of a delivery that a move dropped, whatever is released afterwards (I8)": Effect.gen(function* () {
    const [own, first] = [inboxOf(bob), inboxOf(bob, "s1")]
    yield* commit(...[1, 2, 3].map((seq) => acceptOf(messageOf(seq), [own, first])))
    yield* commit(leaseOf(first, 1, 2), leaseOf(own, 1))
    yield* commit(moveOf("all", "s1"))
    yield* commit(leaseOf(own, 2, 3))
    yield* commit(releaseOf(own, 1, 2, 3))
    assert.deepStrictEqual(
      (yield* pageOf()).map((row) => row.leased),
      ["for good", "for good", false],
    )
  }),

  "takes the mark along when an inbox moves, also in the same batch (I8)": Effect.gen(function* () {
    const inbox = inboxOf(bob, "s1")
    yield* commit(...[1, 2, 3].map((seq) => acceptOf(messageOf(seq), [inbox])))
    yield* commit(leaseOf(inbox, 1))
    yield* commit(leaseOf(inbox, 2), moveOf("all", "s1"))
    assert.deepStrictEqual(
      [yield* leased(), yield* seqsOf()],
      [
        [1, 2],
        [1, 2, 3],
      ],
    )
  }),

  "marks nothing that was consumed or is not there, and nothing of another mesh": Effect.gen(function* () {
    const other = MeshId.make("mesh-2")
    yield* commit(
      acceptOf(messageOf(1)),
      acceptOf(messageOf(2)),
      acceptOf({ ...messageOf(2, { id: "of another" }), meshId: other }),
    )
    yield* commit(leaseOf(inboxOf(bob), 1, 9), leaseOf(inboxOf(carol), 2), consumeOf(1, inboxOf(bob)))
    yield* commit(Write.Lease({ meshId: other, deliveries: keysOf(inboxOf(bob), [2]), atMillis: 5 }))
    assert.deepStrictEqual([yield* leased(), yield* seqsOf()], [[], [2]])
    assert.deepStrictEqual(
      (yield* pageOf({ meshId: other })).map((row) => row.leased),
      ["until released"],
    )
  }),

  "takes out what an ack of many names, and nothing that lies between (I6, I8)": Effect.gen(function* () {
    const [own, other] = [inboxOf(bob), inboxOf(carol)]
    const direct = [2, 3, 4, 5, 6, 7, 8, 9, 10].map((seq) => acceptOf(messageOf(seq)))
    yield* commit(...direct, acceptOf(messageOf(11), [own, other]), acceptOf(messageOf(12)))
    yield* commit(leaseOf(own, 11))
    yield* commit(consumeOf([2, 3, 5, 6], own, 21))
    assert.deepStrictEqual(yield* seqsOf(), [4, 7, 8, 9, 10, 11, 12])
    yield* commit(consumeOf([2, 3, 4, 5, 6], own, 22), consumeOf([7, 8, 9, 10], own, 23, "now"))
    assert.deepStrictEqual(yield* seqsOf(), [7, 8, 9, 10, 11, 12])
    yield* commit(consumeOf([7, 8, 9, 10], own, 24))
    yield* commit(consumeOf([7, 8, 11, 12], own, 25))
    assert.deepStrictEqual([yield* seqsOf(), yield* seqsOf({ inbox: other })], [[], [11]])
    yield* commit(...[13, 14, 15].map((seq) => acceptOf(messageOf(seq), [own, other])), acceptOf(messageOf(16)))
    yield* commit(consumeOf([13, 14, 15, 16], own, 26))
    assert.deepStrictEqual([yield* seqsOf(), yield* seqsOf({ inbox: other })], [[], [11, 13, 14, 15]])
    yield* commit(consumeOf([11, 13, 14, 15], other, 27))
    // The texts went with the last of each.
    const texts = yield* (yield* SqlClient.SqlClient).unsafe("SELECT 1 FROM mesh.group_text")
    assert.deepStrictEqual([yield* seqsOf({ inbox: other }), texts], [[], []])
    const receipt = (seq: number) =>
      Effect.map(commit(acceptOf(messageOf(seq + 20, { id: `m${seq}` }))), ([first]) => first)
    for (const [seq, at] of [
      [2, 21],
      [4, 22],
      [7, 24],
      [12, 25],
    ] as const) {
      const first = yield* receipt(seq)
      const found = first?._tag === "Duplicate" ? first.deliveryReport.deliveries : []
      assert.deepStrictEqual(found, [{ inbox: own, consumedAtMillis: at }])
    }
  }),

  "counts what waits in each inbox, but for some deliveries, and what has expired in none (I17)": Effect.gen(
    function* () {
      const [own, one, two] = [inboxOf(bob), inboxOf(bob, "s1"), inboxOf(bob, "s2")]
      yield* commit(
        acceptOf(messageOf(1), [own, one, two]),
        acceptOf(messageOf(2, { priority: "low" }), [own, one]),
        acceptOf(messageOf(3), [own, inboxOf(carol)]),
        acceptOf(messageOf(4, { expiresAtMillis: 2_000 }), [own, two]),
        consumeOf(2, one, 5_000, "low"),
      )
      assert.deepStrictEqual(yield* countOf([own, one, two], []), { bob: 3, s1: 1, s2: 1 })
      // The same message is another delivery in another inbox.
      const except = [...keysOf(own, [1, 3, 4]), ...keysOf(two, [1])]
      assert.deepStrictEqual(yield* countOf([own, one, two], except), { bob: 1, s1: 1 })
      assert.deepStrictEqual(yield* countOf([one], []), { s1: 1 })
      assert.deepStrictEqual(yield* countOf([], []), {})
    },
  ),

  "forgets a session with its channels, and keeps it when it comes again in the same batch (I13)": Effect.gen(
    function* () {
      const store = yield* MessageStore
      yield* store.createMesh(meshRecord, undefined, [alice, bob], 0)
      for (const name of ["s1", "s2", "s3"]) {
        yield* commit(sessionWrite("SessionAttached", name, 1), channelWrite("ChannelJoined", name, "builds"))
      }
      yield* commit(
        sessionWrite("SessionDetached", "s1", 2),
        forgotten("s1"),
        forgotten("s2"),
        sessionWrite("SessionAttached", "s2", 3),
        channelWrite("ChannelJoined", "s2", "news"),
        sessionWrite("SessionAttached", "s4", 3),
        channelWrite("ChannelJoined", "s4", "builds"),
        forgotten("s4"),
      )
      const { sessions, subscriptions } = yield* load
      assert.deepStrictEqual(
        sessions.map(({ attachedAtMillis, session }) => [session, attachedAtMillis]),
        [
          ["s2", 3],
          ["s3", 1],
        ],
      )
      assert.deepStrictEqual(
        subscriptions.map(({ channel, session }) => [session, channel]),
        [
          ["s2", "news"],
          ["s3", "builds"],
        ],
      )
    },
  ),
}

conforms(claims)
