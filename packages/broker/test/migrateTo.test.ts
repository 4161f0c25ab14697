/** A store that is moved to the other database, and back: nothing that anybody was promised is lost, changed or made up on the way. */
import { chainBegins } from "@claudemesh/domain/audit/AuditBlock"
import type { AuditRecord } from "@claudemesh/domain/audit/AuditRecord"
import { Base64 } from "@claudemesh/domain/Base64"
import { DisplayName, MeshId } from "@claudemesh/domain/Ids"
import type { Priority } from "@claudemesh/domain/routing/Status"
import * as BunCrypto from "@effect/platform-bun/BunCrypto"
import { assert, layer } from "@effect/vitest"
import { Effect, Option, Redacted, References } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { existsSync, readdirSync, writeFileSync } from "node:fs"
import {
  certificateFor,
  inviteFrom,
  keysOf,
  movedBy,
  newRegister,
  owner,
  revocationIn,
} from "../../domain/test/support/Trust.ts"
import { signHeads } from "../src/store/AuditCheckpoints.ts"
import { eachPage } from "../src/store/AuditExport.ts"
import { StatementMillis } from "../src/store/Deadlines.ts"
import { MessageStore, Write } from "../src/store/MessageStore.ts"
import { alike, kinds, NotMoved, ofOneDatabase } from "../src/store/transfer/Kinds.ts"
import { migrateTo } from "../src/store/transfer/MigrateTo.ts"
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
import { channelWrite, commit, commitIn, moveOf, sessionWrite } from "./support/StoreSuite.ts"
import { temporaryFolder } from "./support/TestBroker.ts"

const [door, dave] = [keysOf("door"), keysOf("dave")]
const old = MeshId.make("mesh-old")
const inboxes = [
  inboxOf(bob),
  inboxOf(bob, "s1"),
  inboxOf(bob, "s2"),
  inboxOf(alice),
  inboxOf(alice, "s1"),
  inboxOf(carol, "s1"),
]
const at = 2_000
const week = 1_000_000_000

const toGroup = (seq: number, more: Parameters<typeof messageOf>[1] = {}): Write =>
  Write.Accept({
    message: messageOf(seq, { targetSpec: "*", ...more }),
    recipients: [inboxOf(bob), inboxOf(bob, "s1"), inboxOf(carol, "s1")].map((inbox, n) => ({
      inbox,
      sealedKey: Base64.make(["BBBB", "CCCC", "DDDD"][n] ?? "EEEE"),
    })),
  })

const leased = (atMillis: number, ...seqs: ReadonlyArray<number>): Write =>
  Write.Lease({ meshId, deliveries: seqs.map((seq) => ({ inbox: inboxOf(bob), seq })), atMillis })

/** By somebody who is no broker, and does not wait. */
const refusedByHand = async (url: string): Promise<string> => {
  const sql = new Bun.SQL(url)
  const writing = sql.begin(async (one) => {
    await one`SET LOCAL lock_timeout = '100ms'`
    await one`UPDATE mesh.mesh SET name = name`
  })
  const said = await writing.then(
    () => "it was written",
    (error: unknown) => String(error),
  )
  await sql.close()
  return said
}

