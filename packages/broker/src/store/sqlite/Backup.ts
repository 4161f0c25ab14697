/**
 * A copy of the embedded store while a broker uses it. The broker locks its file, so nobody else can read it through SQLite; but it writes
 * to its log alone (WAL), and to the file itself only when it moves the log there. So the file and then the log are copied, and
 * neither may have begun anew meanwhile: else they are copied again. SQLite then plays the log into the copy and looks through all of it.
 *
 * This must run in another process than the broker: whoever closes a file that it has locked gives its locks away.
 */
import { Database } from "bun:sqlite"
import { systemCodeOf, systemWords } from "@claudemesh/domain/SystemWords"
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs"
import { Clock, Effect, Schema } from "effect"

export class BackupFailed extends Schema.TaggedError<BackupFailed>()("BackupFailed", { problem: Schema.String }) {
  override get message() {
    return `${this.problem} No backup was made.`
  }
}

export interface BackedUp {
  readonly bytes: number
  /** Deliveries that nobody has acked yet. */
  readonly waiting: number
  readonly meshes: number
}

/** A busy broker moves its log a few times a second. */
const triesMax = 100
const betweenMillis = 50
/** A file's time is no finer than this: what was written just now may be written on within the same time. */
const quietMillis = 20

/** What changes when the log is moved into the file, or begins anew. */
const stateOf = (file: string) => {
  const { mtimeMs, size } = statSync(file)
  return { mtimeMs, text: `${mtimeMs} ${size} ${logBegins(`${file}-wal`)}` }
}

/** Its first bytes have a salt, which is another one each time that it begins. */
const logBegins = (log: string): string => {
  if (!existsSync(log)) return "none"
  const handle = openSync(log, "r")
  try {
    const head = Buffer.alloc(32)
    return head.subarray(0, readSync(handle, head, 0, head.length, 0)).toString("hex")
  } finally {
    closeSync(handle)
  }
}

/** False: it changed meanwhile. */
const copied = (from: string, to: string, nowMillis: number): boolean => {
  const before = stateOf(from)
  if (nowMillis - before.mtimeMs < quietMillis) return false
  copyFileSync(from, to)
  rmSync(`${to}-wal`, { force: true })
  if (existsSync(`${from}-wal`)) copyFileSync(`${from}-wal`, `${to}-wal`)
  return stateOf(from).text === before.text
}

/** The log is played into the file, which is then one file, and whole. */
export const finished = (file: string): BackedUp => {
  const database = new Database(file)
  try {
    database.run("PRAGMA journal_mode = DELETE")
    const checks = database.query<{ readonly integrity_check: string }, []>("PRAGMA integrity_check").all()
    if (checks[0]?.integrity_check !== "ok") throw new Error("the copy is damaged, so the store is, too")
    const count = (table: string) =>
      database.query<{ readonly n: number }, []>(`SELECT count(*) AS n FROM ${table}`).get()?.n ?? 0
    return { bytes: statSync(file).size, waiting: count("waiting"), meshes: count("mesh") }
  } finally {
    database.close()
  }
}

export const backUp = Effect.fnUntraced(function* (dataDir: string, target: string) {
  const from = `${dataDir}/broker.sqlite`
  if (existsSync(target)) return yield* new BackupFailed({ problem: `${target} is there already.` })
  const part = `${target}.part`
  const step = <A>(act: () => A) =>
    Effect.try({ try: act, catch: (cause) => new BackupFailed({ problem: wordsOf(from, target, cause) }) })
  const clear = Effect.sync(() => {
    for (const end of ["", "-wal", "-shm", "-journal"]) rmSync(`${part}${end}`, { force: true })
  })
  const copy = Effect.gen(function* () {
    for (let tries = 0; tries < triesMax; tries++) {
      const nowMillis = yield* Clock.currentTimeMillis
      if (yield* step(() => copied(from, part, nowMillis))) {
        return yield* step(() => {
          chmodSync(part, 0o600)
          const result = finished(part)
          renameSync(part, target)
          return result
        })
      }
      yield* Effect.sleep(betweenMillis)
    }
    return yield* new BackupFailed({
      problem: `The broker wrote too much all the while: ${triesMax} copies were out of date before they were whole. Try again when less is sent.`,
    })
  })
  return yield* Effect.ensuring(copy, clear)
})

const wordsOf = (from: string, target: string, cause: unknown): string => {
  const isSource = systemCodeOf(cause) === "ENOENT" && !existsSync(from)
  return isSource
    ? `There is no ${from}. Set BROKER_DATA_DIR as the broker has it.`
    : `${target}: ${systemWords(cause)}.`
}
