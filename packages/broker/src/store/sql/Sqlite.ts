/**
 * The embedded database: one file in a folder that only its owner may read, attached under the name `mesh`. The
 * file is locked for as long as the broker runs, so a second broker on it is refused.
 */
import { SqliteClient } from "@effect/sql-sqlite-bun"
import { Effect, FileSystem, Layer, Schema } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { probeTable } from "./Dialect.ts"

export class DataDirUnusable extends Schema.TaggedError<DataDirUnusable>()("DataDirUnusable", {
  dataDir: Schema.String,
  problem: Schema.String,
}) {
  override get message() {
    return `BROKER_DATA_DIR ${this.dataDir}: ${this.problem}`
  }
}

/** `:memory:` for a store that lives as long as its layer. */
export const sqliteFile = (file: string) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`ATTACH ${file} AS mesh`
      yield* sql`PRAGMA mesh.locking_mode = EXCLUSIVE`
      yield* sql`PRAGMA mesh.journal_mode = WAL`
      // Set on the attached file: without it an ack would not survive power loss.
      yield* sql`PRAGMA mesh.synchronous = FULL`
      // The lock is taken by the first write: take it now, so that a second broker fails at its start.
      yield* sql`PRAGMA mesh.user_version = 1`
      yield* probeTable(sql)
    }),
  ).pipe(Layer.provideMerge(SqliteClient.layer({ filename: ":memory:", disableWAL: true })))

export const sqliteIn = (dataDir: string) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      yield* files.makeDirectory(dataDir, { recursive: true, mode: 0o700 })
      const file = `${dataDir}/broker.sqlite`
      return sqliteFile(file).pipe(
        Layer.catch((error) =>
          Layer.effectContext(
            Effect.fail(
              new DataDirUnusable({
                dataDir,
                problem:
                  error.reason._tag === "LockTimeoutError"
                    ? "another broker is using it; stop that one, or give this one another folder"
                    : `its database cannot be opened (${error.reason.message})`,
              }),
            ),
          ),
        ),
      )
    }).pipe(
      Effect.catchTag("PlatformError", (error) =>
        Effect.fail(new DataDirUnusable({ dataDir, problem: `cannot be made (${error.message})` })),
      ),
    ),
  )
