/** The audit as a chain (I29), as every database must keep it: without a gap, without a fork, and so that whatever is done to it by hand shows. */
import { blockHash, chainBegins } from "@claudemesh/domain/audit/AuditBlock"
import type { ChainReport } from "@claudemesh/domain/audit/ChainCheck"
import { MeshId } from "@claudemesh/domain/Ids"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, Redacted } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { certificateFor, inviteFrom, keysOf } from "../../domain/test/support/Trust.ts"
import { auditKey, signHeads, signRemovals } from "../src/store/AuditCheckpoints.ts"
import { AuditStore } from "../src/store/AuditStore.ts"
import { auditSource } from "../src/store/AuditSource.ts"
import { MessageStore, Write } from "../src/store/MessageStore.ts"
import { SqliteHandle } from "../src/store/sqlite/Handle.ts"
import { alice, bob, carol, meshId, meshRecord } from "./support/MeshScenario.ts"
import { Postgres } from "./support/Postgres.ts"
import {
  acceptOf,
  consumeOf,
  freshPostgres,
  inboxOf,
  messageOf,
  postgresAt,
  storeOn,
  whenWaiting,
} from "./support/Stores.ts"
import { blocks, checked, madeMesh, records, signed } from "./support/StoredAudit.ts"
import { type Claim, commit, commitIn, conforms, reasonOf } from "./support/StoreSuite.ts"

const found = ({ tampering }: ChainReport) => tampering && [tampering.what, tampering.number, tampering.last]

const seqs = (text: string): ReadonlyArray<number> => {
  const events: unknown = JSON.parse(text)
  return Array.isArray(events) ? events.map(([seq]) => Number(seq)) : []
}

/** The mesh, and nineteen commits of two messages. */
const twentyBlocks = Effect.gen(function* () {
  yield* madeMesh
  for (let seq = 2; seq < 40; seq += 2) yield* commit(acceptOf(messageOf(seq)), acceptOf(messageOf(seq + 1)))
})

const kept = Effect.gen(function* () {
  yield* signed(signHeads)
  return (yield* records).filter((one) => one.type === "checkpoint")
})

/** As whoever can write to the database: SQLite has hashes as bytes. */
const byHand = Effect.fnUntraced(function* (change: string) {
  const sql = yield* SqlClient.SqlClient
  const bytes = sql.onDialectOrElse({ sqlite: () => true, orElse: () => false })
  yield* sql.unsafe(bytes ? change.replaceAll(/'([0-9a-f]{64})'/g, "unhex('$1')") : change)
})

/** One after the other, each of a block of its own. */
const rehash = Effect.fnUntraced(function* (from: number) {
  for (const block of yield* blocks) {
    if (block.number < from) continue
    const previous = (yield* blocks).find(({ number }) => number === block.number - 1)?.hash ?? chainBegins
    const hash = blockHash({ ...block, previous })
    yield* byHand(
      `UPDATE mesh.audit_block SET previous = '${previous}', hash = '${hash}' WHERE number = ${block.number}`,
    )
  }
})

