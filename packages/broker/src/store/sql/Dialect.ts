/** What the statements of Postgres have in common. Its columns are text and bigint only. */
import type { MeshId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import { type SqlClient, SqlError } from "effect/unstable/sql"
import { StatementMillis } from "../Deadlines.ts"
import type { Column, Parameters, Tables } from "./Tables.ts"

/** A JSON array of objects as a table `r`: one parameter and one statement for a batch of any size. */
export const records = (
  sql: SqlClient.SqlClient,
  rows: ReadonlyArray<Row>,
  columns: Readonly<Record<string, Column>>,
) => {
  const names = Object.keys(columns)
  const json = JSON.stringify(rows)
  return sql`jsonb_to_recordset(${json}::text::jsonb) AS r(${sql.literal(names.map((name) => `"${name}" ${columns[name]}`).join(", "))})`
}

/** As they stand in a statement, in their order. */
export const namesOf = (sql: SqlClient.SqlClient, columns: Readonly<Record<string, Column>>) =>
  sql.literal(Object.keys(columns).join(", "))

/** What is not there is NULL. */
type Row = Readonly<Record<string, string | number | null | undefined>>

export const insertInto = <Table extends keyof Tables>(
  sql: SqlClient.SqlClient,
  table: Table,
  columns: Readonly<Record<string, Column>>,
  rows: ReadonlyArray<Parameters<Table>>,
) => {
  const names = namesOf(sql, columns)
  return sql`INSERT INTO mesh.${sql.literal(table)} (${names}) SELECT ${names} FROM ${records(sql, rows, columns)}`
}

/** Where the schema's name stands in a CREATE INDEX. `rest`: from the parenthesis of the columns on. */
export const createIndex = (sql: SqlClient.SqlClient, name: string, table: string, rest: string) =>
  sql`CREATE INDEX ${sql.literal(name)} ON mesh.${sql.literal(table)} ${sql.literal(rest)}`

/** Of the advisory locks that stand for meshes; any number, as long as it is the same in every broker. */
export const meshLocks = 7_900_002

/**
 * At the end of a SELECT of meshes: nobody takes them over until the transaction has ended, and the rows are those of the
 * last who has. The advisory lock is the queue: without it many who hold a row could keep somebody waiting who changes it.
 */
export const holding = `pg_advisory_xact_lock_shared(hashtextextended(id, ${meshLocks}))::text IS NOT NULL FOR SHARE`

/** At the end of a SELECT of rows that go: those that somebody else is writing are passed by, and nobody is waited for. */
export const passingBy = (sql: SqlClient.SqlClient, alias: string) => sql.literal(`FOR UPDATE OF ${alias} SKIP LOCKED`)

/** Waits for all that hold the mesh, and holds up all that want to, until the transaction has ended. It may take as long as its caller says. */
export const aloneWith = (sql: SqlClient.SqlClient, meshId: MeshId): Effect.Effect<void, SqlError.SqlError> =>
  Effect.flatMap(StatementMillis, (millis) =>
    Effect.asVoid(
      sql`SELECT set_config('statement_timeout', ${String(Math.floor(millis))}, true),
        pg_advisory_xact_lock(hashtextextended(${meshId}, ${meshLocks}))`,
    ),
  )

/** Fails where nothing can be stored: Postgres says so itself, as a standby or when it was set to. */
export const canWrite = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError.SqlError> =>
  Effect.flatMap(sql<{ readonly closed: string }>`SELECT current_setting('transaction_read_only') AS closed`, ([row]) =>
    row?.closed === "on" ? Effect.fail(takesNoWrites) : Effect.void,
  )

const takesNoWrites = new SqlError.SqlError({
  reason: new SqlError.ConnectionError({ cause: "read-only", message: "the database takes no writes now" }),
})
