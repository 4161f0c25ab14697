/**
 * Postgres as an end of a move. Both are used in one transaction of their own, which holds up every broker that begins meanwhile. Tables and
 * columns are those that the database has.
 */
import { Effect, Schema } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import { StatementMillis } from "../Deadlines.ts"
import { advisoryLock, longMillis } from "../postgres/Migrations.ts"
import { applicationName } from "../postgres/Postgres.ts"
import { Int8 } from "../sql/Tables.ts"
import {
  checkTables,
  type Counts,
  countsBy,
  isAlike,
  type Kind,
  kinds,
  NotMoved,
  ofOneDatabase,
  rowIn,
  type Source,
  type Target,
} from "./Kinds.ts"

const decodeColumns = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ table: Schema.String, name: Schema.String, type: Schema.String })),
)
const decodeCount = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct({ count: Int8 })]))
const decodeTexts = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ text: Schema.String })))

/** Of every table, in its order. */
const columnsOf = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  const rows = yield* decodeColumns(
    yield* sql`SELECT c.relname::text AS "table", a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE n.nspname = 'mesh' AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum`,
  )
  const tables = new Map<string, Array<{ readonly name: string; readonly type: string }>>()
  for (const { name, table, type } of rows) tables.set(table, [...(tables.get(table) ?? []), { name, type }])
  return tables
})

/** The times of a session are for statements of a few rows; and tables are read from one end to the other here. */
const begin = (sql: SqlClient.SqlClient) =>
  Effect.andThen(
    sql`SELECT set_config('statement_timeout', ${String(longMillis)}, true), set_config('idle_in_transaction_session_timeout', '0', true),
      set_config('enable_seqscan', 'on', true), set_config('enable_mergejoin', 'on', true)`,
    sql`SELECT pg_advisory_xact_lock(${advisoryLock})`,
  )

/** A statement may take long, and the connection is not given up for its silence. */
const inOneTransaction = <A, E, R>(sql: SqlClient.SqlClient, body: Effect.Effect<A, E, R>) =>
  Effect.provideService(sql.withTransaction(body), StatementMillis, longMillis)

const countWith = (sql: SqlClient.SqlClient) => (rows: string) =>
  Effect.map(Effect.flatMap(sql.unsafe(rows), decodeCount), ([{ count }]) => count)

/** Of receipts those whose message is known still. */
const receipts = `(SELECT DISTINCT p.mesh_id, u.seq, u.member, u.session FROM mesh.consumed p
    CROSS JOIN LATERAL unnest(p.seqs, p.members, p.sessions) u(seq, member, session)) r
  JOIN mesh.accepted a ON a.mesh_id = r.mesh_id AND a.seq = r.seq`

const hasText = (waiting: string) =>
  `(${waiting}.ciphertext IS NOT NULL OR EXISTS (SELECT 1 FROM mesh.group_text g WHERE g.mesh_id = ${waiting}.mesh_id AND g.seq = ${waiting}.seq))`

const countTexts: Partial<Record<Kind, string>> = {
  waiting: `SELECT count(*) AS count FROM mesh.waiting w WHERE ${hasText("w")}`,
  consumed: `SELECT count(*) AS count FROM ${receipts}`,
  journal: "SELECT coalesce(sum(cardinality(seqs)), 0)::bigint AS count FROM mesh.journal",
}

const countsOf = (sql: SqlClient.SqlClient): Source["counts"] => {
  const count = countWith(sql)
  return Effect.map(
    Effect.forEach(kinds, (kind) =>
      Effect.map(
        count(countTexts[kind] ?? `SELECT count(*) AS count FROM mesh.${kind}`),
        (found) => [kind, found] as const,
      ),
    ),
    (all): Counts => {
      const found = new Map(all)
      return countsBy((kind) => found.get(kind) ?? 0)
    },
  )
}

/** From which session a message was sent is known for as long as somebody waits for it. */
const senderSession = `coalesce((SELECT g.sender_session_id FROM mesh.group_text g WHERE g.mesh_id = a.mesh_id AND g.seq = a.seq),
  (SELECT w.sender_session_id FROM unnest(a.recipient_members, a.recipient_sessions) r(member_id, session_id)
    JOIN mesh.waiting w ON w.mesh_id = a.mesh_id AND w.member_id = r.member_id AND w.session_id = r.session_id
      AND w.priority = a.priority AND w.seq = a.seq WHERE w.sender_session_id IS NOT NULL LIMIT 1), '')`

