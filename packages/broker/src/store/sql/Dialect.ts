/**
 * Everything in which SQLite and Postgres differ, one helper for each difference. Columns are text and bigint
 * only, so the rest of the SQL is one text for both.
 */
import { Effect, Predicate } from "effect"
import type { SqlClient, SqlError } from "effect/unstable/sql"

export type Column = "bigint" | "text"

/** A JSON array of objects as a table `r`: one parameter and one statement for a batch of any size. */
export const records = (
  sql: SqlClient.SqlClient,
  rows: ReadonlyArray<Row>,
  columns: Readonly<Record<string, Column>>,
) => {
  const names = Object.keys(columns)
  const json = JSON.stringify(rows)
  return sql.onDialectOrElse({
    // jsonb_each, since json_each gives each object as text, to be parsed again for every column.
    sqlite: () =>
      sql`(SELECT ${sql.literal(names.map((name) => `value->>'${name}' AS "${name}"`).join(", "))} FROM jsonb_each(${json})) AS r`,
    orElse: () =>
      sql`jsonb_to_recordset(${json}::text::jsonb) AS r(${sql.literal(names.map((name) => `"${name}" ${columns[name]}`).join(", "))})`,
  })
}

/** As they stand in a statement, in their order. */
export const namesOf = (sql: SqlClient.SqlClient, columns: Readonly<Record<string, Column>>) =>
  sql.literal(Object.keys(columns).join(", "))

type Row = Readonly<Record<string, string | number | null>>

export const insertInto = (
  sql: SqlClient.SqlClient,
  table: string,
  columns: Readonly<Record<string, Column>>,
  rows: ReadonlyArray<Row>,
) => {
  const names = namesOf(sql, columns)
  return sql`INSERT INTO mesh.${sql.literal(table)} (${names}) SELECT ${names} FROM ${records(sql, rows, columns)}`
}

/** A key that is taken. The classification of SQLite's errors knows unique indexes, and not primary keys. */
export const isKeyTaken = ({ reason }: SqlError.SqlError): boolean =>
  reason._tag === "UniqueViolation" ||
  (Predicate.hasProperty(reason.cause, "code") && reason.cause.code === "SQLITE_CONSTRAINT_PRIMARYKEY")

/** After a COMMIT that failed: Postgres has ended the transaction, SQLite may have left it open on its one connection. */
export const endFailedTransaction = (sql: SqlClient.SqlClient): Effect.Effect<void> =>
  sql.onDialectOrElse({ sqlite: () => Effect.ignore(sql`ROLLBACK`), orElse: () => Effect.void })

/** Where the schema's name stands in a CREATE INDEX. `rest`: from the parenthesis of the columns on. */
export const createIndex = (sql: SqlClient.SqlClient, name: string, table: string, rest: string) =>
  sql.onDialectOrElse({
    sqlite: () => sql`CREATE INDEX mesh.${sql.literal(name)} ON ${sql.literal(table)} ${sql.literal(rest)}`,
    orElse: () => sql`CREATE INDEX ${sql.literal(name)} ON mesh.${sql.literal(table)} ${sql.literal(rest)}`,
  })
