/**
 * All that a broker has stored, from the embedded database to Postgres or back, for an operator's command: no broker may run on either end. The
 * source stays as it is. A move that did not come to its end leaves a target that no broker begins with, and can be made again.
 */
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import { systemWords } from "@claudemesh/domain/SystemWords"
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs"
import { Context, Effect, Layer, Predicate, type Redacted } from "effect"
import { SqlClient, SqlError } from "effect/unstable/sql"
import { migrate } from "../postgres/Migrations.ts"
import { postgres } from "../postgres/Postgres.ts"
import { finished } from "../sqlite/Backup.ts"
import { SqliteHandle } from "../sqlite/Handle.ts"
import { migrateSqlite } from "../sqlite/Migrations.ts"
import { sqliteFile, unusableData } from "../sqlite/Sqlite.ts"
import { type Counts, type Kind, kinds, NotMoved, type Source, type Target } from "./Kinds.ts"
import { fromPostgres, intoPostgres } from "./PostgresEnd.ts"
import { fromSqlite } from "./SqliteSource.ts"
import { intoSqlite } from "./SqliteTarget.ts"

export type Way =
  | { readonly _tag: "ToPostgres"; readonly dataDir: string; readonly url: Redacted.Redacted }
  | { readonly _tag: "ToSqlite"; readonly url: Redacted.Redacted; readonly dataDir: string }

/** Of a kind that is being moved. */
export type Progress = (kind: Kind, done: number, of: number) => Effect.Effect<void>

/** How the database knows it: it is no broker. */
const name = "claudemesh migrate-to"

const moveAll = Effect.fnUntraced(function* (source: Source, target: Target, progress: Progress) {
  const before = yield* source.counts
  for (const kind of kinds) {
    let done = 0
    yield* source.each(kind, (rows) =>
      Effect.andThen(
        target.write(kind, rows),
        Effect.suspend(() => progress(kind, Math.min((done += rows.length), before[kind]), before[kind])),
      ),
    )
  }
  yield* target.complete
  const after = yield* target.counts
  const other = kinds.filter((kind) => before[kind] !== after[kind])
  if (other.length > 0) {
    const detail = other.map((kind) => `${kind}: ${before[kind]} there, ${after[kind]} here`).join(", ")
    return yield* new NotMoved({ why: "target_unusable", detail: `not all of it arrived (${detail})` })
  }
  return after
})

/** What one of the two says. A password is in none of it. */
const saidBy =
  (why: "source_unusable" | "target_unusable") =>
  (error: unknown): NotMoved => {
    if (error instanceof NotMoved) return error
    if (!Predicate.hasProperty(error, "message")) return new NotMoved({ why, detail: String(error) })
    const reason = Predicate.hasProperty(error, "reason") ? error.reason : undefined
    const inner = Predicate.hasProperty(reason, "cause") ? reason.cause : undefined
    const cause = inner ?? (Predicate.hasProperty(error, "cause") ? error.cause : undefined)
    const said = Predicate.hasProperty(cause, "message") ? cause.message : error.message
    return new NotMoved({ why, detail: String(said) })
  }

/** A COMMIT that fails comes as a defect. */
const said =
  (why: "source_unusable" | "target_unusable") =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, NotMoved, R> =>
    effect.pipe(
      Effect.mapError(saidBy(why)),
      Effect.catchDefect((defect) =>
        SqlError.isSqlError(defect) ? Effect.fail(saidBy(why)(defect)) : Effect.die(defect),
      ),
    )

const postgresAt = (url: Redacted.Redacted) => Layer.provide(postgres(url, name), BunFileSystem.layer)

const fileOf = (dataDir: string): string => `${dataDir}/broker.sqlite`