/** What is done, and how it is named. `kept`: by a client, or an operator, before. */
const attacks: Readonly<Record<string, { readonly act: Claim; readonly named: ReadonlyArray<unknown> }>> = {
  "an event that was changed": {
    act: byHand(
      "UPDATE mesh.audit_block SET events = replace(events, 'message_accepted', 'message_refused') WHERE number = 7",
    ),
    named: ["changed", 7, 7],
  },
  "who did it": {
    act: byHand(`UPDATE mesh.audit_block SET actors = replace(actors, '"s1"', '"s2"') WHERE number = 7`),
    named: ["changed", 7, 7],
  },
  "when it was": {
    act: byHand("UPDATE mesh.audit_block SET at = at + 1 WHERE number = 20"),
    named: ["changed", 20, 20],
  },
  "how many there were": {
    act: byHand("UPDATE mesh.audit_block SET total = total + 1 WHERE number = 7"),
    named: ["changed", 7, 7],
  },
  "an event that was changed, with its block hashed anew": {
    act: Effect.gen(function* () {
      yield* byHand("UPDATE mesh.audit_block SET actors = '[]' WHERE number = 7")
      const [block] = (yield* blocks).filter(({ number }) => number === 7)
      if (block === undefined) return assert.fail()
      yield* byHand(`UPDATE mesh.audit_block SET hash = '${blockHash(block)}' WHERE number = 7`)
    }),
    named: ["changed", 7, 7],
  },
  "values of another kind": {
    act: Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const steps = sql.onDialectOrElse({
        sqlite: () => ["total = 'many'", "at = 'noon'", "events = x'00ff'"],
        orElse: () => ["events = 'no JSON'"],
      })
      for (const step of steps) yield* byHand(`UPDATE mesh.audit_block SET ${step} WHERE number = 7`)
    }),
    named: ["changed", 7, 7],
  },
  "blocks that were deleted": {
    act: byHand("DELETE FROM mesh.audit_block WHERE number IN (7, 8)"),
    named: ["missing", 7, 8],
  },
  "the beginning, deleted": { act: byHand("DELETE FROM mesh.audit_block WHERE number <= 3"), named: ["missing", 1, 3] },
  "a block that was deleted, with those behind it numbered anew": {
    act: Effect.gen(function* () {
      yield* byHand("DELETE FROM mesh.audit_block WHERE number = 7")
      for (let number = 8; number <= 20; number++)
        yield* byHand(`UPDATE mesh.audit_block SET number = ${number - 1} WHERE number = ${number}`)
    }),
    named: ["missing", 7, 7],
  },
  "a block that was put in, with those behind it numbered anew": {
    act: Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [name, key, moved] = sql.onDialectOrElse({
        sqlite: () => ["last_seq, key", "last_seq, key + 1", ", key = key + 1"] as const,
        orElse: () => ["mesh_id", "mesh_id", ""] as const,
      })
      for (let number = 20; number >= 7; number--)
        yield* byHand(`UPDATE mesh.audit_block SET number = ${number + 1}${moved} WHERE number = ${number}`)
      const [before] = (yield* blocks).filter(({ number }) => number === 6)
      if (before === undefined) return assert.fail()
      const block = { ...before, number: 7, previous: before.hash, total: before.total + 2 }
      yield* byHand(`INSERT INTO mesh.audit_block (${name}, number, previous, hash, at, total, actors, events)
        SELECT ${key}, 7, '${block.previous}', '${blockHash(block)}', at, ${block.total}, actors, events
        FROM mesh.audit_block WHERE number = 6`)
    }),
    named: ["inserted", 7, 7],
  },
  "two blocks that changed places": {
    act: Effect.gen(function* () {
      for (const [from, to] of [
        [7, 99],
        [8, 7],
        [99, 8],
      ])
        yield* byHand(`UPDATE mesh.audit_block SET number = ${to} WHERE number = ${from}`)
    }),
    named: ["reordered", 7, 7],
  },
  "a tail that was cut": {
    act: byHand("DELETE FROM mesh.audit_block WHERE number > 17"),
    named: ["cut", 18, 20],
  },
  "a tail that was cut, with what the broker had signed": {
    act: Effect.andThen(
      byHand("DELETE FROM mesh.audit_block WHERE number > 17"),
      byHand("DELETE FROM mesh.audit_checkpoint"),
    ),
    named: ["cut", 18, 20],
  },
  "everything, replaced by another chain that is whole": {
    act: Effect.andThen(
      Effect.andThen(
        byHand("UPDATE mesh.audit_block SET events = replace(events, 'message_accepted', 'message_refused')"),
        rehash(1),
      ),
      byHand("DELETE FROM mesh.audit_checkpoint"),
    ),
    named: ["rewritten", 20, 20],
  },
  "everything from a block on, replaced so": {
    act: Effect.andThen(
      byHand(
        "UPDATE mesh.audit_block SET events = replace(events, 'message_accepted', 'message_refused') WHERE number = 12",
      ),
      rehash(12),
    ),
    named: ["rewritten", 20, 20],
  },
  "a checkpoint that the key has not signed": {
    act: byHand("UPDATE mesh.audit_checkpoint SET number = 19"),
    named: ["unsigned", 19, 19],
  },
}