/** Something of each kind that a store keeps. */
const filled = Effect.gen(function* () {
  const store = yield* MessageStore
  const sql = yield* SqlClient.SqlClient
  yield* store.createMesh(meshRecord, undefined, [alice, bob, carol], 5)
  yield* store.createMesh(
    { ...meshRecord, meshId: MeshId.make("mesh-2"), name: DisplayName.make("Zwölf \u{1F600}"), allowUnsealed: true },
    undefined,
    [],
    6,
  )
  const invite = inviteFrom(door, { meshId, uses: 3 })
  yield* commit(Write.InviteAdded({ meshId, seq: 2, invite, atMillis: 7 }))
  const revocation = revocationIn(newRegister(), carol.publicKey, owner, { meshId, kept: [alice.publicKey, dave.key] })
  yield* commit(
    Write.MemberJoined({ meshId, seq: 3, certificate: certificateFor(dave, door, { allowV1: true }), atMillis: 8 }),
    Write.KeyRevoked({ seq: 4, revocation, atMillis: 9 }),
    Write.MeshMoved({ seq: 5, moved: movedBy(owner, { meshId }), atMillis: 10 }),
  )
  yield* commit(
    sessionWrite("SessionAttached", "s1", 20),
    sessionWrite("SessionAttached", "s2", 20),
    sessionWrite("SessionDetached", "s2", 30),
    channelWrite("ChannelJoined", "s1", "builds"),
  )
  yield* commit(acceptOf(messageOf(10)), acceptOf(messageOf(11, { priority: "now", ciphertext: "A".repeat(40_000) })))
  yield* commit(acceptOf(messageOf(12, { priority: "low", replyTo: messageOf(10).messageId }), [inboxOf(bob, "s2")]))
  yield* commit(
    toGroup(13),
    toGroup(14),
    toGroup(15, { priority: "low" }),
    acceptOf(messageOf(16)),
    acceptOf(messageOf(17), []),
  )
  // One of a group, the whole of another, and a direct one.
  yield* commit(consumeOf(13, inboxOf(carol, "s1"), 60), consumeOf(16, inboxOf(bob), 61))
  yield* commit(
    ...[inboxOf(bob), inboxOf(bob, "s1"), inboxOf(carol, "s1")].map((inbox, n) => consumeOf(14, inbox, 70 + n)),
  )
  yield* commit(leased(80, 10), leased(0, 13))
  // To the member's, where it has it already and where it has not.
  yield* commit(acceptOf(messageOf(18), [inboxOf(bob, "s2")]), toGroup(19))
  yield* commit(moveOf("all", "s2"), moveOf("all", "s1"))
  // Acked in the inbox that it was moved to, of numbers that do not stand together.
  yield* commit(...[300, 301, 700].map((seq) => acceptOf(messageOf(seq), [inboxOf(bob, "s3")])))
  yield* commit(moveOf("all", "s3"))
  yield* commit(consumeOf(301, inboxOf(bob), 90), consumeOf(700, inboxOf(bob), 91))
  // Their time is over, and their texts have gone: one of a person and one of a group.
  yield* commit(acceptOf(messageOf(800, { expiresAtMillis: 1_900 })), toGroup(801, { expiresAtMillis: 1_900 }))
  yield* store.applyRetention(
    { messageRowMillis: week, sessionMillis: week, auditMillis: week, inviteMillis: week },
    100,
    at,
  )
  yield* commit(...Array.from({ length: 40 }, (_, n) => acceptOf(messageOf(900 + n), [inboxOf(carol, "s1")])))
  yield* sql`INSERT INTO mesh.audit_rotation VALUES ('0a', '0b', 95, 'signed')`
  // Of a mesh from before there was a chain.
  yield* store.createMesh({ ...meshRecord, meshId: old }, undefined, [], 6)
  yield* sql`INSERT INTO mesh.journal (key, at, actors, events) SELECT (number << 36) + 9, 3,
    ${JSON.stringify([
      ["bob", "s1"],
      ["bob", null],
    ])},
    ${JSON.stringify([
      [1, 2, "mesh_created", null, null, null, null, null, 3],
      [8, 3, "message_accepted", 0, "1".repeat(32), "*", "low", 9, 2],
      [9, 3, "message_accepted", 1, "2".repeat(32), "*", "low", 9, 2],
    ])}
    FROM mesh.address WHERE mesh_id = ${old} AND member_id = ''`
  yield* sql`DELETE FROM mesh.audit_block WHERE key >> 36 = (SELECT number FROM mesh.address WHERE mesh_id = ${old} AND member_id = '')`
  yield* Effect.provide(signHeads, BunCrypto.layer)
})

const exported = Effect.gen(function* () {
  const all: Array<AuditRecord> = []
  yield* eachPage(undefined, (page) => Effect.sync(() => void all.push(...page)))
  return all
})

