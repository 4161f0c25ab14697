/**
 * The one handle on the embedded database. Its statements are prepared once and run one after the other, which holds the
 * process: so a transaction is one step, nobody is between its statements, and how much is in one is bounded by who calls.
 */
import type { Database, SQLQueryBindings } from "bun:sqlite"
import { Context, Effect, Predicate } from "effect"
import { StoreError } from "../MessageStore.ts"

interface Prepared {
  readonly text: string
  readonly finalize: () => void
}

export class SqliteHandle extends Context.Service<
  SqliteHandle,
  {
    readonly database: Database
    /** All that was prepared: it is given up before the file is closed, which otherwise stays locked. A test asks how each is carried out. */
    readonly prepared: Array<Prepared>
  }
>()("@claudemesh/broker/store/sqlite/SqliteHandle") {}

export type Handle = SqliteHandle["Service"]

/** The rows are what the statement says: nobody else writes to the file. */
export const prepare = <Row, Params extends Array<SQLQueryBindings>>({ database, prepared }: Handle, text: string) => {
  const statement = database.prepare<Row, Params>(text)
  prepared.push({ text, finalize: () => statement.finalize() })
  return statement
}

/** All or nothing. A COMMIT that fails leaves the transaction open, and what became of it is not said. */
export const inTransaction = <A>({ database }: Handle, body: () => A): Effect.Effect<A, StoreError> =>
  Effect.suspend(() => {
    let isCommitting = false
    try {
      database.run("BEGIN")
      const result = body()
      isCommitting = true
      database.run("COMMIT")
      return Effect.succeed(result)
    } catch (cause) {
      rollBack(database)
      return isCommitting ? Effect.fail(new StoreError({ reason: "unavailable", cause })) : failed(cause)
    }
  })

/** SQLite has rolled back by itself where the disk was full. */
const rollBack = (database: Database): void => {
  try {
    if (database.inTransaction) database.run("ROLLBACK")
  } catch {
    // The next BEGIN says what is wrong.
  }
}

export const reading = <A>(body: () => A): Effect.Effect<A, StoreError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(body())
    } catch (cause) {
      return failed(cause)
    }
  })

/** What SQLite says is an error of the store; anything else is a defect of ours. */
const failed = (cause: unknown): Effect.Effect<never, StoreError> => {
  if (Predicate.isTagged(cause, "StoreError") && cause instanceof StoreError) return Effect.fail(cause)
  const code = codeOf(cause)
  return code === undefined ? Effect.die(cause) : Effect.fail(new StoreError({ reason: reasonOf(code), cause }))
}

const codeOf = (cause: unknown): string | undefined =>
  Predicate.hasProperty(cause, "code") && typeof cause.code === "string" && cause.code.startsWith("SQLITE_")
    ? cause.code
    : undefined

/** A key that is taken was given by another owner. A constraint or a value refuses for ever; everything else may pass by itself. */
const reasonOf = (code: string): StoreError["reason"] => {
  if (/^SQLITE_CONSTRAINT_(PRIMARYKEY|UNIQUE|ROWID)$/.test(code)) return "fenced"
  return /^SQLITE_(CONSTRAINT|MISMATCH|TOOBIG)/.test(code) ? "rejected" : "unavailable"
}