const tampering = Object.fromEntries(
  Object.entries(attacks).map(([what, { act, named }]): readonly [string, Claim] => [
    `shows ${what} (I29)`,
    Effect.gen(function* () {
      yield* twentyBlocks
      const checkpoints = yield* kept
      assert.deepInclude(yield* checked(), { first: 1, last: 20, events: 39, signedTo: 20, tampering: undefined })
      yield* act
      assert.deepStrictEqual(found(yield* checked(checkpoints)), named)
    }),
  ]),
)

const claims: Readonly<Record<string, Claim>> = {
  ...tampering,

  "chains what each commit records, of every kind, with a hash that anybody can make anew (I29)": Effect.gen(
    function* () {
      yield* madeMesh
      const door = keysOf("door")
      yield* commit(acceptOf(messageOf(3), [inboxOf(bob), inboxOf(carol)]), acceptOf(messageOf(2)))
      yield* commit(consumeOf(2, inboxOf(bob)))
      yield* commit(Write.InviteAdded({ meshId, seq: 4, invite: inviteFrom(door, { meshId }), atMillis: 9 }))
      yield* commit(
        acceptOf(messageOf(6)),
        Write.MemberJoined({ meshId, seq: 5, certificate: certificateFor(keysOf("dave"), door), atMillis: 9 }),
      )
      const all = yield* blocks
      assert.deepStrictEqual(
        all.map(({ number }) => number),
        all.map((_, index) => index + 1),
      )
      assert.deepStrictEqual(all[0]?.previous, chainBegins)
      assert.deepStrictEqual(
        all.slice(0, 3).map(({ events }) => seqs(events)),
        // What takes no number of the mesh has none.
        [[1], [2, 3], [0]],
      )
      for (const [index, block] of all.entries()) {
        assert.strictEqual(block.hash, blockHash(block))
        if (index > 0) assert.strictEqual(block.previous, all[index - 1]?.hash)
      }
      assert.deepInclude(yield* checked(), { events: 8, tampering: undefined })
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql`SELECT event, actor_member_id AS who, recipients FROM mesh.audit_log
        WHERE seq IS NOT NULL ORDER BY seq`
      assert.deepStrictEqual(
        rows.map(({ event, recipients, who }) => [event, who, recipients === null ? null : Number(recipients)]),
        [
          ["mesh_created", null, 2],
          ["message_accepted", alice.memberId, 1],
          ["message_accepted", alice.memberId, 2],
          ["invite_added", null, null],
          ["member_joined", certificateFor(keysOf("dave"), door).memberId, null],
          ["message_accepted", alice.memberId, 1],
        ],
      )
    },
  ),

  "records of a batch what is new, and nothing of a batch in which all was known (I7, I29)": Effect.gen(function* () {
    yield* madeMesh
    yield* commit(acceptOf(messageOf(2)), acceptOf(messageOf(3)))
    yield* commit(acceptOf(messageOf(4, { id: "m2" })), acceptOf(messageOf(5)), acceptOf(messageOf(6, { id: "m5" })))
    yield* commit(acceptOf(messageOf(7, { id: "m2" })), acceptOf(messageOf(8, { id: "m3" })))
    yield* commit(acceptOf(messageOf(9)))
    assert.deepStrictEqual(
      (yield* blocks).map(({ events }) => seqs(events)),
      [[1], [2, 3], [5], [9]],
    )
    assert.deepInclude(yield* checked(), { last: 4, events: 5, tampering: undefined })
  }),

  "gives each mesh a chain of its own, also where one commit is of several (I29)": Effect.gen(function* () {
    yield* madeMesh
    const other = MeshId.make("mesh-2")
    yield* (yield* MessageStore).createMesh({ ...meshRecord, meshId: other }, undefined, [alice], 1)
    const elsewhere = (seq: number) => acceptOf({ ...messageOf(seq, { id: `e${seq}` }), meshId: other })
    for (const seq of [2, 3]) yield* commit(acceptOf(messageOf(seq)), elsewhere(seq))
    assert.deepStrictEqual(
      (yield* blocks).map(({ mesh, number }) => [mesh, number]),
      [meshId, other].flatMap((mesh) => [1, 2, 3].map((number) => [mesh, number])),
    )
    assert.isUndefined((yield* checked()).tampering)
  }),

  "neither has a gap nor forks where commits fail: at any table, at their end, by a later owner, by a number (I6, I29)":
    Effect.gen(function* () {
      yield* madeMesh
      const sql = yield* SqlClient.SqlClient
      const load = Effect.flatMap(MessageStore, (store) => Effect.map(store.loadMesh(meshId), Option.getOrThrow))
      const { epoch: earlier } = yield* load
      yield* commitIn(earlier, acceptOf(messageOf(2)))
      const { epoch } = yield* load
      assert.strictEqual(yield* reasonOf(commitIn(earlier, acceptOf(messageOf(3)))), "fenced")
      assert.strictEqual(yield* reasonOf(commitIn(epoch, acceptOf(messageOf(2, { id: "zombie" })))), "fenced")
      yield* commitIn(epoch, acceptOf(messageOf(3)))
      for (const [index, table] of ["accepted", "waiting", "audit_block"].entries()) {
        yield* sql.onDialectOrElse({
          sqlite: () =>
            sql`CREATE TRIGGER mesh.refuse AFTER INSERT ON ${sql.literal(table)} BEGIN SELECT RAISE(ABORT, 'refused'); END`,
          orElse: () =>
            Effect.andThen(
              sql`CREATE OR REPLACE FUNCTION mesh.refuse() RETURNS trigger LANGUAGE plpgsql
                AS ${sql.literal("'BEGIN RAISE EXCEPTION ''refused by the test''; END'")}`,
              sql`CREATE TRIGGER refuse AFTER INSERT ON mesh.${sql.literal(table)} FOR EACH ROW EXECUTE FUNCTION mesh.refuse()`,
            ),
        })
        const seq = 10 * (index + 1)
        yield* Effect.flip(commitIn(epoch, acceptOf(messageOf(seq)), consumeOf(2, inboxOf(bob))))
        yield* sql.onDialectOrElse({
          sqlite: () => sql`DROP TRIGGER mesh.refuse`,
          orElse: () => sql`DROP TRIGGER refuse ON mesh.${sql.literal(table)}`,
        })
        yield* commitIn(epoch, acceptOf(messageOf(seq + 1)))
      }
      assert.deepStrictEqual(
        (yield* blocks).map(({ events }) => seqs(events)),
        [[1], [2], [3], [11], [21], [31]],
      )
      assert.deepInclude(yield* checked(), { last: 6, tampering: undefined })
    }),

  "begins a chain behind what was there before there were any, which stays to be read (I17, I29)": Effect.gen(
    function* () {
      yield* madeMesh
      const sql = yield* SqlClient.SqlClient
      yield* sql.onDialectOrElse({
        sqlite: () =>
          Effect.andThen(
            sql`INSERT INTO mesh.journal (key, at, actors, events)
              SELECT (key >> 36 << 36) | last_seq, at, actors, events FROM mesh.audit_block`,
            sql`DELETE FROM mesh.audit_block`,
          ),
        orElse: () =>
          Effect.andThen(
            sql`DELETE FROM mesh.audit_block`,
            sql`INSERT INTO mesh.journal VALUES (${meshId}, 1, 1, '{1}', '{mesh_created}', '{1}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}',
            '{NULL}', '{2}')`,
          ),
      })
      // What is in memory is forgotten with a commit that fails.
      yield* Effect.flip(commitIn(-1, acceptOf(messageOf(2))))
      yield* signed(signHeads)
      yield* commit(acceptOf(messageOf(2)))
      yield* commit(acceptOf(messageOf(3)))
      assert.deepStrictEqual(
        (yield* blocks).map(({ events }) => seqs(events)),
        [[2], [3]],
      )
      assert.deepInclude(yield* checked(), { first: 1, last: 2, events: 2, tampering: undefined })
      const rows = yield* sql`SELECT event FROM mesh.audit_log ORDER BY seq`
      assert.deepStrictEqual(
        rows.map(({ event }) => event),
        ["mesh_created", "message_accepted", "message_accepted"],
      )
      const retention = { messageRowMillis: 1e9, sessionMillis: 1e9, auditMillis: 0, inviteMillis: 1e9 }
      yield* (yield* MessageStore).applyRetention(retention, 100, 999_999)
      assert.strictEqual((yield* sql`SELECT event FROM mesh.audit_log`).length, 2)
      assert.deepInclude(yield* checked(), { first: 1, last: 2, tampering: undefined })
    },
  ),

  "is in the order of the commits, and is signed so, where one takes effect after a later one (I29)": Effect.gen(
    function* () {
      // Where the mesh's row has the last number, such a one is refused.
      if (Option.isNone(yield* Effect.serviceOption(SqliteHandle))) return
      yield* madeMesh
      for (const seq of [2, 9, 5]) yield* commit(acceptOf(messageOf(seq)))
      assert.deepInclude(
        (yield* kept).find(({ kind }) => kind === "head"),
        { number: 4 },
      )
      yield* commit(acceptOf(messageOf(10)))
      assert.deepStrictEqual(
        (yield* blocks).map(({ events }) => seqs(events)),
        [[1], [2], [9], [5], [10]],
      )
      assert.deepInclude(yield* checked(), { last: 5, signedTo: 4, tampering: undefined })
    },
  ),

  "signs the last block of each mesh once, with a key that stays (I29)": Effect.gen(function* () {
    yield* madeMesh
    const [first] = yield* kept
    assert.deepInclude(first, { mesh: meshId, kind: "head", number: 1, total: 1 })
    assert.strictEqual((yield* kept).length, 1)
    yield* commit(acceptOf(messageOf(2)))
    yield* commit(acceptOf(messageOf(3)))
    assert.deepStrictEqual(
      (yield* kept).map(({ number }) => number),
      [1, 3],
    )
    assert.strictEqual((yield* signed(auditKey)).publicKey, first?.key)
    assert.deepInclude(yield* checked(), { last: 3, signedTo: 3, tampering: undefined })
  }),

  "is whole from where retention has left it, in each of its steps, and not from anywhere else (I17, I29)": Effect.gen(
    function* () {
      yield* twentyBlocks
      const checkpoints = yield* kept
      const retention = { messageRowMillis: 1e9, sessionMillis: 1e9, auditMillis: 0, inviteMillis: 1e9 }
      const store = yield* MessageStore
      // Blocks are of 1 ms, and from 1,003 on of every second one.
      yield* signed(signRemovals(1_013, 100))
      assert.strictEqual(yield* store.applyRetention(retention, 4, 1_013), "more")
      assert.deepInclude(yield* checked(checkpoints), { first: 5, last: 20, signedTo: 20, tampering: undefined })
      yield* store.applyRetention(retention, 4, 1_013)
      assert.deepInclude(yield* checked(checkpoints), { first: 8, last: 20, signedTo: 20, tampering: undefined })
      // A word for each step: those before it say nothing more.
      yield* signed(signRemovals(1_000_000, 5))
      yield* store.applyRetention(retention, 100, 999_999)
      assert.deepInclude(yield* checked(), { first: 13, last: 20, signedTo: 20, tampering: undefined })
      yield* signed(signRemovals(1_000_000, 100))
      yield* store.applyRetention(retention, 100, 999_999)
      assert.deepInclude(yield* checked(checkpoints), { first: 20, last: 20, tampering: undefined })
      assert.deepStrictEqual(
        (yield* records).flatMap((one) => (one.type === "checkpoint" ? [[one.kind, one.number]] : [])),
        [
          ["removed", 19],
          ["head", 20],
        ],
      )
      yield* commit(acceptOf(messageOf(40)))
      yield* byHand("DELETE FROM mesh.audit_block WHERE number = 20")
      assert.deepStrictEqual(found(yield* checked()), ["missing", 20, 20])
    },
  ),

  "holds no payload and no key in a block (I18)": Effect.gen(function* () {
    yield* madeMesh
    yield* commit(acceptOf(messageOf(2, { ciphertext: "c2VjcmV0", contentHash: "the-hash", targetSpec: "#builds" })))
    const text = JSON.stringify(yield* blocks)
    for (const secret of ["c2VjcmV0", "the-hash", meshRecord.ownerPublicKey, alice.publicKey])
      assert.notInclude(text, secret)
  }),
}

