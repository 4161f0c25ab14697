/**
 * What every database must keep however it lays its tables out: a resend of every age, a second ack, a duplicate, a bad
 * item, a failure at any statement, and a restart. Everything is said through the port, but for the tables that are made to fail.
 */
import { Base64 } from "@claudemesh/domain/Base64"
import { MeshId, SessionId } from "@claudemesh/domain/Ids"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Exit, Layer, Option, References } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { certificateFor, inviteFrom, keysOf, movedBy } from "../../domain/test/support/Trust.ts"
import { brokerLimits } from "../src/Limits.ts"
import { GroupCommits, type Outcome } from "../src/store/GroupCommit.ts"
import { type InboxAddress, MessageStore, type Retention, Write, Written } from "../src/store/MessageStore.ts"
import { alice, bob, carol, meshId, meshRecord } from "./support/MeshScenario.ts"
import { Postgres } from "./support/Postgres.ts"
import {
  acceptOf,
  consumeOf,
  inboxOf,
  messageOf,
  postgresAt,
  sqliteAt,
  sqliteStoreOn,
  storeOn,
} from "./support/Stores.ts"
import {
  channelWrite,
  type Claim,
  commit as committed,
  conforms,
  moveOf,
  pageOf,
  reasonOf,
  seqsOf,
  sessionWrite,
} from "./support/StoreSuite.ts"
import { temporaryFolder } from "./support/TestBroker.ts"

const inboxes = [inboxOf(alice, "s2"), inboxOf(bob), inboxOf(carol, "s1")]
const everyone = { targetSpec: "*" }

const madeMesh = Effect.flatMap(MessageStore, (store) =>
  store.createMesh(meshRecord, undefined, [alice, bob, carol], 1),
)

const load = Effect.flatMap(MessageStore, (store) => Effect.map(store.loadMesh(meshId), Option.getOrThrow))

const lasting = 1_000_000_000
const retention: Retention = {
  messageRowMillis: 50_000,
  sessionMillis: lasting,
  auditMillis: lasting,
  inviteMillis: lasting,
}
const sweep = (nowMillis: number) =>
  Effect.flatMap(MessageStore, (store) => store.applyRetention(retention, 100, nowMillis))

/** To a group of three, each with a key of its own. */
const toGroup = (seq: number, id = `m${seq}`): Write =>
  Write.Accept({
    message: messageOf(seq, { ...everyone, id, contentHash: `hash of ${id}`, expiresAtMillis: 30_000 }),
    recipients: inboxes.map((inbox) => ({ inbox, sealedKey: Base64.make("BBBB") })),
  })

/** In which order a resend is told of the recipients is not promised. */
const inOrder = (written: Written): Written =>
  written._tag === "Done"
    ? written
    : Written.Duplicate({
        ...written,
        deliveryReport: {
          ...written.deliveryReport,
          deliveries: written.deliveryReport.deliveries.toSorted((left, right) =>
            JSON.stringify(left.inbox) < JSON.stringify(right.inbox) ? -1 : 1,
          ),
        },
      })

const commit = (...batch: ReadonlyArray<Write>) => Effect.map(committed(...batch), (all) => all.map(inOrder))

/** In which the first result of `toGroup` is told again, with who has acked it. */
const firstResult = (seq: number, acked: ReadonlyArray<readonly [InboxAddress, number | undefined]>, id = `m${seq}`) =>
  Written.Duplicate({
    contentHash: `hash of ${id}`,
    deliveryReport: {
      seq,
      senderMemberId: alice.memberId,
      priority: "next",
      expiresAtMillis: 30_000,
      deliveries: acked.map(([inbox, consumedAtMillis]) => ({ inbox, consumedAtMillis })),
    },
  })

/** The texts that are still there, by number. */
const texts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly seq: number | bigint }>`SELECT seq FROM mesh.message
    WHERE ciphertext <> '' ORDER BY seq`
  return rows.map(({ seq }) => Number(seq))
})

