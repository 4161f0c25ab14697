/** A file from before messages had the layout of today: everything in it is there, and goes on as it would have. */
import { blockHash, chainBegins } from "@claudemesh/domain/audit/AuditBlock"
import { AuditCheck } from "@claudemesh/domain/audit/AuditRecord"
import { eventsOfBlock } from "@claudemesh/domain/audit/BlockEvents"
import { MeshId, SessionId } from "@claudemesh/domain/Ids"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { eachPage } from "../src/store/AuditExport.ts"
import { MessageStore, Write } from "../src/store/MessageStore.ts"
import { migrateBy, migrateSqlite, sqliteSteps } from "../src/store/sqlite/Migrations.ts"
import { sqliteAuditStore } from "../src/store/sqlite/SqliteAuditStore.ts"
import { sqliteMessageStore } from "../src/store/sqlite/SqliteMessageStore.ts"
import { alice, bob, carol, meshId, meshRecord, nonce } from "./support/MeshScenario.ts"
import { acceptOf, consumeOf, inboxOf, messageOf, sqliteInMemory } from "./support/Stores.ts"
import { commit, commitIn, moveOf, pageOf, reasonOf, seqsOf } from "./support/StoreSuite.ts"

const stepsUpTo = (last: number) => migrateBy(Object.fromEntries(Object.entries(sqliteSteps).slice(0, last)))

const idOf = (name: string) => messageIdOf(meshId, alice.publicKey, name)

const others = 2_000

/** Each row of `deliveries`: member, session, when it was consumed, its key, and when it was leased. */
const fill = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { ownerPublicKey, name, slug } = meshRecord
  yield* sql`INSERT INTO mesh.mesh (id, slug, name, owner_public_key, allow_unsealed, created_at)
    VALUES (${meshId}, ${slug}, ${name}, ${ownerPublicKey}, 0, 5)`
  for (const { displayName, memberId, publicKey } of [alice, bob, carol]) {
    yield* sql`INSERT INTO mesh.member (mesh_id, id, public_key, display_name, created_at)
      VALUES (${meshId}, ${memberId}, ${publicKey}, ${displayName}, 5)`
  }
  yield* sql`INSERT INTO mesh.audit_log (mesh_id, seq, event, at, recipients) VALUES (${meshId}, 1, 'mesh_created', 5, 3)`
  const message = (seq: number, target: string, ciphertext: string) => sql`INSERT INTO mesh.message (mesh_id, seq, id,
      sender_member_id, sender_session_id, target_spec, priority, nonce, ciphertext, reply_to, content_hash, created_at, expires_at)
    VALUES (${meshId}, ${seq}, ${idOf(`m${seq}`)}, ${alice.memberId}, 's1', ${target}, 'next', ${nonce}, ${ciphertext}, NULL, 'hash',
      ${1_000 + seq}, 1000000)`
  type Delivery = readonly [
    member: string,
    session: string,
    consumed: number | null,
    key: string | null,
    leased: number | null,
  ]
  const delivery = (seq: number, [member, session, consumed, key, leased]: Delivery) => sql`INSERT INTO mesh.delivery
    (mesh_id, seq, member_id, session_id, priority, consumed_at, sealed_key, leased_at)
    VALUES (${meshId}, ${seq}, ${member}, ${session}, 'next', ${consumed}, ${key}, ${leased})`
  yield* message(2, bob.publicKey, "AAAA")
  yield* delivery(2, [bob.memberId, "", null, null, null])
  yield* message(3, bob.publicKey, "")
  yield* delivery(3, [bob.memberId, "", 7_000, null, null])
  yield* message(4, "*", "BBBB")
  yield* delivery(4, [bob.memberId, "s1", null, "CCCC", 9])
  yield* delivery(4, [bob.memberId, "s2", 8_000, null, null])
  yield* delivery(4, [carol.memberId, "", null, "DDDD", null])
  yield* message(5, "*", "")
  for (let seq = 6; seq < 6 + others; seq++) {
    yield* message(seq, carol.publicKey, "EEEE")
    yield* delivery(seq, [carol.memberId, "", null, null, null])
  }
  yield* sql`INSERT INTO mesh.audit_log (mesh_id, seq, event, at, actor_member_id, actor_session_id, message_id, target_spec, priority,
      ciphertext_bytes, recipients)
    SELECT mesh_id, seq, 'message_accepted', created_at, sender_member_id, sender_session_id, id, target_spec, priority, 3, 1
    FROM mesh.message`
})

