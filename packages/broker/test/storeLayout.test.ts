/** A database with the tables of before, filled, becomes one with those of today: nothing that anybody was promised is lost on the way. */
import { Base64 } from "@claudemesh/domain/Base64"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { type InboxAddress, MessageStore, Write, Written } from "../src/store/MessageStore.ts"
import { migrate, migrateTo } from "../src/store/postgres/Migrations.ts"
import { postgresMessageStore } from "../src/store/postgres/PostgresMessageStore.ts"
import { alice, bob, carol, meshId, meshRecord } from "./support/MeshScenario.ts"
import { Postgres } from "./support/Postgres.ts"
import { acceptOf, consumeOf, freshPostgres, inboxOf, messageOf } from "./support/Stores.ts"
import { commit, commitIn, pageOf, reasonOf, seqsOf } from "./support/StoreSuite.ts"

const [own, one, two] = [inboxOf(bob), inboxOf(bob, "s1"), inboxOf(carol, "s2")]

interface Old {
  readonly seq: number
  readonly text?: string
  readonly spec?: string
  readonly deliveries: ReadonlyArray<{
    readonly inbox: InboxAddress
    readonly consumedAt?: number
    readonly leasedAt?: number
    readonly key?: string
  }>
}

/** One waits, a group that one has acked, one that is acked, one whose text has expired, one that nobody gets, and many more. */
const messages: ReadonlyArray<Old> = [
  { seq: 2, text: "AAAA", deliveries: [{ inbox: own, leasedAt: 7 }] },
  {
    seq: 3,
    text: "AAAA",
    spec: "*",
    deliveries: [
      { inbox: own, key: "BBBB" },
      { inbox: one, key: "CCCC", leasedAt: 0 },
      { inbox: two, consumedAt: 50 },
    ],
  },
  { seq: 4, deliveries: [{ inbox: own, consumedAt: 60 }] },
  { seq: 5, deliveries: [{ inbox: own }] },
  { seq: 6, spec: "*", deliveries: [] },
  ...Array.from({ length: 600 }, (_, n): Old => ({ seq: 7 + n, text: "AAAA", deliveries: [{ inbox: two }] })),
]

const filled = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`INSERT INTO mesh.mesh VALUES (${meshId}, ${meshRecord.slug}, ${meshRecord.name}, ${meshRecord.ownerPublicKey}, 0, 1)`
  for (const member of [alice, bob, carol]) {
    yield* sql`INSERT INTO mesh.member (mesh_id, id, public_key, display_name, created_at)
      VALUES (${meshId}, ${member.memberId}, ${member.publicKey}, ${member.displayName}, 1)`
  }
  yield* sql`INSERT INTO mesh.audit_log (mesh_id, seq, event, at, recipients) VALUES (${meshId}, 1, 'mesh_created', 1, 3)`
  yield* sql.withTransaction(Effect.forEach(messages, (message) => oldMessage(message), { discard: true }))
})

const oldMessage = Effect.fnUntraced(function* ({ deliveries, seq, spec, text }: Old) {
  const sql = yield* SqlClient.SqlClient
  const { contentHash, createdAtMillis, expiresAtMillis, messageId, nonce, senderSession } = messageOf(seq)
  yield* sql`INSERT INTO mesh.message VALUES (${meshId}, ${seq}, ${messageId}, ${alice.memberId}, ${senderSession},
    ${spec ?? bob.publicKey}, 'next', ${nonce}, ${text ?? ""}, NULL, ${contentHash}, ${createdAtMillis}, ${expiresAtMillis})`
  for (const { consumedAt, inbox, key, leasedAt } of deliveries) {
    yield* sql`INSERT INTO mesh.delivery (mesh_id, seq, member_id, session_id, priority, consumed_at, sealed_key, leased_at)
      VALUES (${meshId}, ${seq}, ${inbox.memberId}, ${inbox.session ?? ""}, 'next', ${consumedAt ?? null}, ${key ?? null}, ${leasedAt ?? null})`
  }
  yield* sql`INSERT INTO mesh.audit_log VALUES (${meshId}, ${seq}, 'message_accepted', ${createdAtMillis}, ${alice.memberId}, ${senderSession},
    ${messageId}, ${spec ?? bob.publicKey}, 'next', 3, ${deliveries.length})`
})

const audited = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql`SELECT mesh_id, seq, event, at, actor_member_id, actor_session_id, message_id, target_spec, priority, ciphertext_bytes, recipients
    FROM mesh.audit_log ORDER BY seq`
})

/** What a resend is told of each of the first messages. */
const firstResults = messages.slice(0, 5).map(({ deliveries, seq }) =>
  Written.Duplicate({
    contentHash: "hash",
    deliveryReport: {
      seq,
      senderMemberId: alice.memberId,
      priority: "next",
      expiresAtMillis: 1_000_000,
      deliveries: deliveries.map(({ consumedAt, inbox }) => ({ inbox, consumedAtMillis: consumedAt })),
    },
  }),
)

layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })(
  "the tables of before on Postgres",
  (it) => {
    it.effect(
      "become those of today with all that waits, was leased, acked, accepted and written in the audit (I7, I17, I18)",
      () =>
        Effect.gen(function* () {
          yield* migrateTo(5)
          yield* filled
          const before = yield* audited
          assert.deepStrictEqual(
            (yield* migrate).map(([number]) => number),
            [6, 7, 8, 9, 10, 11],
          )
          assert.deepStrictEqual(yield* audited, before)
          const store = yield* MessageStore
          const { epoch, lastSeq, waiting } = Option.getOrThrow(yield* store.loadMesh(meshId))
          assert.deepStrictEqual([epoch, lastSeq], [1, 606])
          assert.deepStrictEqual(waiting, [
            { inbox: own, priority: "next", backlog: { messages: 2, characters: 8 } },
            { inbox: one, priority: "next", backlog: { messages: 1, characters: 4 } },
            { inbox: two, priority: "next", backlog: { messages: 600, characters: 2_400 } },
          ])
          const all = yield* pageOf()
          assert.deepStrictEqual(
            all.map(({ message, sealedKey }) => [message, sealedKey]),
            [
              [messageOf(2), undefined],
              [messageOf(3, { targetSpec: "*" }), Base64.make("BBBB")],
            ],
          )
          assert.deepStrictEqual(
            all.map(({ leased }) => leased !== false),
            [true, false],
          )
          const resends = firstResults.map((_, index) => acceptOf(messageOf(700 + index, { id: `m${index + 2}` })))
          assert.deepStrictEqual(yield* commitIn(epoch, ...resends), firstResults)
          // A number of before is taken, and what waited is acked: a group's text goes with the last of those who have not.
          assert.strictEqual(yield* reasonOf(commitIn(epoch, acceptOf(messageOf(606, { id: "zombie" })))), "fenced")
          const sql = yield* SqlClient.SqlClient
          const shared = Effect.map(sql`SELECT remaining FROM mesh.group_text`, (rows) =>
            rows.map(({ remaining }) => Number(remaining)),
          )
          yield* commit(consumeOf(3, own))
          assert.deepStrictEqual([yield* seqsOf(), yield* shared], [[2], [1]])
          yield* commit(consumeOf(3, one), Write.Release({ meshId, deliveries: [{ inbox: own, seq: 2 }] }))
          assert.deepStrictEqual([yield* seqsOf(), yield* shared], [[2], []])
        }).pipe(Effect.provide(Layer.provideMerge(postgresMessageStore, freshPostgres)), Effect.orDie),
    )
  },
)
