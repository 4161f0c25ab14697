/** What a statement's failure means to the store, and a transaction whose outcome may not be known. */
import { Effect, Predicate } from "effect"
import { type SqlClient, SqlError } from "effect/unstable/sql"
import { StoreError } from "../MessageStore.ts"
import { auditBlockKey } from "./AuditChain.ts"
import { fencedCode } from "./Layout.ts"

export const storeError = (error: SqlError.SqlError | StoreError): StoreError => {
  if (error._tag === "StoreError") return error
  const { reason } = error
  const isFenced = Predicate.hasProperty(reason.cause, "code") && reason.cause.code === fencedCode
  if (isFenced || reason._tag === "UniqueViolation") return new StoreError({ reason: "fenced", cause: error })
  // A constraint or a value the database cannot take; everything else may pass by itself.
  const rejected = reason._tag === "ConstraintError" || reason._tag === "SqlSyntaxError"
  return new StoreError({ reason: rejected ? "rejected" : "unavailable", cause: error })
}

export type Transaction = <A>(body: Effect.Effect<A, SqlError.SqlError | StoreError>) => Effect.Effect<A, StoreError>

/** Chosen to end a deadlock, or overtaken: it is rolled back, nothing is wrong with it, and it may be tried at once. */
const isTakenBack = (error: SqlError.SqlError | StoreError): boolean => {
  if (error._tag === "StoreError") return false
  const { reason } = error
  // It saw the mesh's audit as it was before a commit that it has waited for.
  if (reason._tag === "UniqueViolation") return reason.constraint === auditBlockKey
  return reason._tag === "DeadlockError" || reason._tag === "SerializationError"
}

const triesMax = 3

/** One that is a transaction by itself. */
export const statement = <A>(body: Effect.Effect<A, SqlError.SqlError | StoreError>): Effect.Effect<A, StoreError> =>
  body.pipe(Effect.retry({ while: isTakenBack, times: triesMax - 1 }), Effect.mapError(storeError))

/** A COMMIT or ROLLBACK that fails comes as a defect: what became of the transaction is then not known. */
export const transactionOn =
  (sql: SqlClient.SqlClient): Transaction =>
  (body) =>
    sql.withTransaction(body).pipe(
      Effect.retry({ while: isTakenBack, times: triesMax - 1 }),
      Effect.mapError(storeError),
      Effect.catchDefect((defect) =>
        SqlError.isSqlError(defect)
          ? Effect.fail(new StoreError({ reason: "unavailable", cause: defect }))
          : Effect.die(defect),
      ),
    )