/** All that a broker, a client or an auditor can learn of it. Loading raises the epoch. */
const told = Effect.gen(function* () {
  const store = yield* MessageStore
  const sql = yield* SqlClient.SqlClient
  const pages = yield* Effect.forEach(inboxes, (inbox) =>
    Effect.forEach(["now", "next", "low"] satisfies ReadonlyArray<Priority>, (priority) =>
      store.page({ meshId, inbox, priority, afterSeq: 0, limit: 1_000, nowMillis: at }),
    ),
  )
  const ids = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 300, 301, 700, 800, 801, 900].map(
    (seq) => messageOf(seq).messageId,
  )
  const reports = yield* Effect.forEach(ids, (id) =>
    Effect.map(store.deliveryReportOf(meshId, id), (found) => {
      const report = Option.getOrThrow(found)
      return {
        ...report,
        deliveries: report.deliveries.toSorted((a, b) => (JSON.stringify(a.inbox) < JSON.stringify(b.inbox) ? -1 : 1)),
      }
    }),
  )
  const rows = yield* Effect.forEach(
    [
      ...alike.map((table) => `SELECT * FROM mesh.${table}`),
      "SELECT id, slug, name, owner_public_key, allow_unsealed, created_at FROM mesh.mesh",
      "SELECT mesh_id, seq, event, at, actor_member_id, actor_session_id, message_id, target_spec, priority, ciphertext_bytes, recipients FROM mesh.audit_log",
    ],
    (text) => Effect.map(sql.unsafe<Record<string, unknown>>(text), (all) => all.map(asText).toSorted()),
  )
  const backlog = yield* store.backlog(meshId, inboxes, at)
  const meshes = yield* Effect.forEach([meshId, MeshId.make("mesh-2"), old], (id) =>
    Effect.map(store.loadMesh(id), (found) => Option.getOrThrow(found)),
  )
  return {
    pages,
    reports,
    rows,
    backlog,
    audit: yield* exported,
    meshes: meshes.map((mesh) => ({
      ...mesh,
      epoch: 0,
      waiting: mesh.waiting.map((one) => JSON.stringify(one)).toSorted(),
    })),
    epochs: meshes.map(({ epoch }) => epoch),
  }
})

const asText = (row: Readonly<Record<string, unknown>>): string =>
  JSON.stringify(
    Object.entries(row)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, value]) => [name, typeof value === "bigint" ? Number(value) : value]),
  )

const quietly = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(Effect.provideService(References.MinimumLogLevel, "None"), Effect.orDie)

const onSqlite = <A, E>(
  folder: string,
  effect: Effect.Effect<A, E, MessageStore | SqlClient.SqlClient | AuditStores>,
) => Effect.provide(effect, sqliteStoreOn(sqliteAt(folder)))
const onPostgres = <A, E>(url: string, effect: Effect.Effect<A, E, MessageStore | SqlClient.SqlClient | AuditStores>) =>
  Effect.provide(effect, storeOn(postgresAt(url)))
type AuditStores = Effect.Services<typeof exported>

const ignored = () => Effect.void
const toPostgres = (dataDir: string, url: string, progress: Parameters<typeof migrateTo>[1] = ignored) =>
  migrateTo({ _tag: "ToPostgres", dataDir, url: Redacted.make(url) }, progress)
const toSqlite = (url: string, dataDir: string, progress: Parameters<typeof migrateTo>[1] = ignored) =>
  migrateTo({ _tag: "ToSqlite", dataDir, url: Redacted.make(url) }, progress)

/** Of every table of Postgres all rows, with the receipts one by one. */
const dumped = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const texts = kinds.map((kind) =>
    kind === "consumed"
      ? "SELECT p.mesh_id, p.bucket, u.* FROM mesh.consumed p CROSS JOIN LATERAL unnest(p.seqs, p.members, p.sessions, p.ats) u(seq, member, session, at)"
      : `SELECT * FROM mesh.${kind}`,
  )
  return yield* Effect.forEach(texts, (text) =>
    Effect.map(
      sql.unsafe<{ readonly text: string }>(`SELECT to_jsonb(o)::text AS text FROM (${text}) o ORDER BY 1`),
      (rows) => rows.map((row) => row.text),
    ),
  )
})

const raised = (epochs: ReadonlyArray<number>): ReadonlyArray<number> => epochs.map((epoch) => epoch + 1)

layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("broker migrate-to", (it) => {
  it.effect(
    "takes all of it to Postgres and back: what waits, results of resends, members, the audit byte for byte (I7, I29)",
    () =>
      quietly(
        Effect.scoped(
          Effect.gen(function* () {
            const server = yield* Postgres
            const [first, second] = [yield* temporaryFolder, `${yield* temporaryFolder}/new/folder`]
            const [one, other] = [yield* server.freshDatabase, yield* server.freshDatabase]
            yield* onSqlite(first, filled)
            const before = yield* onSqlite(first, told)
            assert.isAbove(before.audit.filter(({ type }) => type === "block").length, 10)
            assert.include(JSON.stringify(before.audit), chainBegins)

            const seen: Array<string> = []
            const counts = yield* toPostgres(first, one, (kind, done, of) =>
              Effect.sync(() => void seen.push(`${kind} ${done} ${of}`)),
            )
            assert.include(seen, `accepted ${counts.accepted} ${counts.accepted}`)
            for (const kind of kinds) assert.isAbove(counts[kind], 0, `the test has nothing of ${kind}`)
            const dump = yield* onPostgres(one, dumped)
            const there = yield* onPostgres(one, told)
            assert.deepStrictEqual(there, { ...before, epochs: raised(before.epochs) })

            assert.deepStrictEqual(yield* toSqlite(one, second), counts)
            assert.deepStrictEqual(readdirSync(second), ["broker.sqlite"])
            const back = yield* onSqlite(second, told)
            assert.deepStrictEqual(back, { ...before, epochs: raised(there.epochs) })

            yield* toPostgres(second, other)
            const [meshes, ...rest] = yield* onPostgres(other, dumped)
            const [meshesBefore, ...restBefore] = dump
            assert.deepStrictEqual(rest, restBefore)
            assert.lengthOf(meshes ?? [], meshesBefore?.length ?? 0)
          }),
        ),
      ),
  )

  it.effect(
    "goes on there: an old id has its first result, numbers go on, an earlier owner is refused, texts go with the last ack (I6, I7, I8)",
    () =>
      quietly(
        Effect.scoped(
          Effect.gen(function* () {
            const url = yield* (yield* Postgres).freshDatabase
            const [first, second] = [yield* temporaryFolder, yield* temporaryFolder]
            yield* onSqlite(first, filled)
            yield* toPostgres(first, url)
            const goesOn = (lastSeq: number, epoch: number) =>
              Effect.gen(function* () {
                const store = yield* MessageStore
                const mesh = Option.getOrThrow(yield* store.loadMesh(meshId))
                assert.deepStrictEqual([mesh.lastSeq, mesh.epoch], [lastSeq, epoch])
                const [again, fresh] = yield* commitIn(
                  epoch,
                  acceptOf(messageOf(lastSeq + 1, { id: "m10", contentHash: "another" })),
                  acceptOf(messageOf(lastSeq + 2)),
                )
                assert.deepStrictEqual([again?._tag, fresh?._tag], ["Duplicate", "Done"])
                assert.strictEqual(again?._tag === "Duplicate" && again.contentHash, "hash")
                assert.strictEqual(
                  (yield* Effect.flip(commitIn(epoch - 1, acceptOf(messageOf(lastSeq + 3))))).reason,
                  "fenced",
                )
                const sql = yield* SqlClient.SqlClient
                const texts = sql<{ readonly n: number | bigint }>`SELECT count(*) AS n FROM mesh.group_text`
                const before = Number((yield* texts)[0]?.n)
                yield* commit(
                  ...[inboxOf(bob), inboxOf(carol, "s1")].map((inbox) =>
                    epoch === 1 ? consumeOf(15, inbox, 5_000, "low") : consumeOf(19, inbox),
                  ),
                )
                assert.strictEqual(Number((yield* texts)[0]?.n), before - 1)
              })
            yield* onPostgres(url, goesOn(939, 1))
            // The number of a resend is taken in Postgres, and no event has it.
            yield* onPostgres(url, commit(acceptOf(messageOf(950, { id: "m10" }))))
            yield* toSqlite(url, second)
            yield* onSqlite(second, goesOn(950, 2))
            yield* onSqlite(
              second,
              Effect.gen(function* () {
                // Whatever was kept goes in its time, and leaves nothing.
                const all = { messageRowMillis: 0, sessionMillis: 0, auditMillis: week * 2, inviteMillis: 0 }
                while ((yield* (yield* MessageStore).applyRetention(all, 100, week)) === "more") yield* Effect.void
                const sql = yield* SqlClient.SqlClient
                for (const table of ["accepted", "waiting", "group_text", "consumed"]) {
                  assert.deepStrictEqual(yield* sql.unsafe(`SELECT 1 FROM mesh.${table}`), [], table)
                }
              }),
            )
          }),
        ),
      ),
  )

  it.effect("knows every table of both databases: one that is new must be moved, or named as staying", () =>
    quietly(
      Effect.scoped(
        Effect.gen(function* () {
          const folder = yield* temporaryFolder
          const url = yield* (yield* Postgres).freshDatabase
          const files = yield* onSqlite(
            folder,
            Effect.flatMap(
              SqlClient.SqlClient,
              (sql) =>
                sql<{
                  readonly name: string
                }>`SELECT name FROM mesh.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`,
            ),
          )
          assert.sameMembers(
            files.map(({ name }) => name),
            [...kinds, ...ofOneDatabase.sqlite],
          )
          const tables = yield* onPostgres(
            url,
            Effect.flatMap(
              SqlClient.SqlClient,
              (sql) => sql<{ readonly name: string }>`SELECT table_name AS name FROM information_schema.tables
                WHERE table_schema = 'mesh' AND table_type = 'BASE TABLE'`,
            ),
          )
          assert.sameMembers(
            tables.map(({ name }) => name),
            [...kinds, ...ofOneDatabase.postgres],
          )
        }),
      ),
    ),
  )
})

