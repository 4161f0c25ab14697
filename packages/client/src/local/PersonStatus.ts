/**
 * Whether the person of this machine may be disturbed, as they said it at a terminal, for all of their agents here. A command is a
 * session of nobody's, so it has no status of its own: it is written into `state.db`, and each agent's process takes it from there.
 */
import { Effect, Option, Schema } from "effect"
import { StateDb } from "./StateDb.ts"

const PersonStatus = Schema.Struct({
  /** Another one each time that something was said. */
  number: Schema.Int,
  /** `idle` ends a `dnd`. */
  status: Schema.Literals(["dnd", "idle"]),
  /** Of `dnd`: when it ends by itself. */
  untilMillis: Schema.NullOr(Schema.Int),
})
export type PersonStatus = typeof PersonStatus.Type

const decode = Schema.decodeUnknownOption(PersonStatus)

/** What was said last; nothing where nothing ever was. */
export const personStatus = Effect.gen(function* () {
  const { read } = yield* StateDb
  const row = yield* read((db) => db.query("SELECT number, status, until AS untilMillis FROM person_status").get())
  return Option.getOrUndefined(decode(row))
})

export const sayPersonStatus = Effect.fnUntraced(function* (
  status: PersonStatus["status"],
  untilMillis: number | undefined,
) {
  const { transaction } = yield* StateDb
  yield* transaction((db) =>
    db
      .query(
        `INSERT INTO person_status (row, number, status, until) VALUES (1, 1, ?, ?)
         ON CONFLICT (row) DO UPDATE SET number = number + 1, status = excluded.status, until = excluded.until`,
      )
      .run(status, untilMillis ?? null),
  )
})