const audited = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly seq: number | bigint; readonly event: string }>`SELECT seq, event
    FROM mesh.audit_log WHERE seq IS NOT NULL ORDER BY seq`
  return rows.map(({ event, seq }) => `${Number(seq)} ${event}`)
})

const waitingOf = (inbox: InboxAddress) => seqsOf({ inbox })

/** All tables in which a write can be stored, whatever a database calls them. */
const tablesOf = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const found = yield* sql.onDialectOrElse({
    sqlite: () => sql<{ readonly name: string }>`SELECT name FROM mesh.sqlite_master WHERE type = 'table'`,
    orElse: () => sql<{ readonly name: string }>`SELECT table_name AS name FROM information_schema.tables
      WHERE table_schema = 'mesh' AND table_type = 'BASE TABLE'`,
  })
  return found.map(({ name }) => name).filter((name) => !/^sqlite_|^migration$|^probe$/.test(name))
})

const contents = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* tablesOf
  const rows = yield* Effect.forEach(tables, (table) => sql`SELECT * FROM mesh.${sql.literal(table)}`)
  const lines = rows.map((found) =>
    found.map((row) => JSON.stringify(row, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value))),
  )
  return Object.fromEntries(tables.map((table, index) => [table, (lines[index] ?? []).toSorted()]))
})

/** While it runs, rows of this table cannot be inserted, updated or deleted. */
const whileRefused = <A, E, R>(table: string, step: "INSERT" | "UPDATE" | "DELETE", effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [where, what] = [sql.literal(table), sql.literal(step)]
    yield* sql.onDialectOrElse({
      sqlite: () =>
        sql`CREATE TRIGGER mesh.refuse BEFORE ${what} ON ${where} BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`,
      orElse: () =>
        sql`CREATE TRIGGER refuse BEFORE ${what} ON mesh.${where} FOR EACH ROW EXECUTE FUNCTION mesh.refuse()`,
    })
    const result = yield* effect
    yield* sql.onDialectOrElse({
      sqlite: () => sql`DROP TRIGGER mesh.refuse`,
      orElse: () => sql`DROP TRIGGER refuse ON mesh.${where}`,
    })
    return result
  })

const refusing = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  sql.onDialectOrElse({
    sqlite: () => Effect.void,
    orElse: () =>
      Effect.asVoid(sql`CREATE FUNCTION mesh.refuse() RETURNS trigger LANGUAGE plpgsql
        AS ${sql.literal("'BEGIN RAISE EXCEPTION ''refused by the test''; END'")}`),
  }),
)

const door = keysOf("door")

const leaseOf = (inbox: InboxAddress, ...seqs: ReadonlyArray<number>): Write =>
  Write.Lease({ meshId, deliveries: seqs.map((seq) => ({ inbox, seq })), atMillis: 5 })

const joined = (seq: number, name: string): Write =>
  Write.MemberJoined({ meshId, seq, certificate: certificateFor(keysOf(name), door), atMillis: 9 })

const invited = (seq: number, uses: number): Write =>
  Write.InviteAdded({ meshId, seq, invite: inviteFrom(door, { meshId, uses }), atMillis: 9 })

/** On a mesh with a group's message of number 2, a session `s1` and an `s4`. */
const ofEveryKind: ReadonlyArray<Write> = [
  toGroup(3),
  acceptOf({ ...messageOf(4), senderSession: SessionId.make("s7") }),
  consumeOf(2, inboxOf(bob)),
  leaseOf(inboxOf(carol, "s1"), 2),
  moveOf("all", "s2", alice),
  sessionWrite("SessionAttached", "s3", 9),
  sessionWrite("SessionDetached", "s1", 9),
  channelWrite("ChannelJoined", "s3", "builds"),
  channelWrite("ChannelLeft", "s1", "builds"),
  Write.SessionForgotten({ meshId, memberId: bob.memberId, session: SessionId.make("s4") }),
  invited(5, 2),
  joined(6, "dave"),
  Write.MeshMoved({ seq: 7, moved: movedBy(keysOf("owner"), { meshId, version: 1 }), atMillis: 9 }),
]

