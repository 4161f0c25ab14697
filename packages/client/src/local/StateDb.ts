/**
 * `state.db`: what this machine knows beside its keys, in one SQLite file of CLAUDEMESH_HOME that all processes of the
 * user share. It is opened by the first call that needs it, so a folder that cannot be used is an error of that call.
 * Nothing waits inside a transaction: its body is a plain function, so it is over before anything else runs, and a
 * process that is stopped or asks a person something holds nobody up.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import { Database } from "bun:sqlite"
import { closeSync, openSync, type Stats, statSync } from "node:fs"
import { join } from "node:path"
import { Context, Effect, Layer, Schedule, Schema, Semaphore } from "effect"
import { stateBusyMillis, stateBusyRetries, stateBusyRetryMillis } from "../Limits.ts"
import { checkHome, type HomeUnusable, layerAtHome, makeHome } from "./Home.ts"
import { migrations } from "./Migrations.ts"
import { notAFile } from "./NotAFile.ts"
import { refuseExposed, type SecretExposed } from "./SecretFile.ts"
import { type DatabaseFailed, sqlProblem } from "./SqlProblem.ts"

export type { Database } from "bun:sqlite"

export class StateDbUnusable extends Schema.TaggedError<StateDbUnusable>()("StateDbUnusable", {
  path: Schema.String,
  problem: Schema.String,
  todo: Schema.String,
}) {
  get what() {
    return `${this.path} cannot be used: ${this.problem}.`
  }
  get hint() {
    return this.todo
  }
  override get message() {
    return withHint(this)
  }
}

export type StateDbError = StateDbUnusable | SecretExposed | HomeUnusable

export interface TransactionOptions {
  /** On the disk when it returns, also if the power fails then. For keys, and for what was promised to be kept. */
  readonly durable?: boolean
  /** What it removes is not left in the file, nor in the log of what was written. For keys. */
  readonly erase?: boolean
}

export class StateDb extends Context.Service<
  StateDb,
  {
    readonly path: string
    /** Where everything else of this machine is kept. None in memory. */
    readonly directory: string | undefined
    /** Every statement of `query` sees the same state. */
    readonly read: <A>(query: (db: Database) => A) => Effect.Effect<A, StateDbError>
    /**
     * One at a time among all processes (BEGIN IMMEDIATE), all of it or nothing: what `change` throws rolls it back and is
     * a defect. It may be called again where SQLite could not commit, so it changes the database and nothing else.
     */
    readonly transaction: <A>(
      change: (db: Database) => A,
      options?: TransactionOptions,
    ) => Effect.Effect<A, StateDbError>
  }
>()("@claudemesh/client/local/StateDb") {
  /** In `CLAUDEMESH_HOME`, else in `~/.claudemesh`. */
  static readonly layer = layerAtHome((directory) => StateDb.layerIn(directory))

  static readonly layerIn = (directory: string) => Layer.effect(StateDb, open(join(directory, "state.db"), directory))

  /** For as long as the layer lives. */
  static readonly memory = Layer.effect(
    StateDb,
    Effect.suspend(() => open(":memory:", undefined)),
  )
}

interface Opened {
  readonly db: Database
  /** Which file it is: another one may be put in its place while we run. */
  readonly file: string
}

const open = Effect.fnUntraced(function* (path: string, directory: string | undefined) {
  let opened: Opened | undefined
  const alone = yield* Semaphore.make(1)

  const close = () => {
    opened?.db.close()
    opened = undefined
  }
  yield* Effect.addFinalizer(() => Effect.sync(close))

  const reopened = Effect.gen(function* () {
    close()
    if (directory !== undefined) yield* makeFile(path, directory)
    const db = yield* Effect.try({ try: () => new Database(path, flags), catch: sqlProblem })
    const version = yield* Effect.try({ try: () => prepared(db), catch: sqlProblem }).pipe(
      Effect.onError(() => Effect.sync(() => db.close())),
    )
    if (version !== migrations.length) {
      db.close()
      return yield* unknownVersion(path, version)
    }
    opened = { db, file: yield* fileAt(path, directory) }
    return db
  })

  const connected = Effect.gen(function* () {
    const file = yield* fileAt(path, directory)
    return opened?.file === file ? opened.db : yield* reopened
  }).pipe(Semaphore.withPermit(alone))

  const run = <A>(use: (db: Database) => A): Effect.Effect<A, StateDbError> =>
    Effect.flatMap(connected, (db) => Effect.try({ try: () => use(db), catch: sqlProblem })).pipe(
      Effect.retry({
        while: (error) => error._tag === "DatabaseBusy",
        times: stateBusyRetries,
        schedule: Schedule.spaced(stateBusyRetryMillis),
      }),
      Effect.catchTags({
        StatementWrong: ({ cause }) => Effect.die(cause),
        DatabaseBusy: () =>
          Effect.fail(new StateDbUnusable({ path, problem: "another process holds it", todo: "Try again" })),
        DatabaseFailed: (failure) => {
          close()
          return Effect.fail(unusable(path, failure))
        },
      }),
    )

  return StateDb.of({
    path,
    directory,
    read: (query) => run((db) => db.transaction(query).deferred(db)),
    transaction: (change, { durable = false, erase = false } = {}) =>
      Effect.tap(
        run((db) => {
          db.run(`PRAGMA synchronous = ${durable ? "FULL" : "NORMAL"}`)
          return db.transaction(change).immediate(db)
        }),
        // As far as no other process reads just then.
        () => (erase ? Effect.ignore(run((db) => db.run("PRAGMA wal_checkpoint(TRUNCATE)"))) : Effect.void),
      ),
  })
})

