/**
 * The audit of a broker, for an operator's commands, which are another process. Postgres is read while the broker writes. The embedded store
 * has one process, so it is copied first, as a backup is (decision 0078), and the copy goes with the command.
 */
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import { systemWords } from "@claudemesh/domain/SystemWords"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { Effect, Layer, Predicate, type Redacted, Schema } from "effect"
import { type Migrator, SqlClient, type SqlError } from "effect/unstable/sql"
import type { AuditStore } from "./AuditStore.ts"
import { type DatabaseUrlUnusable, postgres } from "./postgres/Postgres.ts"
import { postgresAuditStore } from "./postgres/PostgresAuditStore.ts"
import { type BackupFailed, backUp } from "./sqlite/Backup.ts"
import { migrateSqlite } from "./sqlite/Migrations.ts"
import { type DataDirUnusable, sqliteFile, sqliteIn } from "./sqlite/Sqlite.ts"
import { sqliteAuditStore } from "./sqlite/SqliteAuditStore.ts"

export class AuditUnreadable extends Schema.TaggedError<AuditUnreadable>()("AuditUnreadable", {
  problem: Schema.String,
}) {
  override get message() {
    return this.problem
  }
}

type Database =
  | { readonly _tag: "Postgres"; readonly url: Redacted.Redacted }
  | { readonly _tag: "Sqlite"; readonly dataDir: string }

type Unreadable = AuditUnreadable | BackupFailed | DatabaseUrlUnusable | Migrator.MigrationError | SqlError.SqlError

export const auditSource = (database: Database): Layer.Layer<AuditStore, AuditUnreadable> =>
  Layer.suspend((): Layer.Layer<AuditStore, Unreadable> =>
    database._tag === "Postgres" ? ofPostgres(database.url) : ofCopy(database.dataDir),
  ).pipe(Layer.catch((error) => Layer.effectContext(Effect.fail(new AuditUnreadable({ problem: wordsOf(error) })))))

/** To write to it. The embedded store has one process: no broker may run on it. */
export const auditStoreOf = (database: Database): Layer.Layer<AuditStore, AuditUnreadable> =>
  Layer.suspend((): Layer.Layer<AuditStore, DataDirUnusable | Unreadable> =>
    database._tag === "Postgres" ? ofPostgres(database.url) : ofFile(database.dataDir),
  ).pipe(Layer.catch((error) => Layer.effectContext(Effect.fail(new AuditUnreadable({ problem: wordsOf(error) })))))

const ofFile = (dataDir: string) =>
  existsSync(`${dataDir}/broker.sqlite`)
    ? sqliteAuditStore.pipe(
        Layer.provide(Layer.effectDiscard(migrateSqlite)),
        Layer.provide(sqliteIn(dataDir)),
        Layer.provide(BunFileSystem.layer),
      )
    : Layer.effectContext(
        Effect.fail(new AuditUnreadable({ problem: `BROKER_DATA_DIR ${dataDir} has no store of a broker.` })),
      )

const ofPostgres = (url: Redacted.Redacted) =>
  postgresAuditStore.pipe(
    Layer.provide(Layer.effectDiscard(hasChains)),
    Layer.provide(postgres(url)),
    Layer.provide(BunFileSystem.layer),
  )

const hasChains = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly name: string | null }>`SELECT to_regclass('mesh.audit_rotation')::text AS name`
  if (typeof row?.name !== "string")
    return yield* new AuditUnreadable({
      problem: "This database has no audit chain yet. Start a broker of this version on it once.",
    })
})

const ofCopy = (dataDir: string) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.try({
          try: () => mkdtempSync(`${dataDir}/audit-`),
          catch: (cause) =>
            new AuditUnreadable({ problem: `BROKER_DATA_DIR ${dataDir} cannot be used: ${systemWords(cause)}.` }),
        }),
        (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true })),
      )
      const copy = `${folder}/copy.sqlite`
      yield* backUp(dataDir, copy)
      // One of the version before has no chain, and then none is found.
      return sqliteAuditStore.pipe(Layer.provide(Layer.effectDiscard(migrateSqlite)), Layer.provide(sqliteFile(copy)))
    }),
  )

/** What a person can do something about stands in the cause. */
const wordsOf = (error: { readonly message: string; readonly reason?: unknown }): string => {
  const cause = Predicate.hasProperty(error.reason, "cause") ? error.reason.cause : undefined
  const said = Predicate.hasProperty(cause, "message") ? String(cause.message) : ""
  return said === "" ? error.message : `The store cannot be read: ${said}.`
}