const rowTexts: Partial<Record<Kind, string>> = {
  accepted: `SELECT a.*, ${senderSession} AS sender_session_id FROM mesh.accepted a`,
  waiting: `SELECT w.* FROM mesh.waiting w WHERE ${hasText("w")}`,
  audit_block: "SELECT * FROM mesh.audit_block ORDER BY mesh_id, number",
  journal: "SELECT * FROM mesh.journal ORDER BY mesh_id, last_seq",
}

/** A text may have more than a million characters, and receipts are many in a row. */
const fetched = (kind: Kind): number => {
  if (isAlike(kind) || kind === "accepted") return 1_000
  return kind === "waiting" || kind === "group_text" ? 32 : 100
}

/** Whoever writes to a mesh is called so, at every broker; and it has always one connection. */
const brokersOf = (sql: SqlClient.SqlClient) =>
  Effect.map(
    sql`SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = ${applicationName} AND pid <> pg_backend_pid()`,
    (found) => found.length,
  )

/** Nobody is to be waited for who has it in hand by other means. */
const lockMillis = 5_000

const inUse = new NotMoved({ why: "source_in_use", detail: "Postgres" })

/** What `use` reads is of one moment, and nothing was written to the database until its end. */
export const fromPostgres = <A, E, R>(sql: SqlClient.SqlClient, use: (source: Source) => Effect.Effect<A, E, R>) =>
  inOneTransaction(
    sql,
    Effect.gen(function* () {
      if ((yield* brokersOf(sql)) > 0) return yield* inUse
      yield* begin(sql)
      yield* sql`SELECT set_config('lock_timeout', ${String(lockMillis)}, true)`
      const tables = yield* columnsOf(sql)
      yield* sql.unsafe(`LOCK TABLE ${[...tables.keys()].map((name) => `mesh.${name}`).join(", ")} IN SHARE MODE`)
      yield* checkTables([...tables.keys()], ofOneDatabase.postgres)
      const result = yield* use({ counts: countsOf(sql), each: eachWith(sql) })
      // One that has begun meanwhile waits for the end of this.
      if ((yield* brokersOf(sql)) > 0) return yield* inUse
      return result
    }),
  )

const eachWith =
  (sql: SqlClient.SqlClient): Source["each"] =>
  (kind, take) =>
    Effect.gen(function* () {
      const rows = rowTexts[kind] ?? `SELECT * FROM mesh.${kind}`
      yield* sql.unsafe(`DECLARE moving NO SCROLL CURSOR FOR SELECT row_to_json(o)::text AS text FROM (${rows}) o`)
      while (true) {
        const found = yield* decodeTexts(yield* sql.unsafe(`FETCH ${fetched(kind)} FROM moving`))
        if (found.length === 0) break
        yield* take(yield* Effect.forEach(found, ({ text }) => rowIn(text)))
      }
      yield* sql`CLOSE moving`
    })

/** All of it is there at the end, or nothing. `migrate`: makes the tables. */
export const intoPostgres = <A, E, R, Unmade>(
  sql: SqlClient.SqlClient,
  migrate: Effect.Effect<unknown, Unmade>,
  use: (target: Target) => Effect.Effect<A, E, R>,
) =>
  inOneTransaction(
    sql,
    Effect.gen(function* () {
      yield* begin(sql)
      const filled = yield* Effect.filter([...(yield* columnsOf(sql)).keys()], (name) =>
        name === "migration"
          ? Effect.succeed(false)
          : Effect.map(sql.unsafe(`SELECT 1 FROM mesh.${name} LIMIT 1`), (found) => found.length > 0),
      )
      if (filled.length > 0) return yield* new NotMoved({ why: "target_not_empty", detail: filled.join(", ") })
      yield* migrate
      const tables = yield* columnsOf(sql)
      const write: Target["write"] = (kind, rows) => {
        const columns = tables.get(kind) ?? []
        const [first = {}] = rows
        const missing = columns.filter(({ name }) => !Object.hasOwn(first, name))
        if (missing.length > 0) return Effect.die(`nothing is said of ${kind}.${missing[0]?.name}`)
        const names = columns.map(({ name }) => `"${name}"`).join(", ")
        const types = columns.map(({ name, type }) => `"${name}" ${type}`).join(", ")
        return Effect.asVoid(
          sql.unsafe(
            `INSERT INTO mesh.${kind} (${names}) SELECT ${names} FROM jsonb_to_recordset($1::text::jsonb) AS r(${types})`,
            [JSON.stringify(rows)],
          ),
        )
      }
      return yield* use({ counts: countsOf(sql), write, complete: Effect.void })
    }),
  )
