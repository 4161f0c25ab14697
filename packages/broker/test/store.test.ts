/** What every database must do for the store: one suite, on SQLite in memory, SQLite in a file, and Postgres. */
import { assert, layer } from "@effect/vitest"
import { DisplayName, MeshId, SessionId } from "@claudemesh/domain/Ids"
import { Deferred, Effect, Fiber, Option, Result, Schema, Tracer } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { brokerLimits } from "../src/Limits.ts"
import { GroupCommits, type Outcome } from "../src/store/GroupCommit.ts"
import { type InboxAddress, MessageStore, Write, Written } from "../src/store/MessageStore.ts"
import { migrate as migratePostgres } from "../src/store/postgres/Migrations.ts"
import { columnsOf, tables } from "../src/store/sql/Tables.ts"
import { SqliteHandle } from "../src/store/sqlite/Handle.ts"
import { alice, bob, carol, meshId, meshRecord } from "./support/MeshScenario.ts"
import { Postgres } from "./support/Postgres.ts"
import {
  acceptOf,
  consumeOf,
  freshPostgres,
  inboxOf,
  messageOf,
  migrateAgain,
  storeOn,
  whenWaiting,
} from "./support/Stores.ts"
import {
  channelWrite,
  type Claim,
  commit,
  conforms,
  moveOf,
  nothing,
  pageOf,
  reasonOf,
  seqsOf,
  sessionWrite,
  sizes,
} from "./support/StoreSuite.ts"

interface Row {
  readonly name: string
  readonly type: string
  readonly nullable: number | bigint
}

/** How many statements an effect runs, counted where they are executed. BEGIN and COMMIT are not among them. */
const statementsOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    let statements = 0
    const tracer = Tracer.make({
      span: (options) => {
        if (options.name === "sql.execute") statements += 1
        return new Tracer.NativeSpan(options)
      },
    })
    return effect.pipe(
      Effect.provideService(Tracer.Tracer, tracer),
      Effect.map(() => statements),
    )
  })

/** Where both databases keep what was in these. */
const keptIn = { delivery: "waiting", audit_log: "audit_block" } as const

/** The same DDL has to make an insert fail on both databases, so each has its own text. */
const failInserts = (table: keyof typeof keptIn) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql.onDialectOrElse({
      sqlite: () => sql`CREATE TRIGGER mesh.refuse BEFORE INSERT ON ${sql.literal(keptIn[table])}
        BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`,
      orElse: () =>
        Effect.andThen(
          sql`CREATE FUNCTION mesh.refuse() RETURNS trigger LANGUAGE plpgsql
            AS ${sql.literal("'BEGIN RAISE EXCEPTION ''refused by the test''; END'")}`,
          sql`CREATE TRIGGER refuse BEFORE INSERT ON mesh.${sql.literal(keptIn[table])} FOR EACH ROW EXECUTE FUNCTION mesh.refuse()`,
        ),
    })
  })

/** Statements succeed, and the end of the transaction does not: a deferred constraint is broken by every message. */
const failCommits = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE mesh.parent (id bigint PRIMARY KEY)`
  yield* sql.onDialectOrElse({
    sqlite: () =>
      Effect.all([
        sql`PRAGMA foreign_keys = ON`,
        sql`CREATE TABLE mesh.child (id bigint REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)`,
        sql`CREATE TRIGGER mesh.orphan AFTER INSERT ON accepted BEGIN INSERT INTO child VALUES (1); END`,
      ]),
    orElse: () =>
      Effect.all([
        sql`CREATE FUNCTION mesh.orphan() RETURNS trigger LANGUAGE plpgsql
          AS ${sql.literal("'BEGIN IF NOT EXISTS (SELECT 1 FROM mesh.parent) THEN RAISE EXCEPTION ''refused by the test''; END IF; RETURN NULL; END'")}`,
        sql`CREATE CONSTRAINT TRIGGER orphan AFTER INSERT ON mesh.accepted DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION mesh.orphan()`,
      ]),
  })
})

const letCommitsPass = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO mesh.parent VALUES (1)`)

