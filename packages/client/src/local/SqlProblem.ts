/** What SQLite throws, told apart: it is busy, the file cannot be used, or a statement of ours is wrong. */
import { SQLiteError } from "bun:sqlite"
import { Schema } from "effect"

/** Another connection writes or recovers the file just now. */
export class DatabaseBusy extends Schema.TaggedError<DatabaseBusy>()("DatabaseBusy", {}) {}

export class DatabaseFailed extends Schema.TaggedError<DatabaseFailed>()("DatabaseFailed", {
  problem: Schema.String,
  /** Its content is not what SQLite or this program has written. */
  isDamaged: Schema.Boolean,
}) {}

/** Whatever else a statement or its caller threw: a mistake in the program. */
export class StatementWrong extends Schema.TaggedError<StatementWrong>()("StatementWrong", { cause: Schema.Unknown }) {}

const problems: Readonly<Record<number, string>> = {
  3: "permission denied",
  8: "this account may only read it",
  10: "the disk fails to read or to write it",
  11: "it is damaged",
  13: "the disk is full",
  14: "it cannot be opened",
  26: "it is not a database",
}
const [damaged, notADatabase] = [11, 26]
/** The last is of who reads the log while it is begun anew. */
const busy: ReadonlySet<number> = new Set([5, 6, 15])

export const sqlProblem = (thrown: unknown): DatabaseBusy | DatabaseFailed | StatementWrong => {
  if (!(thrown instanceof SQLiteError)) return new StatementWrong({ cause: thrown })
  // The low byte is the kind.
  const kind = thrown.errno & 0xff
  if (busy.has(kind)) return new DatabaseBusy()
  const problem = problems[kind]
  if (problem === undefined) return new StatementWrong({ cause: thrown })
  return new DatabaseFailed({
    problem: `${problem} (${thrown.message})`,
    isDamaged: kind === damaged || kind === notADatabase,
  })
}