const toBeginWith: ReadonlyArray<Write> = [
  sessionWrite("SessionAttached", "s1", 1),
  sessionWrite("SessionAttached", "s4", 1),
  channelWrite("ChannelJoined", "s1", "builds"),
  toGroup(2),
]

/** The same in another mesh. */
const inMesh = (where: MeshId, write: Write): Write => {
  switch (write._tag) {
    case "Accept": {
      const { message } = write
      return {
        ...write,
        message: { ...message, meshId: where, messageId: messageIdOf(where, alice.publicKey, `m${message.seq}`) },
      }
    }
    case "InviteAdded":
      return { ...write, meshId: where, invite: { ...write.invite, meshId: where } }
    case "KeyRevoked":
      return { ...write, revocation: { ...write.revocation, meshId: where } }
    case "MeshMoved":
      return { ...write, moved: { ...write.moved, meshId: where } }
    default:
      return { ...write, meshId: where }
  }
}

const claims: Readonly<Record<string, Claim>> = {
  "gives a resend of every age the first result: it waits, is leased, acked in part, by all, expired, erased (I7)":
    Effect.gen(function* () {
      yield* madeMesh
      const [first, second, third] = inboxes
      if (first === undefined || second === undefined || third === undefined) return assert.fail()
      yield* commit(toGroup(2), toGroup(3))
      let next = 10
      const resent = Effect.suspend(() => commit(toGroup((next += 1), "m2"), toGroup((next += 1), "m3")))
      const bothAre = (...acked: ReadonlyArray<number | undefined>) => {
        const all = inboxes.map((inbox, index) => [inbox, acked[index]] as const)
        return [firstResult(2, all), firstResult(3, all)]
      }
      assert.deepStrictEqual(yield* resent, bothAre())
      yield* commit(leaseOf(first, 2, 3))
      assert.deepStrictEqual(yield* resent, bothAre())
      yield* commit(consumeOf(2, second, 11), consumeOf(3, second, 11))
      assert.deepStrictEqual(yield* resent, bothAre(undefined, 11))
      yield* commit(consumeOf(2, first, 12), consumeOf(2, third, 13))
      assert.deepStrictEqual(yield* resent, [
        firstResult(2, [
          [first, 12],
          [second, 11],
          [third, 13],
        ]),
        firstResult(3, [
          [first, undefined],
          [second, 11],
          [third, undefined],
        ]),
      ])
      assert.deepStrictEqual(yield* texts, [3], "the first text went with its last recipient")
      yield* sweep(30_000)
      assert.deepStrictEqual(yield* texts, [], "the second text went with its time")
      assert.deepStrictEqual(yield* resent, [
        firstResult(2, [
          [first, 12],
          [second, 11],
          [third, 13],
        ]),
        firstResult(3, [
          [first, undefined],
          [second, 11],
          [third, undefined],
        ]),
      ])
      assert.deepStrictEqual(yield* audited, ["1 mesh_created", "2 message_accepted", "3 message_accepted"])
      // Nobody can ask for it any more, and its id is one like any other.
      yield* sweep(60_000)
      assert.deepStrictEqual(yield* resent, [Written.Done(), Written.Done()])
    }),

  "gives a resend the first result also of what was moved, and of what the member turned out to have already (I7)":
    Effect.gen(function* () {
      yield* madeMesh
      const [own, one, two] = [inboxOf(bob), inboxOf(bob, "s1"), inboxOf(bob, "s2")]
      const choices = { ...everyone, contentHash: "hash of m2", expiresAtMillis: 30_000 }
      yield* commit(acceptOf(messageOf(2, choices), [one, two]))
      const resent = (seq: number) => commit(acceptOf(messageOf(seq, { ...choices, id: "m2" }), [one, two]))
      yield* commit(moveOf("groups", "s1"))
      assert.deepStrictEqual(yield* resent(3), [firstResult(2, [[two, undefined]])])
      yield* commit(moveOf("groups", "s2"))
      assert.deepStrictEqual(yield* resent(4), [firstResult(2, [[own, undefined]])])
      yield* commit(consumeOf(2, two), consumeOf(2, one))
      assert.deepStrictEqual(yield* resent(5), [firstResult(2, [[own, undefined]])], "they have it no more")
      yield* commit(consumeOf(2, own, 9))
      assert.deepStrictEqual(yield* resent(6), [firstResult(2, [[own, 9]])])
    }),

  "gives a resend with nobody to get it the first result, too (I7)": Effect.gen(function* () {
    yield* madeMesh
    yield* commit(acceptOf(messageOf(2, { ...everyone, contentHash: "hash of m2", expiresAtMillis: 30_000 }), []))
    const again = acceptOf(messageOf(3, { ...everyone, id: "m2", contentHash: "other" }), [inboxOf(bob)])
    assert.deepStrictEqual(yield* commit(again), [firstResult(2, [])])
    assert.deepStrictEqual(yield* waitingOf(inboxOf(bob)), [])
  }),

  "changes nothing by a second ack of one recipient of a group: the text is there until the last one's first (I7, I8)":
    Effect.gen(function* () {
      yield* madeMesh
      const [first, second, third] = inboxes
      if (first === undefined || second === undefined || third === undefined) return assert.fail()
      yield* commit(toGroup(2))
      yield* commit(consumeOf(2, first, 11), consumeOf(2, first, 11), consumeOf(2, first, 11))
      yield* commit(consumeOf(2, first, 14))
      yield* commit(consumeOf(2, first, 15), consumeOf(2, inboxOf(bob, "nobody"), 15), consumeOf(2, inboxOf(carol), 15))
      assert.deepStrictEqual(yield* texts, [2])
      yield* commit(consumeOf(2, second, 16), consumeOf(2, first, 16))
      assert.deepStrictEqual([yield* texts, yield* waitingOf(third)], [[2], [2]])
      const [waits] = yield* pageOf({ inbox: third })
      assert.deepStrictEqual([waits?.message.ciphertext, waits?.sealedKey], ["AAAA", "BBBB"])
      yield* commit(consumeOf(2, second, 17), consumeOf(2, third, 18), consumeOf(2, third, 18))
      assert.deepStrictEqual([yield* texts, yield* waitingOf(third)], [[], []])
      assert.deepStrictEqual(yield* commit(toGroup(9, "m2")), [
        firstResult(2, [
          [first, 11],
          [second, 16],
          [third, 18],
        ]),
      ])
    }),

  "takes acks of many together, each once, and tells of none that was not there: of one, of a group, acked before, or never sent (I7, I8)":
    Effect.gen(function* () {
      yield* madeMesh
      const [, inbox = inboxOf(bob)] = inboxes
      const one = (seq: number) =>
        acceptOf(messageOf(seq, { contentHash: `hash of m${seq}`, expiresAtMillis: 30_000 }), [inbox])
      yield* commit(...[2, 3, 4, 7].map(one), toGroup(5), toGroup(6))
      yield* commit(consumeOf(3, inbox, 11))
      yield* commit(consumeOf([2, 3, 4, 5, 9], inbox, 12), consumeOf([5, 4], inbox, 13))
      assert.deepStrictEqual(
        [yield* waitingOf(inbox), yield* texts],
        [
          [6, 7],
          [5, 6, 7],
        ],
      )
      const report = Effect.fnUntraced(function* (seq: number) {
        const found = yield* (yield* MessageStore).deliveryReportOf(meshId, messageOf(seq).messageId)
        const deliveries = Option.getOrThrow(found).deliveries
        return deliveries.find((one) => one.inbox.memberId === inbox.memberId)?.consumedAtMillis
      })
      assert.deepStrictEqual(yield* Effect.forEach([2, 3, 4, 5, 6, 7], report), [12, 11, 12, 12, undefined, undefined])
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql<{
        readonly messages: unknown
      }>`SELECT messages FROM mesh.audit_log WHERE event = 'messages_consumed'`
      const told = rows.map(({ messages }) => (typeof messages === "string" ? messages : JSON.stringify(messages)))
      assert.sameMembers(
        told.map((text) => text.replaceAll(" ", "")),
        ["[3]", "[2,4,5]"],
      )
    }),

  "counts what a move drops like an ack, once: the text is there for whom it waits, and goes with the last (I8)":
    Effect.gen(function* () {
      yield* madeMesh
      const sessions = ["s1", "s2", "s3"].map((name) => inboxOf(bob, name))
      yield* commit(acceptOf(messageOf(2, everyone), [...sessions, inboxOf(carol)]))
      yield* commit(moveOf("groups", "s1"), moveOf("groups", "s2"))
      yield* commit(moveOf("groups", "s1"), moveOf("all", "s2"), consumeOf(2, inboxOf(bob, "s1")))
      assert.deepStrictEqual(yield* texts, [2])
      yield* commit(consumeOf(2, inboxOf(carol)), consumeOf(2, inboxOf(carol)))
      assert.deepStrictEqual(yield* texts, [2])
      const waits = yield* Effect.forEach([inboxOf(bob), ...sessions], waitingOf)
      assert.deepStrictEqual(waits, [[], [], [], [2]])
      yield* commit(consumeOf(2, inboxOf(bob, "s3")))
      assert.deepStrictEqual(yield* texts, [])
    }),

  "takes of several with one id in a batch the first alone, beside others, acks and resends of an older one (I7)":
    Effect.gen(function* () {
      yield* madeMesh
      yield* commit(toGroup(2))
      const [first] = inboxes
      if (first === undefined) return assert.fail()
      const nobodyYet = inboxes.map((inbox) => [inbox, undefined] as const)
      const results = yield* commit(
        toGroup(3),
        toGroup(4, "m3"),
        toGroup(5, "m2"),
        toGroup(6),
        consumeOf(2, first, 11),
        toGroup(7, "m3"),
        toGroup(8, "m2"),
      )
      const acked = firstResult(2, [[first, 11], ...nobodyYet.slice(1)])
      const again = firstResult(3, nobodyYet)
      const others = results.map((one) => (one._tag === "Done" ? "Done" : one.deliveryReport.seq))
      assert.deepStrictEqual(others, ["Done", 3, 2, "Done", "Done", 3, 2])
      assert.deepStrictEqual([results[1], results[5]], [again, again])
      // The ack rides in the same commit: a resend in it may be told of it, or not yet.
      assert.deepStrictEqual(yield* commit(toGroup(9, "m2")), [acked])
      const waits = yield* Effect.forEach(inboxes, waitingOf)
      assert.deepStrictEqual(waits, [
        [3, 6],
        [2, 3, 6],
        [2, 3, 6],
      ])
      assert.deepStrictEqual(yield* audited, [
        "1 mesh_created",
        "2 message_accepted",
        "3 message_accepted",
        "6 message_accepted",
      ])
    }),

  "acks, leases and moves what was accepted in the same batch (I8)": Effect.gen(function* () {
    yield* madeMesh
    const [first, second, third] = inboxes
    if (first === undefined || second === undefined || third === undefined) return assert.fail()
    yield* commit(
      toGroup(2),
      consumeOf(2, first, 11),
      leaseOf(second, 2),
      moveOf("all", "s1", carol),
      acceptOf(messageOf(3)),
      consumeOf(3, inboxOf(bob), 12),
    )
    const waits = yield* Effect.forEach([...inboxes, inboxOf(carol)], (inbox) =>
      Effect.map(pageOf({ inbox }), (rows) => rows.map(({ leased, message }) => [message.seq, leased])),
    )
    assert.deepStrictEqual(waits, [[], [[2, "until released"]], [], [[2, false]]])
    assert.deepStrictEqual(yield* texts, [2])
  }),

  "lets each of several bad items of a batch fail alone, whatever is wrong with it (I24)": Effect.gen(function* () {
    yield* madeMesh
    yield* commit(...toBeginWith)
    const writes: ReadonlyArray<readonly [Write, Outcome["_tag"]]> = [
      [acceptOf(messageOf(3)), "Success"],
      // What no table takes, in each kind of place.
      [acceptOf({ ...messageOf(4), createdAtMillis: Number.NaN }), "Failure"],
      [acceptOf({ ...messageOf(5), expiresAtMillis: Number.NaN }), "Failure"],
      [sessionWrite("SessionAttached", "s9", Number.NaN), "Failure"],
      [consumeOf(2, inboxOf(carol, "s1"), 11), "Success"],
      // A number that is taken.
      [acceptOf(messageOf(2, { id: "zombie" })), "Failure"],
      [toGroup(6, "m2"), "Success"],
      [invited(7, 1), "Success"],
      [joined(8, "dave"), "Success"],
      [joined(9, "erin"), "Failure"],
      [sessionWrite("SessionAttached", "s5", 9), "Success"],
      [acceptOf(messageOf(10)), "Success"],
    ]
    const outcomes = yield* Effect.gen(function* () {
      const groupCommit = (yield* GroupCommits).groupCommitOf(meshId)
      yield* groupCommit.takeOver
      return yield* Effect.forEach(
        writes,
        ([write]) =>
          Effect.callback<Outcome>((resume) => groupCommit.submit(write, (outcome) => resume(Effect.succeed(outcome)))),
        { concurrency: "unbounded" },
      )
    }).pipe(Effect.provide(GroupCommits.layer(1, brokerLimits)), Effect.scoped)
    assert.deepStrictEqual(
      outcomes.map(({ _tag }, index) => `${index} ${_tag}`),
      writes.map(([, tag], index) => `${index} ${tag}`),
    )
    assert.deepStrictEqual(yield* waitingOf(inboxOf(bob)), [2, 3, 10])
    assert.deepStrictEqual(yield* waitingOf(inboxOf(carol, "s1")), [])
    assert.deepStrictEqual((yield* load).invites[0]?.used, 1)
  }),

  "leaves nothing of a batch that fails at any of its tables, be it an insert, an update or a delete (I6)": Effect.gen(
    function* () {
      yield* refusing
      const store = yield* MessageStore
      const failed = new Set<string>()
      const tables = yield* tablesOf
      for (const [index, table] of tables.entries()) {
        for (const step of ["INSERT", "UPDATE", "DELETE"] as const) {
          const where = MeshId.make(`${step.toLowerCase()}-${index}`)
          yield* store.createMesh({ ...meshRecord, meshId: where }, undefined, [alice, bob, carol], 1)
          yield* commit(...toBeginWith.map((write) => inMesh(where, write)))
          const batch = commit(...ofEveryKind.map((write) => inMesh(where, write)))
          const before = yield* contents
          const ended = yield* whileRefused(table, step, Effect.exit(batch))
          if (Exit.isSuccess(ended)) continue
          failed.add(table)
          assert.deepStrictEqual(yield* contents, before, `${step} ${table}`)
          // Nothing of it stands in its own way.
          yield* batch
        }
      }
      // Such a batch touches every table but these; the mesh's own row it may. Ids are carried into their index by many: `messageIds.test.ts`.
      const ids = ["message_id", "message_id_upto"]
      const others = ["mesh", "revocation", "audit_key", "audit_checkpoint", "audit_rotation", "journal", ...ids]
      for (const table of tables) if (!others.includes(table)) assert.include([...failed], table)
    },
  ),

  "fences an earlier owner also in what it sends again, and tells a later one the first result (I7, I24)": Effect.gen(
    function* () {
      yield* madeMesh
      const { epoch: earlier } = yield* load
      yield* (yield* MessageStore).commit([{ write: toGroup(2), epoch: earlier }])
      const { epoch, lastSeq } = yield* load
      assert.strictEqual(lastSeq, 2)
      const store = yield* MessageStore
      const by = (one: number, ...writes: ReadonlyArray<Write>) =>
        store.commit(writes.map((write) => ({ write, epoch: one })))
      assert.strictEqual(yield* reasonOf(by(earlier, toGroup(3, "m2"))), "fenced")
      const [again] = (yield* by(epoch, toGroup(3, "m2"))).map(inOrder)
      assert.deepStrictEqual(
        again,
        firstResult(
          2,
          inboxes.map((inbox) => [inbox, undefined] as const),
        ),
      )
      yield* by(epoch, toGroup(4))
      // Both are good, and the mesh of one of them is somebody else's.
      const elsewhere = { ...meshRecord, meshId: MeshId.make("mesh-2") }
      yield* store.createMesh(elsewhere, undefined, [alice], 1)
      const other = Option.getOrThrow(yield* store.loadMesh(elsewhere.meshId))
      const before = yield* contents
      const mixed = [
        { write: toGroup(5), epoch: earlier },
        { write: acceptOf({ ...messageOf(2, { id: "elsewhere" }), meshId: elsewhere.meshId }), epoch: other.epoch },
      ]
      assert.strictEqual(yield* reasonOf(store.commit(mixed)), "fenced")
      assert.deepStrictEqual(yield* contents, before)
      assert.strictEqual((yield* load).lastSeq, 4)
    },
  ),

  "never gives a message of a group whose text is gone from a damaged database": Effect.gen(function* () {
    yield* madeMesh
    yield* commit(toGroup(2))
    yield* (yield* SqlClient.SqlClient).unsafe("DELETE FROM mesh.group_text")
    const page = yield* Effect.exit(pageOf({ inbox: inboxes[0] ?? inboxOf(bob) }))
    assert.deepStrictEqual(Exit.isSuccess(page) ? page.value : [], [])
  }),
}

