/**
 * The handle as an SQL client, for a test that looks at the tables. Nobody may use both at once, since a transaction of one
 * would be the other's.
 */
import type { Database, SQLQueryBindings } from "bun:sqlite"
import { Effect, Layer, Semaphore, Stream } from "effect"
import { Reactivity } from "effect/unstable/reactivity"
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/unstable/sql"
import { SqliteHandle } from "../../src/store/sqlite/Handle.ts"

export const sqlClient = Layer.effect(
  SqlClient.SqlClient,
  Effect.gen(function* () {
    const { database } = yield* SqliteHandle
    const connection = connectionOf(database)
    const semaphore = yield* Semaphore.make(1)
    return yield* SqlClient.make({
      acquirer: semaphore.withPermits(1)(Effect.succeed(connection)),
      transactionAcquirer: Effect.as(
        Effect.acquireRelease(semaphore.take(1), () => semaphore.release(1)),
        connection,
      ),
      compiler: Statement.makeCompilerSqlite(),
      spanAttributes: [["db.system.name", "sqlite"]],
    })
  }),
).pipe(Layer.provide(Reactivity.layer))

const connectionOf = (database: Database): SqlConnection.Connection => {
  const attempt = <A>(run: () => A): Effect.Effect<A, SqlError.SqlError> =>
    Effect.try({
      try: run,
      catch: (cause) =>
        new SqlError.SqlError({
          reason: SqlError.classifySqliteError(cause, { message: "a statement failed", operation: "execute" }),
        }),
    })
  const all = (text: string, params: ReadonlyArray<unknown>) =>
    attempt(() => database.query<Record<string, unknown>, Array<SQLQueryBindings>>(text).all(...bound(params)))
  const values = (text: string, params: ReadonlyArray<unknown>) =>
    attempt(() => database.query<unknown, Array<SQLQueryBindings>>(text).values(...bound(params)))
  const transformed: SqlConnection.Connection["execute"] = (text, params, transformRows) =>
    Effect.map(all(text, params), (rows) => transformRows?.(rows) ?? rows)
  return {
    execute: transformed,
    executeUnprepared: transformed,
    executeRaw: all,
    executeValues: values,
    executeValuesUnprepared: values,
    executeStream: () => Stream.die("an embedded database gives no streams"),
  }
}

const bound = (params: ReadonlyArray<unknown>): Array<SQLQueryBindings> =>
  params.map((value) => {
    if (value === null || typeof value === "string" || typeof value === "number") return value
    if (typeof value === "bigint" || typeof value === "boolean" || value instanceof Uint8Array) return value
    throw new Error(`SQLite takes no ${typeof value}`)
  })