const claims: Readonly<Record<string, Claim>> = {
  "takes with its ack a message of each priority out of its inbox, and leaves its neighbour there (I8)": Effect.gen(
    function* () {
      for (const [index, priority] of (["now", "next", "low"] as const).entries()) {
        const [seq, beside] = [index * 2 + 1, index * 2 + 2]
        yield* commit(acceptOf(messageOf(seq, { priority })), acceptOf(messageOf(beside, { priority })))
        yield* commit(consumeOf(seq, inboxOf(bob), 5_000, priority))
        assert.deepStrictEqual(yield* seqsOf({ priority }), [beside])
      }
    },
  ),
  "gives a page what was accepted, whole and in sequence order, whatever the order of the batch (I6)": Effect.gen(
    function* () {
      const replied = messageOf(2, { replyTo: messageOf(1).messageId, ciphertext: "A".repeat(40_000) })
      assert.deepStrictEqual(yield* commit(acceptOf(messageOf(3)), acceptOf(messageOf(1))), [
        Written.Done(),
        Written.Done(),
      ])
      yield* commit(acceptOf(replied))
      assert.deepStrictEqual(
        (yield* pageOf()).map(({ message }) => message),
        [messageOf(1), replied, messageOf(3)],
      )
      assert.deepStrictEqual(yield* seqsOf({ limit: 2 }), [1, 2])
      assert.deepStrictEqual(yield* seqsOf({ afterSeq: 2 }), [3])
      assert.deepStrictEqual(yield* sizes, { message: 3, delivery: 3, audit_log: 3, session: 0 })
    },
  ),

  "keeps inboxes, priorities and meshes apart": Effect.gen(function* () {
    yield* commit(
      acceptOf(messageOf(1), [inboxOf(bob)]),
      acceptOf(messageOf(2), [inboxOf(bob, "s1")]),
      acceptOf(messageOf(3, { priority: "now" }), [inboxOf(bob)]),
      acceptOf(messageOf(4), [inboxOf(carol), inboxOf(bob, "s2")]),
      acceptOf({ ...messageOf(1, { id: "elsewhere" }), meshId: MeshId.make("mesh-2") }, [inboxOf(bob)]),
    )
    assert.deepStrictEqual(yield* seqsOf(), [1])
    assert.deepStrictEqual(yield* seqsOf({ inbox: inboxOf(bob, "s1") }), [2])
    assert.deepStrictEqual(yield* seqsOf({ priority: "now" }), [3])
    assert.deepStrictEqual(yield* seqsOf({ inbox: inboxOf(bob, "s2") }), [4])
    assert.deepStrictEqual(yield* seqsOf({ inbox: inboxOf(carol) }), [4])
    assert.strictEqual((yield* pageOf({ meshId: MeshId.make("mesh-2") })).length, 1)
  }),

  "takes a message id once, and answers again with the first one's hash and who has consumed it (I7)": Effect.gen(
    function* () {
      const recipients = [inboxOf(bob), inboxOf(carol, "s1")]
      yield* commit(acceptOf(messageOf(1, { contentHash: "first" }), recipients))
      yield* commit(consumeOf(1, inboxOf(carol, "s1")))
      const [again] = yield* commit(acceptOf(messageOf(2, { id: "m1", contentHash: "other" }), recipients))
      assert.strictEqual(again?._tag, "Duplicate")
      if (again?._tag !== "Duplicate") return
      assert.strictEqual(again.contentHash, "first")
      assert.sameDeepMembers(
        [...again.deliveryReport.deliveries],
        [
          { inbox: inboxOf(bob), consumedAtMillis: undefined },
          { inbox: inboxOf(carol, "s1"), consumedAtMillis: 5_000 },
        ],
      )
      assert.deepStrictEqual(yield* sizes, { message: 1, delivery: 2, audit_log: 2, session: 0 })
    },
  ),

  "takes the first of several with one id in one batch, and tells the others so, each recipient once (I7)": Effect.gen(
    function* () {
      const duplicateOf = (seq: number) =>
        Written.Duplicate({
          contentHash: "first",
          deliveryReport: {
            seq,
            senderMemberId: alice.memberId,
            priority: "next",
            expiresAtMillis: 1_000_000,
            deliveries: [{ inbox: inboxOf(bob), consumedAtMillis: undefined }],
          },
        })
      const results = yield* commit(
        acceptOf(messageOf(1, { id: "same", contentHash: "first" })),
        acceptOf(messageOf(2, { id: "same", contentHash: "second" })),
        acceptOf(messageOf(3)),
        acceptOf(messageOf(4, { id: "same", contentHash: "third" })),
      )
      assert.deepStrictEqual(results, [Written.Done(), duplicateOf(1), Written.Done(), duplicateOf(1)])
      assert.deepStrictEqual(yield* seqsOf(), [1, 3])
      const backwards = yield* commit(
        acceptOf(messageOf(6, { id: "other", contentHash: "second" })),
        acceptOf(messageOf(5, { id: "other", contentHash: "first" })),
      )
      assert.deepStrictEqual(backwards, [duplicateOf(5), Written.Done()], "the sequence says which is the first")
    },
  ),

  "refuses a sequence number that was used as fenced, and stores nothing of that batch (I6)": Effect.gen(function* () {
    yield* commit(acceptOf(messageOf(1)))
    const before = yield* sizes
    const batch = [
      acceptOf(messageOf(2)),
      acceptOf(messageOf(1, { id: "zombie" })),
      consumeOf(1, inboxOf(bob)),
      sessionWrite("SessionAttached", "s1", 1),
    ]
    assert.strictEqual(yield* reasonOf(commit(...batch)), "fenced")
    assert.deepStrictEqual(yield* sizes, before)
    assert.deepStrictEqual(yield* seqsOf(), [1])
  }),

  "refuses what no table can take as rejected, which is another thing than unavailable": Effect.gen(function* () {
    const impossible = acceptOf({ ...messageOf(1), createdAtMillis: Number.NaN })
    assert.strictEqual(yield* reasonOf(commit(impossible)), "rejected")
    assert.deepStrictEqual(yield* sizes, nothing)
  }),

  "writes message, deliveries and audit row in one transaction: with one of them refused, none is there (I6, I18)":
    Effect.gen(function* () {
      yield* failInserts("delivery")
      yield* Effect.flip(commit(sessionWrite("SessionAttached", "s1", 1), acceptOf(messageOf(1))))
      assert.deepStrictEqual(yield* sizes, nothing)
    }),

  "writes no message without its audit row (I18)": Effect.gen(function* () {
    yield* failInserts("audit_log")
    yield* Effect.flip(commit(acceptOf(messageOf(1))))
    assert.deepStrictEqual(yield* sizes, nothing)
  }),

  "keeps no ciphertext and no hash in the audit log (I18)": Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* commit(acceptOf(messageOf(1, { ciphertext: "c2VjcmV0", contentHash: "the-hash" })))
    const rows = yield* sql`SELECT * FROM mesh.audit_log`
    const text = JSON.stringify(rows, (_key, value: unknown) => (typeof value === "bigint" ? Number(value) : value))
    assert.include(text, messageOf(1).messageId)
    assert.include(text, '"ciphertext_bytes":6')
    for (const secret of ["c2VjcmV0", "the-hash", meshRecord.ownerPublicKey]) assert.notInclude(text, secret)
  }),

  "reports a commit that fails at its very end as unavailable, stores nothing, and goes on (I7)": Effect.gen(
    function* () {
      yield* failCommits
      assert.strictEqual(yield* reasonOf(commit(acceptOf(messageOf(1)))), "unavailable")
      assert.deepStrictEqual(yield* sizes, nothing)
      yield* letCommitsPass
      assert.deepStrictEqual(yield* commit(acceptOf(messageOf(1))), [Written.Done()])
      assert.deepStrictEqual(yield* seqsOf(), [1])
    },
  ),

  "pages no more what was consumed, and consuming twice is harmless (I8)": Effect.gen(function* () {
    yield* commit(acceptOf(messageOf(1), [inboxOf(bob), inboxOf(carol)]), acceptOf(messageOf(2)))
    assert.deepStrictEqual(yield* commit(consumeOf(1, inboxOf(bob)), consumeOf(1, inboxOf(bob))), [
      Written.Done(),
      Written.Done(),
    ])
    yield* commit(consumeOf(1, inboxOf(bob), 9_000), consumeOf(77, inboxOf(bob)))
    assert.deepStrictEqual(yield* seqsOf(), [2])
    assert.deepStrictEqual(yield* seqsOf({ inbox: inboxOf(carol) }), [1])
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly at: number | bigint }>`SELECT consumed_at AS at FROM mesh.delivery
      WHERE member_id = ${bob.memberId} AND seq = 1`
    assert.strictEqual(Number(row?.at), 5_000, "the first time stands")
  }),

  "pages and counts only what has not expired (I17)": Effect.gen(function* () {
    const store = yield* MessageStore
    yield* commit(acceptOf(messageOf(1, { expiresAtMillis: 3_000 })), acceptOf(messageOf(2)))
    const count = (nowMillis: number) =>
      Effect.map(store.backlog(meshId, [inboxOf(bob)], nowMillis), ({ messages }) => messages)
    assert.deepStrictEqual([yield* seqsOf({ nowMillis: 2_999 }), yield* count(2_999)], [[1, 2], 2])
    assert.deepStrictEqual([yield* seqsOf({ nowMillis: 3_000 }), yield* count(3_000)], [[2], 1])
  }),

  "counts what waits in several inboxes together, of any priority": Effect.gen(function* () {
    const store = yield* MessageStore
    yield* commit(
      acceptOf(messageOf(1, { priority: "low" }), [inboxOf(bob), inboxOf(carol)]),
      acceptOf(messageOf(2, { priority: "now" }), [inboxOf(bob, "s1")]),
      acceptOf(messageOf(3), [inboxOf(bob, "s2")]),
      acceptOf(messageOf(4), [inboxOf(bob)]),
    )
    yield* commit(consumeOf(4, inboxOf(bob)))
    const backlog = (...inboxes: ReadonlyArray<InboxAddress>) => store.backlog(meshId, inboxes, 2_000)
    assert.deepStrictEqual(yield* backlog(inboxOf(bob), inboxOf(bob, "s1")), { messages: 2, characters: 8 })
    assert.deepStrictEqual(yield* backlog(inboxOf(alice)), { messages: 0, characters: 0 })
    assert.deepStrictEqual(yield* backlog(), { messages: 0, characters: 0 })
  }),

  "moves what waits in a session's inbox to its member's, and nothing else": Effect.gen(function* () {
    yield* commit(
      ...[1, 2, 3].map((seq) => acceptOf(messageOf(seq), [inboxOf(bob, "s1")])),
      acceptOf(messageOf(4), [inboxOf(bob, "s2")]),
      acceptOf(messageOf(5), [inboxOf(carol, "s1")]),
      consumeOf(1, inboxOf(bob, "s1")),
    )
    yield* commit(Write.InboxMoved({ meshId, memberId: bob.memberId, session: SessionId.make("s1"), what: "all" }))
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly inbox: string }>`SELECT session_id AS inbox FROM mesh.delivery WHERE seq = 1`
    assert.strictEqual(row?.inbox, "s1", "what was consumed stays where it was")
    assert.deepStrictEqual(yield* seqsOf(), [2, 3])
    assert.deepStrictEqual(yield* seqsOf({ inbox: inboxOf(bob, "s1") }), [])
    assert.deepStrictEqual(yield* seqsOf({ inbox: inboxOf(bob, "s2") }), [4])
    assert.deepStrictEqual(yield* seqsOf({ inbox: inboxOf(carol, "s1") }), [5])
    yield* commit(consumeOf(2, inboxOf(bob)))
    assert.deepStrictEqual(yield* seqsOf(), [3])
  }),

  "loads all that a mesh's owner needs to begin: members, sessions, the last sequence, and which inboxes wait (I24)":
    Effect.gen(function* () {
      const store = yield* MessageStore
      assert.isTrue(Option.isNone(yield* store.loadMesh(meshId)))
      assert.isFalse(yield* store.meshExists(meshId))
      yield* store.createMesh(meshRecord, undefined, [alice, bob], 5)
      assert.isTrue(yield* store.meshExists(meshId))
      const fresh = Option.getOrThrow(yield* store.loadMesh(meshId))
      assert.deepStrictEqual(fresh, {
        mesh: meshRecord,
        members: [alice, bob],
        invites: [],
        revocations: [],
        moved: undefined,
        sessions: [],
        lastSeq: 1,
        epoch: 1,
        subscriptions: [],
        waiting: [],
      })
      yield* commit(
        sessionWrite("SessionAttached", "s1", 10),
        ...[2, 3, 7].map((seq) => acceptOf(messageOf(seq), [inboxOf(bob)])),
        acceptOf(messageOf(8, { priority: "low" }), [inboxOf(bob, "s1")]),
        acceptOf(messageOf(9), [inboxOf(alice)]),
        consumeOf(9, inboxOf(alice)),
      )
      const loaded = Option.getOrThrow(yield* store.loadMesh(meshId))
      assert.strictEqual(loaded.lastSeq, 9)
      assert.deepStrictEqual(
        loaded.sessions.map((one) => [`${one.session}`, one.memberId, one.protocol, one.detachedAtMillis]),
        [["s1", bob.memberId, 2, undefined]],
      )
      assert.deepStrictEqual(loaded.waiting, [
        { inbox: inboxOf(bob), priority: "next", backlog: { messages: 3, characters: 12 } },
        { inbox: inboxOf(bob, "s1"), priority: "low", backlog: { messages: 1, characters: 4 } },
      ])
    }),

  "makes a mesh once: the same again is the same, and the id of another mesh a conflict": Effect.gen(function* () {
    const store = yield* MessageStore
    assert.strictEqual(yield* store.createMesh(meshRecord, undefined, [alice, bob], 1), "created")
    assert.strictEqual(yield* store.createMesh(meshRecord, undefined, [bob, alice], 2), "same")
    const otherOwner = { ...meshRecord, ownerPublicKey: carol.publicKey }
    assert.strictEqual(yield* store.createMesh(otherOwner, undefined, [alice, bob], 3), "conflict")
    const otherKey = { ...bob, publicKey: carol.publicKey }
    assert.strictEqual(yield* store.createMesh(meshRecord, undefined, [alice, otherKey], 3), "conflict")
    assert.strictEqual(yield* store.createMesh(meshRecord, undefined, [alice, bob, carol], 3), "conflict")
    assert.strictEqual(yield* store.createMesh(meshRecord, undefined, [alice], 3), "conflict")
    const otherName = { ...meshRecord, name: DisplayName.make("Another") }
    assert.strictEqual(yield* store.createMesh(otherName, undefined, [alice, bob], 3), "conflict")
    const named = {
      ...meshRecord,
      meshId: MeshId.make("mesh-2"),
      name: DisplayName.make("Zwölf \u{1F600}"),
      allowUnsealed: true,
    }
    assert.strictEqual(yield* store.createMesh(named, undefined, [], 4), "created")
    assert.deepStrictEqual(Option.getOrThrow(yield* store.loadMesh(named.meshId)).mesh, named)
    assert.deepStrictEqual(Option.getOrThrow(yield* store.loadMesh(meshId)).members, [alice, bob])
  }),

  "commits a batch of any size in the same number of statements": Effect.gen(function* () {
    // Only where each is a turn to a server and back: an embedded database is given one for each write.
    if (Option.isSome(yield* Effect.serviceOption(SqliteHandle))) return
    const accepts = (from: number, count: number) =>
      Array.from({ length: count }, (_, n) => acceptOf(messageOf(from + n), [inboxOf(bob), inboxOf(carol)]))
    const everything = (from: number, count: number, known: number) => [
      ...accepts(from, count),
      ...Array.from({ length: count }, (_, n) => acceptOf(messageOf(from + count + n, { id: `m${known}` }))),
      ...Array.from({ length: count }, (_, n) => consumeOf(from + n, inboxOf(bob))),
      ...Array.from({ length: count }, (_, n) => sessionWrite("SessionAttached", `a${n}`, from)),
      ...Array.from({ length: count }, (_, n) => sessionWrite("SessionDetached", `b${n}`, from)),
      ...Array.from({ length: count }, (_, n) => moveOf("groups", `c${n}`)),
      ...Array.from({ length: count }, (_, n) => channelWrite("ChannelJoined", `d${n}`, "one")),
      ...Array.from({ length: count }, (_, n) => channelWrite("ChannelLeft", `e${n}`, "one")),
    ]
    assert.strictEqual(yield* statementsOf(commit(...accepts(1, 1))), 1)
    assert.strictEqual(yield* statementsOf(commit(...accepts(2, 200))), 1)
    assert.strictEqual(yield* statementsOf(commit(...everything(1_000, 1, 1))), 12)
    assert.strictEqual(yield* statementsOf(commit(...everything(2_000, 40, 1))), 12)
    assert.strictEqual(yield* statementsOf(commit(consumeOf(1, inboxOf(bob)))), 1)
    const deliveries = Array.from({ length: 500 }, (_, n) => ({ inbox: inboxOf(bob), seq: n }))
    const leases = [Write.Lease({ meshId, deliveries, atMillis: 1 }), Write.Release({ meshId, deliveries })]
    assert.strictEqual(yield* statementsOf(commit(...leases, ...leases)), 1)
  }),

  "has the tables that are written down, column by column, with their types and what may be NULL": Effect.gen(
    function* () {
      const sql = yield* SqlClient.SqlClient
      const isFile = Option.isSome(yield* Effect.serviceOption(SqliteHandle))
      for (const [table, fields] of Object.entries(tables)) {
        // They are views, and Postgres has a column of its own in a mesh's row.
        if (["message", "delivery", "audit_log"].includes(table) || (!isFile && table === "mesh")) continue
        const found = yield* sql.onDialectOrElse({
          sqlite: () => sql<Row>`SELECT name, lower(type) AS type, 1 - "notnull" AS nullable
            FROM pragma_table_info(${table}, 'mesh')`,
          orElse: () => sql<Row>`SELECT column_name AS name, data_type AS type,
              CASE is_nullable WHEN 'YES' THEN 1 ELSE 0 END AS nullable
            FROM information_schema.columns WHERE table_schema = 'mesh' AND table_name = ${table}`,
        })
        const columns = columnsOf(fields)
        assert.sameDeepMembers(
          found.map(({ name, nullable, type }) => ({ name, type, nullable: Number(nullable) === 1 })),
          Object.entries(fields).map(([name, field]) => ({
            name,
            type: columns[name] ?? "none",
            nullable: Schema.is(field)(null),
          })),
          table,
        )
      }
    },
  ),

  "may be migrated again without harm": Effect.gen(function* () {
    yield* commit(acceptOf(messageOf(1)))
    yield* Effect.orDie(migrateAgain)
    assert.deepStrictEqual(yield* seqsOf(), [1])
  }),

  "commits, through the group commit, all of a batch but the one item that it refuses (I24)": Effect.gen(function* () {
    const outcomes = yield* Effect.scoped(
      Effect.gen(function* () {
        const groupCommit = (yield* GroupCommits).groupCommitOf(meshId)
        const impossible = acceptOf({ ...messageOf(2), createdAtMillis: Number.NaN })
        const writes = [
          acceptOf(messageOf(1)),
          impossible,
          acceptOf(messageOf(3)),
          sessionWrite("SessionAttached", "s1", 1),
        ]
        return yield* Effect.forEach(
          writes,
          (write) =>
            Effect.callback<Outcome>((resume) =>
              groupCommit.submit(write, (outcome) => resume(Effect.succeed(outcome))),
            ),
          { concurrency: "unbounded" },
        )
      }).pipe(Effect.provide(GroupCommits.layer(1, brokerLimits))),
    )
    assert.deepStrictEqual(
      outcomes.map((outcome) => outcome._tag),
      ["Success", "Failure", "Success", "Success"],
    )
    assert.deepStrictEqual(yield* seqsOf(), [1, 3])
    assert.deepStrictEqual(yield* sizes, { message: 2, delivery: 2, audit_log: 3, session: 1 })
  }),

  "answers a ping": Effect.flatMap(MessageStore, (store) => store.ping),
}