conforms(claims)

layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("a chain on Postgres", (it) => {
  it.effect("goes on behind a commit that was still on its way when its owner wrote the next (I29)", () =>
    Effect.gen(function* () {
      yield* madeMesh
      const sql = yield* SqlClient.SqlClient
      const [first] = yield* blocks
      if (first === undefined) return assert.fail()
      const second = {
        ...first,
        number: 2,
        previous: first.hash,
        total: 2,
        events: '[[2,2,"late",null,null,null,null,null,null]]',
      }
      const isUnderWay = yield* Deferred.make<void>()
      const late = sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`UPDATE mesh.mesh SET last_seq = 2`
          yield* sql`INSERT INTO mesh.audit_block VALUES (${meshId}, 2, ${second.previous}, ${blockHash(second)}, ${second.atMillis}, 2,
            ${second.actors}, ${second.events})`
          yield* Deferred.succeed(isUnderWay, undefined)
          yield* whenWaiting(1)
        }),
      )
      const under = yield* Effect.forkChild(late)
      yield* Deferred.await(isUnderWay)
      yield* commit(acceptOf(messageOf(3)), acceptOf(messageOf(4)))
      yield* Fiber.join(under)
      assert.deepStrictEqual(
        (yield* blocks).map(({ events }) => seqs(events)),
        [[1], [2], [3, 4]],
      )
      assert.deepInclude(yield* checked(), { last: 3, events: 4, tampering: undefined })
    }).pipe(Effect.provide(storeOn(freshPostgres)), Effect.orDie),
  )

  it.effect(
    "is read by an operator's command while a broker uses the database, and not where there is none (I29)",
    () =>
      Effect.gen(function* () {
        const { freshDatabase } = yield* Postgres
        const url = yield* freshDatabase
        const read = Effect.provide(
          Effect.flatMap(AuditStore, (store) => store.blocks(meshId, 0, 10)),
          auditSource({ _tag: "Postgres", url: Redacted.make(url) }),
        )
        assert.match((yield* Effect.flip(read)).message, /no audit chain yet\. Start a broker of this version/)
        yield* Effect.gen(function* () {
          yield* madeMesh
          yield* commit(acceptOf(messageOf(2)))
          assert.deepStrictEqual(yield* read, yield* Effect.flatMap(AuditStore, (store) => store.blocks(meshId, 0, 10)))
          assert.strictEqual((yield* read).length, 2)
        }).pipe(Effect.provide(storeOn(postgresAt(url))))
        const nobody = auditSource({ _tag: "Postgres", url: Redacted.make("postgres://nobody@127.0.0.1:1/none") })
        const refused = yield* Effect.flip(Effect.provide(Effect.asVoid(AuditStore), nobody))
        assert.match(refused.message, /^The store cannot be read: .*(ECONNREFUSED|refused|connect)/i)
      }).pipe(Effect.orDie),
  )
})
