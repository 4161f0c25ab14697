/**
 * The embedded database: one file in a folder that only its owner may read, attached under the name `mesh`. The
 * file is locked for as long as the broker runs, so a second broker on it is refused.
 */
import { platformWords, systemCodeOf, systemWords } from "@claudemesh/domain/SystemWords"
import { Database } from "bun:sqlite"
import { Effect, FileSystem, Layer, type PlatformError, Predicate, Schema } from "effect"
import * as SqlError from "effect/unstable/sql/SqlError"
import { type Handle, SqliteHandle } from "./Handle.ts"

export class DataDirUnusable extends Schema.TaggedError<DataDirUnusable>()("DataDirUnusable", {
  dataDir: Schema.String,
  problem: Schema.String,
}) {
  override get message() {
    return `BROKER_DATA_DIR ${this.dataDir}: ${this.problem}`
  }
}

/** What SQLite says, and what to do about it. */
const remedies: ReadonlyArray<readonly [RegExp, string]> = [
  [/SQLITE_BUSY|SQLITE_LOCKED/, "another broker is using it; stop that one, or give this one another folder"],
  [/SQLITE_FULL/, "its disk is full; make room, then start again"],
  [
    /SQLITE_CORRUPT|SQLITE_NOTADB/,
    "its broker.sqlite is damaged; put a backup in its place, or move it away to begin with nothing",
  ],
  [
    /SQLITE_READONLY|SQLITE_CANTOPEN|SQLITE_PERM|SQLITE_IOERR/,
    "its files cannot be read or written; check their owner and mode, and the disk",
  ],
]

/** The folder and the cause, for the operator. */
export const unusableData = (dataDir: string, { reason }: SqlError.SqlError): DataDirUnusable => {
  const { cause } = reason
  const said = Predicate.hasProperty(cause, "message") ? String(cause.message) : reason.message
  const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : said
  const [, remedy] = remedies.find(([pattern]) => pattern.test(code)) ?? []
  return new DataDirUnusable({ dataDir, problem: remedy === undefined ? said : `${remedy} (${said})` })
}

/** Why the folder could not be made, never in the framework's own words. */
const unmade = (error: PlatformError.PlatformError): string => {
  const { cause } = error.reason
  if (systemCodeOf(cause) === "EEXIST" || error.reason._tag === "AlreadyExists") return "it is a file and not a folder"
  return `it cannot be made: ${systemCodeOf(cause) === "" ? platformWords(error) : systemWords(cause)}`
}

const settings = [
  "PRAGMA mesh.locking_mode = EXCLUSIVE",
  "PRAGMA mesh.journal_mode = WAL",
  // Set on the attached file: without it an ack would not survive power loss.
  "PRAGMA mesh.synchronous = FULL",
  // Pages of the log before it is carried into the file, which is 16 MiB: what was sent and acked meanwhile is carried once.
  "PRAGMA wal_autocheckpoint = 4000",
  // The lock is taken by the first write: take it now, so that a second broker fails at its start.
  "PRAGMA mesh.user_version = 1",
  // One row of nothing, written over and over to see whether the disk has room.
  "CREATE TABLE IF NOT EXISTS mesh.probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL)",
]

const open = (file: string): Database => {
  const database = new Database(":memory:")
  try {
    database.run("ATTACH ? AS mesh", [file])
    for (const setting of settings) database.run(setting)
    return database
  } catch (cause) {
    database.close()
    throw cause
  }
}

/** What opens a file and makes its tables fails with this. */
export const sqliteError = (cause: unknown): SqlError.SqlError =>
  new SqlError.SqlError({ reason: SqlError.classifySqliteError(cause, { message: "the file cannot be used" }) })

/** `:memory:` for a store that lives as long as its layer. */
export const sqliteFile = (file: string) =>
  Layer.effect(
    SqliteHandle,
    Effect.acquireRelease(
      Effect.try({
        try: (): Handle => ({ database: open(file), prepared: [] }),
        catch: sqliteError,
      }),
      ({ database, prepared }) =>
        Effect.sync(() => {
          for (const { finalize } of prepared) finalize()
          database.close()
        }),
    ),
  )

export const sqliteIn = (dataDir: string) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      yield* files.makeDirectory(dataDir, { recursive: true, mode: 0o700 })
      const file = `${dataDir}/broker.sqlite`
      return sqliteFile(file).pipe(
        Layer.catch((error) => Layer.effectContext(Effect.fail(unusableData(dataDir, error)))),
      )
    }).pipe(
      Effect.catchTag("PlatformError", (error) =>
        Effect.fail(new DataDirUnusable({ dataDir, problem: unmade(error) })),
      ),
    ),
  )