const flags = { readwrite: true, create: false, strict: true }

/** In memory it is always the same one. Empty where there is none. */
const fileAt = (path: string, directory: string | undefined): Effect.Effect<string, StateDbError> =>
  Effect.gen(function* () {
    if (directory === undefined) return path
    const wrong = notAFile(path)
    if (wrong !== undefined) {
      // Where the folder is not one, that is what is wrong.
      yield* checkHome(directory)
      return yield* new StateDbUnusable({ path, ...wrong })
    }
    const stats = looking(path)
    if (stats === undefined) return ""
    yield* refuseExposed(path, stats.mode)
    return `${stats.dev}:${stats.ino}`
  })

/** Nothing where it cannot be looked at: whoever then opens it says why. */
const looking = (path: string): Stats | undefined => {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

/**
 * SQLite gives what it makes beside the file the file's mode. A file that is there is not opened here: to close it would
 * end the locks that another connection of this process holds on it.
 */
const makeFile = Effect.fnUntraced(function* (path: string, directory: string) {
  yield* makeHome(directory)
  yield* Effect.try({
    try: () => {
      if (statSync(path, { throwIfNoEntry: false }) === undefined) closeSync(openSync(path, "a", 0o600))
    },
    catch: (error) => unreachable(path, error),
  })
  for (const one of [path, `${path}-wal`, `${path}-shm`]) {
    const wrong = notAFile(one)
    if (wrong !== undefined) return yield* new StateDbUnusable({ path: one, ...wrong })
    const stats = looking(one)
    if (stats !== undefined) yield* refuseExposed(one, stats.mode)
  }
})

/** The version that it has then: of a file of a later program, or of another one's, nothing is changed. */
const prepared = (db: Database): number => {
  db.run(`PRAGMA busy_timeout = ${stateBusyMillis}`)
  const found = db.transaction(foundVersion).deferred(db)
  if (found === notOurs || found > migrations.length) return found
  db.run("PRAGMA journal_mode = WAL")
  // What was removed is overwritten, and nothing of it is put into a temporary file elsewhere.
  db.run("PRAGMA secure_delete = ON")
  db.run("PRAGMA temp_store = MEMORY")
  if (versionOf(db) < migrations.length) db.transaction(migrate).immediate(db)
  return versionOf(db)
}

/** Asked in one transaction: another process may take the steps between two statements, and it is the same file then. */
const foundVersion = (db: Database): number => {
  const version = versionOf(db)
  return version === 0 && db.query("SELECT 1 FROM sqlite_schema").get() !== null ? notOurs : version
}

/** Another process may have taken the steps while this one waited for its turn. */
const migrate = (db: Database): void => {
  const taken = versionOf(db)
  if (taken >= migrations.length) return
  for (const step of migrations.slice(taken)) db.run(step)
  db.run(`PRAGMA user_version = ${migrations.length}`)
}

const notOurs = -1
const versionOf = (db: Database): number =>
  db.query<{ user_version: number }, []>("PRAGMA user_version").get()?.user_version ?? 0

const moveAway = "It keeps which messages were shown and what waits to be sent. Move it away to begin anew"

const unknownVersion = (path: string, version: number): StateDbUnusable =>
  version === notOurs
    ? new StateDbUnusable({ path, problem: "it is the database of another program", todo: moveAway })
    : new StateDbUnusable({
        path,
        problem: `a newer claudemesh wrote it (version ${version}; this one reads up to ${migrations.length})`,
        todo: "Update claudemesh",
      })

const unusable = (path: string, { isDamaged, problem }: DatabaseFailed): StateDbUnusable =>
  new StateDbUnusable({ path, problem, todo: isDamaged ? moveAway : "Mend that, then try again" })

const unreachable = (path: string, error: unknown): StateDbUnusable =>
  new StateDbUnusable({
    path,
    problem: error instanceof Error ? error.message : String(error),
    todo: "Mend that, then try again",
  })