const why = <A, E>(moving: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(moving), (error) =>
    error instanceof NotMoved ? `${error.why}: ${error.detail}` : `something else: ${String(error)}`,
  )

layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("broker migrate-to refuses", (it) => {
  it.effect("a target that has something, a source that is missing or in use, and a password stays unsaid", () =>
    quietly(
      Effect.scoped(
        Effect.gen(function* () {
          const server = yield* Postgres
          const [empty, full] = [yield* server.freshDatabase, yield* server.freshDatabase]
          const [folder, none] = [yield* temporaryFolder, yield* temporaryFolder]
          yield* onSqlite(folder, filled)
          assert.strictEqual(yield* why(toPostgres(none, empty)), `source_missing: ${none}/broker.sqlite`)
          assert.deepStrictEqual(readdirSync(none), [])
          assert.strictEqual(
            yield* why(
              onSqlite(
                folder,
                Effect.suspend(() => toPostgres(folder, empty)),
              ),
            ),
            `source_in_use: ${folder}`,
          )
          yield* toPostgres(folder, full)
          assert.match(yield* why(toPostgres(folder, full)), /^target_not_empty: .*\bmesh\b/)
          assert.strictEqual(yield* why(toSqlite(full, folder)), `target_not_empty: ${folder}/broker.sqlite`)
          // A broker that has nothing to do is known by its one connection.
          assert.strictEqual(
            yield* why(
              onPostgres(
                full,
                Effect.suspend(() => toSqlite(full, none)),
              ),
            ),
            "source_in_use: Postgres",
          )
          assert.deepStrictEqual(readdirSync(none), [])
          const wrong = full.replace(/password/, "notthepassword")
          assert.notInclude(yield* why(toPostgres(folder, wrong)), "notthepassword")
          assert.match(yield* why(toSqlite(full.replace(/:\d+\//, ":1/"), none)), /^source_unusable: /)
        }),
      ),
    ),
  )

  it.effect("to leave a half behind: a move that is cut off has changed nothing, and is made again", () =>
    quietly(
      Effect.scoped(
        Effect.gen(function* () {
          const url = yield* (yield* Postgres).freshDatabase
          const [folder, second] = [yield* temporaryFolder, yield* temporaryFolder]
          yield* onSqlite(folder, filled)
          const before = yield* onSqlite(folder, told)
          const cut: Parameters<typeof migrateTo>[1] = (kind) => (kind === "consumed" ? Effect.interrupt : Effect.void)
          yield* Effect.exit(toPostgres(folder, url, cut))
          const tables = yield* Effect.provide(
            Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1 FROM pg_namespace WHERE nspname = 'mesh'`),
            postgresAt(url),
          )
          assert.deepStrictEqual(tables, [])
          const counts = yield* toPostgres(folder, url)
          const during: Array<string> = []
          const look: Parameters<typeof migrateTo>[1] = (kind) =>
            kind === "accepted" && during.length === 0
              ? Effect.gen(function* () {
                  during.push(yield* Effect.promise(() => refusedByHand(url)))
                  // Else the connection is given up for its silence while all of a large table is counted.
                  assert.isAbove(yield* StatementMillis, 3_000_000)
                })
              : Effect.void
          yield* Effect.exit(toSqlite(url, second, cut))
          assert.deepStrictEqual(readdirSync(second), [])
          // As a kill would leave it.
          for (const end of ["", "-wal"]) writeFileSync(`${second}/broker.sqlite.part${end}`, "half of it")
          assert.deepStrictEqual(yield* toSqlite(url, second, look), counts)
          assert.match(during[0] ?? "", /lock timeout/)
          assert.isFalse(existsSync(`${second}/broker.sqlite.part`))
          assert.deepStrictEqual((yield* onSqlite(second, told)).pages, before.pages)
        }),
      ),
    ),
  )
})