conforms(claims)

layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("the store on Postgres alone", (it) => {
  it.effect("is migrated by two brokers that start together on a new database", () =>
    Effect.gen(function* () {
      for (let round = 0; round < 5; round++) {
        const ran = yield* Effect.all([migratePostgres, migratePostgres, migratePostgres], {
          concurrency: "unbounded",
        }).pipe(Effect.result, Effect.provide(freshPostgres))
        assert.isTrue(Result.isSuccess(ran), String(ran))
      }
    }),
  )

  it.effect("reports a connection that breaks under a commit as unavailable, and goes on (I7)", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE FUNCTION mesh.break() RETURNS trigger LANGUAGE plpgsql
        AS ${sql.literal("'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END'")}`
      yield* sql`CREATE TRIGGER break BEFORE INSERT ON mesh.waiting FOR EACH ROW EXECUTE FUNCTION mesh.break()`
      assert.strictEqual(yield* reasonOf(commit(acceptOf(messageOf(1)))), "unavailable")
      // The broken connection may be handed out once more before its end is noticed.
      yield* Effect.retry(sql`DROP TRIGGER break ON mesh.waiting`, { times: 3 })
      assert.deepStrictEqual(yield* sizes, nothing)
      assert.deepStrictEqual(yield* commit(acceptOf(messageOf(1))), [Written.Done()])
    }).pipe(Effect.provide(storeOn(freshPostgres)), Effect.orDie),
  )

  it.effect(
    "is spared by the retention sweep: it passes by what a batch is writing, and holds up nobody who holds it up (I17)",
    () =>
      Effect.gen(function* () {
        yield* commit(...[1, 2, 3].map((seq) => acceptOf(messageOf(seq, { expiresAtMillis: 2_000 }))))
        const sql = yield* SqlClient.SqlClient
        const store = yield* MessageStore
        const isFree = yield* Deferred.make<void>()
        const isHeld = yield* Deferred.make<void>()
        const batch = yield* Effect.forkChild(
          sql.withTransaction(
            Effect.gen(function* () {
              yield* sql`UPDATE mesh.waiting SET ciphertext = 'BBBB' WHERE seq = 2`
              yield* Deferred.succeed(isHeld, undefined)
              yield* Deferred.await(isFree)
            }),
          ),
        )
        yield* Deferred.await(isHeld)
        const texts = Effect.map(
          sql<{ readonly text: string }>`SELECT ciphertext AS text FROM mesh.message ORDER BY seq`,
          (rows) => rows.map(({ text }) => text),
        )
        const retention = { messageRowMillis: 1e9, sessionMillis: 1e9, auditMillis: 1e9, inviteMillis: 1e9 }
        // It would wait for the batch, and the batch for it.
        const swept = yield* Effect.timeoutOption(store.applyRetention(retention, 100, 3_000), "2 seconds")
        assert.deepStrictEqual(Option.getOrUndefined(swept), "done")
        yield* Deferred.succeed(isFree, undefined)
        yield* Fiber.join(batch)
        assert.deepStrictEqual(yield* texts, ["", "BBBB", ""])
        yield* store.applyRetention(retention, 100, 3_000)
        assert.deepStrictEqual(yield* texts, ["", "", ""])
      }).pipe(Effect.provide(storeOn(freshPostgres)), Effect.orDie),
  )

  it.effect("commits a batch that was chosen to end a deadlock, all the same (I7)", () =>
    Effect.gen(function* () {
      yield* (yield* MessageStore).createMesh(meshRecord, undefined, [alice, bob], 1)
      yield* commit(acceptOf(messageOf(2)), acceptOf(messageOf(3)))
      const sql = yield* SqlClient.SqlClient
      const isHeld = yield* Deferred.make<void>()
      const other = yield* Effect.forkChild(
        sql.withTransaction(
          Effect.gen(function* () {
            // Whoever finds the deadlock ends it by giving up itself, and this one does not look in time.
            yield* sql`SET LOCAL deadlock_timeout = '60s'`
            yield* sql`UPDATE mesh.waiting SET nonce = nonce WHERE seq = 2`
            yield* Deferred.succeed(isHeld, undefined)
            // The batch has its mesh by then, and waits for the message.
            yield* whenWaiting(1)
            yield* sql`UPDATE mesh.mesh SET name = name`
          }),
        ),
      )
      yield* Deferred.await(isHeld)
      assert.deepStrictEqual(yield* commit(consumeOf(2, inboxOf(bob)), acceptOf(messageOf(4))), [
        Written.Done(),
        Written.Done(),
      ])
      yield* Fiber.join(other)
      assert.deepStrictEqual(yield* seqsOf(), [3, 4])
    }).pipe(Effect.provide(storeOn(freshPostgres)), Effect.orDie),
  )
})