const before = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const audit =
    yield* sql`SELECT mesh_id, seq, event, at, actor_member_id, actor_session_id, message_id, target_spec, priority,
    ciphertext_bytes, recipients FROM mesh.audit_log ORDER BY seq`
  const deliveries = yield* sql`SELECT mesh_id, seq, member_id, session_id, priority, consumed_at, sealed_key, leased_at
    FROM mesh.delivery ORDER BY seq, member_id, session_id`
  return { audit, deliveries }
})

const filled = sqliteMessageStore.pipe(
  Layer.provideMerge(
    Layer.effectDiscard(
      Effect.gen(function* () {
        yield* stepsUpTo(6)
        yield* fill
        const old = yield* before
        yield* migrateSqlite
        // The views show what the tables held.
        assert.deepStrictEqual(yield* before, old)
      }),
    ),
  ),
  Layer.provideMerge(sqliteInMemory),
)

describe("a file from before messages lay in their inboxes", () => {
  it.effect("has all that waits, what became of each message, and the next number (I6, I7, I8)", () =>
    Effect.gen(function* () {
      const store = yield* MessageStore
      const loaded = Option.getOrThrow(yield* store.loadMesh(meshId))
      assert.strictEqual(loaded.lastSeq, 5 + others)
      assert.sameDeepMembers(
        [...loaded.waiting],
        [
          { inbox: inboxOf(bob), priority: "next", backlog: { messages: 1, characters: 4 } },
          { inbox: inboxOf(bob, "s1"), priority: "next", backlog: { messages: 1, characters: 4 } },
          { inbox: inboxOf(carol), priority: "next", backlog: { messages: 1 + others, characters: 4 + 4 * others } },
        ],
      )
      assert.deepStrictEqual(
        (yield* pageOf()).map(({ message }) => message),
        [messageOf(2)],
      )
      const [group] = yield* pageOf({ inbox: inboxOf(bob, "s1") })
      assert.deepStrictEqual(
        [group?.sealedKey, group?.message.ciphertext, group?.leased === false],
        ["CCCC", "BBBB", false],
      )
      const reportOf = (seq: number) => Effect.map(store.deliveryReportOf(meshId, idOf(`m${seq}`)), Option.getOrThrow)
      assert.deepStrictEqual((yield* reportOf(3)).deliveries, [{ inbox: inboxOf(bob), consumedAtMillis: 7_000 }])
      assert.deepStrictEqual((yield* reportOf(5)).deliveries, [])
      assert.sameDeepMembers(
        [...(yield* reportOf(4)).deliveries],
        [
          { inbox: inboxOf(bob, "s1"), consumedAtMillis: undefined },
          { inbox: inboxOf(bob, "s2"), consumedAtMillis: 8_000 },
          { inbox: inboxOf(carol), consumedAtMillis: undefined },
        ],
      )
    }).pipe(Effect.provide(filled), Effect.orDie),
  )

  it.effect(
    "goes on: resends are known, acks take away, moves drop what the member has, numbers are refused (I7, I24)",
    () =>
      Effect.gen(function* () {
        const [again] = yield* commit(acceptOf(messageOf(9_000, { id: "m4" })))
        assert.strictEqual(again?._tag, "Duplicate")
        assert.strictEqual(yield* reasonOf(commit(acceptOf(messageOf(5, { id: "another" })))), "fenced")
        assert.strictEqual(yield* reasonOf(commitIn(-1, acceptOf(messageOf(9_001)))), "fenced")
        yield* commit(moveOf("groups", "s1"), consumeOf(2, inboxOf(bob)), consumeOf(4, inboxOf(carol)))
        // Bob had acked it in another session.
        assert.deepStrictEqual([yield* seqsOf(), yield* seqsOf({ inbox: inboxOf(bob, "s1") })], [[], []])
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(yield* sql`SELECT * FROM mesh.group_text`, [])
        const session = SessionId.make("s1")
        const elsewhere = { ...messageOf(1, { id: "elsewhere" }), meshId: MeshId.make("mesh-2") }
        yield* commit(
          Write.SessionAttached({ meshId, memberId: bob.memberId, session, protocol: 2, atMillis: 9 }),
          acceptOf(messageOf(9_002)),
          acceptOf(elsewhere),
        )
        assert.deepStrictEqual(yield* seqsOf(), [9_002])
      }).pipe(Effect.provide(filled), Effect.orDie),
  )

  it.effect("from before there were leases and epochs counts as shown what may have been pushed to somebody (I8)", () =>
    Effect.gen(function* () {
      yield* stepsUpTo(4)
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO mesh.mesh VALUES (${meshId}, 'a', 'A', ${meshRecord.ownerPublicKey}, 0, 5)`
      yield* sql`INSERT INTO mesh.session VALUES (${meshId}, ${bob.memberId}, 's1', 2, 1, 1001)`
      for (const seq of [1, 2]) {
        yield* sql`INSERT INTO mesh.message VALUES (${meshId}, ${seq}, ${idOf(`m${seq}`)}, ${alice.memberId}, 's1', '*', 'next', ${nonce},
          'AAAA', NULL, 'hash', ${1_000 + seq}, 1000000)`
        yield* sql`INSERT INTO mesh.delivery (mesh_id, seq, member_id, session_id, priority)
          VALUES (${meshId}, ${seq}, ${bob.memberId}, '', 'next')`
      }
      yield* migrateSqlite
      const rows = yield* Effect.provide(pageOf(), sqliteMessageStore)
      assert.deepStrictEqual(
        rows.map(({ leased, message }) => [message.seq, leased === false]),
        [
          [1, false],
          [2, true],
        ],
      )
    }).pipe(Effect.provide(sqliteInMemory), Effect.orDie),
  )
})

/** As the version before wrote them, which had them under the number of their last event: the third took effect after the second. */
const blocksOfBefore = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`INSERT INTO mesh.mesh (id, slug, name, owner_public_key, allow_unsealed, created_at, owner_epoch)
    VALUES (${meshId}, 'm', 'm', ${meshRecord.ownerPublicKey}, 0, 1, 0)`
  yield* sql`INSERT INTO mesh.address (number, mesh_id, member_id, session_id, used_at) VALUES (1, ${meshId}, '', '', 0)`
  yield* sql`INSERT INTO mesh.audit_block (key, at, actors, events)
    VALUES ((1 << 36) | 1, 1, '[]', '[[1,1,"mesh_created",null,null,null,null,null,2]]')`
  let previous = chainBegins
  for (const [index, seq] of [3, 9, 5].entries()) {
    const block = {
      mesh: meshId,
      number: index + 1,
      previous,
      atMillis: seq,
      total: index + 1,
      actors: "[]",
      events: `[[${seq},${seq},"message_accepted",null,null,null,null,1,1]]`,
    }
    previous = blockHash(block)
    yield* sql`INSERT INTO mesh.audit_block (key, number, previous, hash, at, total, actors, events) VALUES ((1 << 36) | ${seq},
      ${block.number}, unhex(${block.previous}), unhex(${previous}), ${seq}, ${block.total}, '[]', ${block.events})`
  }
})

describe("a file whose blocks of the audit lay under sequence numbers", () => {
  it.effect("has the same chain, goes on behind it, and refuses each number that was used (I7, I29)", () =>
    Effect.gen(function* () {
      yield* stepsUpTo(10)
      yield* blocksOfBefore
      yield* migrateSqlite
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const store = yield* MessageStore
        assert.strictEqual(Option.getOrThrow(yield* store.loadMesh(meshId)).lastSeq, 9)
        for (const seq of [1, 3, 5, 9]) {
          const taken = commit(acceptOf(messageOf(seq, { id: `again ${seq}` })))
          assert.strictEqual(yield* reasonOf(taken), "fenced", String(seq))
        }
        yield* commit(acceptOf(messageOf(4)))
        yield* commit(acceptOf(messageOf(10)))
        const check = new AuditCheck({ keys: new Set(), isPart: false })
        const numbers: Array<number> = []
        yield* eachPage(meshId, (page) =>
          Effect.sync(() => {
            for (const one of page) {
              check.take(one)
              if (one.type === "block") numbers.push(...eventsOfBlock(one).map(({ seq }) => seq ?? 0))
            }
          }),
        )
        assert.deepStrictEqual(numbers, [3, 9, 5, 4, 10])
        assert.deepInclude(check.end().get(meshId), { first: 1, last: 5, events: 5, tampering: undefined })
        const rows = yield* sql`SELECT seq FROM mesh.audit_log ORDER BY seq`
        assert.deepStrictEqual(
          rows.map(({ seq }) => seq),
          [1, 3, 4, 5, 9, 10],
        )
      }).pipe(Effect.provide(Layer.merge(sqliteMessageStore, sqliteAuditStore)))
    }).pipe(Effect.provide(sqliteInMemory), Effect.orDie),
  )
})