/** Locked for as long as the scope is open, as by a broker, and with the tables of today. */
const sourceFile = Effect.fnUntraced(function* (dataDir: string) {
  const file = fileOf(dataDir)
  if (!existsSync(file)) return yield* new NotMoved({ why: "source_missing", detail: file })
  const context = yield* Effect.mapError(Layer.build(sqliteFile(file)), (error) =>
    isBusy(error)
      ? new NotMoved({ why: "source_in_use", detail: dataDir })
      : new NotMoved({ why: "source_unusable", detail: unusableData(dataDir, error).problem }),
  )
  yield* said("source_unusable")(Effect.provide(migrateSqlite, context))
  return Context.get(context, SqliteHandle)
})

const isBusy = ({ reason }: SqlError.SqlError): boolean =>
  Predicate.hasProperty(reason.cause, "code") && /SQLITE_(BUSY|LOCKED)/.test(String(reason.cause.code))

const toPostgres = Effect.fnUntraced(function* (dataDir: string, url: Redacted.Redacted, progress: Progress) {
  const handle = yield* sourceFile(dataDir)
  const target = yield* said("target_unusable")(Layer.build(postgresAt(url)))
  const sql = Context.get(target, SqlClient.SqlClient)
  return yield* intoPostgres(sql, Effect.provide(migrate, target), (end) =>
    moveAll(fromSqlite(handle), end, progress),
  ).pipe(
    Effect.catchTag("StoreError", (error) => Effect.fail(saidBy("source_unusable")(error))),
    Effect.catchTag("SchemaError", (error) => Effect.fail(saidBy("source_unusable")(error))),
    said("target_unusable"),
  )
}, Effect.scoped)

const step = <A>(act: () => A) =>
  Effect.try({ try: act, catch: (cause) => new NotMoved({ why: "target_unusable", detail: systemWords(cause) }) })

/** Written under another name, so that no broker begins with a part of it. */
const toSqlite = Effect.fnUntraced(function* (url: Redacted.Redacted, dataDir: string, progress: Progress) {
  const file = fileOf(dataDir)
  if (existsSync(file)) return yield* new NotMoved({ why: "target_not_empty", detail: file })
  const part = `${file}.part`
  const clear = step(() => {
    for (const end of ["", "-wal", "-shm", "-journal"]) rmSync(`${part}${end}`, { force: true })
  })
  yield* step(() => mkdirSync(dataDir, { recursive: true, mode: 0o700 }))
  yield* clear
  const counts = yield* Effect.onError(written(url, part, progress), () => Effect.ignore(clear))
  yield* step(() => {
    finished(part)
    for (const path of [part, dataDir]) {
      const handle = openSync(path, "r")
      fsyncSync(handle)
      closeSync(handle)
    }
    renameSync(part, file)
  })
  return counts
})

const written = Effect.fnUntraced(function* (url: Redacted.Redacted, part: string, progress: Progress) {
  const source = yield* said("source_unusable")(Layer.build(postgresAt(url)))
  const sql = Context.get(source, SqlClient.SqlClient)
  yield* said("source_unusable")(Effect.provide(migrate, source))
  const target = yield* said("target_unusable")(Layer.build(sqliteFile(part)))
  yield* said("target_unusable")(Effect.provide(migrateSqlite, target))
  const handle = Context.get(target, SqliteHandle)
  // It is made safe once, at its end.
  yield* step(() => handle.database.run("PRAGMA mesh.synchronous = OFF"))
  return yield* fromPostgres(sql, (end) => moveAll(end, intoSqlite(handle), progress)).pipe(
    Effect.catchTag("StoreError", (error) => Effect.fail(saidBy("target_unusable")(error))),
    said("source_unusable"),
  )
}, Effect.scoped)

/** Gives how much of each kind there is, which was counted on both sides. */
export const migrateTo = (way: Way, progress: Progress): Effect.Effect<Counts, NotMoved> =>
  way._tag === "ToPostgres" ? toPostgres(way.dataDir, way.url, progress) : toSqlite(way.url, way.dataDir, progress)