conforms(claims)

/** What the first life of a broker leaves, and what the second one finds: the same database, opened again. */
const restarted = <E>(open: () => Layer.Layer<MessageStore | SqlClient.SqlClient, E>) =>
  Effect.gen(function* () {
    const [first, second, third] = inboxes
    if (first === undefined || second === undefined || third === undefined) return assert.fail()
    const before = yield* Effect.gen(function* () {
      yield* madeMesh
      const { epoch } = yield* load
      yield* (yield* MessageStore).commit(
        [...toBeginWith, toGroup(3), acceptOf(messageOf(4))].map((write) => ({ write, epoch })),
      )
      yield* commit(consumeOf(2, second, 11), leaseOf(third, 3), consumeOf(3, first, 12))
      return { loaded: yield* load, pages: yield* Effect.forEach(inboxes, (inbox) => pageOf({ inbox })) }
    }).pipe(Effect.provide(Layer.fresh(open())))
    yield* Effect.gen(function* () {
      const { epoch, ...loaded } = yield* load
      assert.deepStrictEqual({ ...loaded, epoch: epoch - 1 }, before.loaded)
      assert.deepStrictEqual(yield* Effect.forEach(inboxes, (inbox) => pageOf({ inbox })), before.pages)
      assert.deepStrictEqual(yield* Effect.forEach(inboxes, waitingOf), [[2], [3, 4], [2, 3]])
      assert.strictEqual(yield* reasonOf((yield* MessageStore).commit([{ write: toGroup(5), epoch: 1 }])), "fenced")
      assert.deepStrictEqual(yield* commit(toGroup(5, "m2"), toGroup(6, "m3"), toGroup(7)), [
        firstResult(2, [
          [first, undefined],
          [second, 11],
          [third, undefined],
        ]),
        firstResult(3, [
          [first, 12],
          [second, undefined],
          [third, undefined],
        ]),
        Written.Done(),
      ])
      yield* commit(consumeOf(2, first, 13), consumeOf(2, second, 13), consumeOf(2, third, 14))
      assert.deepStrictEqual(yield* texts, [3, 4, 7])
    }).pipe(Effect.provide(Layer.fresh(open())))
  }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

const found = "finds what waited, which of it was leased, who has acked what and what was accepted (I7, I8, I24)"

describe("a restart on SQLite", () => {
  it.live(found, () =>
    Effect.scoped(Effect.flatMap(temporaryFolder, (folder) => restarted(() => sqliteStoreOn(sqliteAt(folder))))),
  )
})

layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("a restart on Postgres", (it) => {
  it.effect(found, () =>
    Effect.flatMap(
      Effect.flatMap(Postgres, ({ freshDatabase }) => freshDatabase),
      (url) => restarted(() => storeOn(postgresAt(url))),
    ),
  )
})
