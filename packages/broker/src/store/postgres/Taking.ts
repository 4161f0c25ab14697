/**
 * Rows that are found by an index and then taken by their place. Joined, a table that was small when the statement was planned would be read whole
 * for as long as the plan is kept (decision 0086).
 */
import { Effect } from "effect"
import type { SqlError } from "effect/unstable/sql"
import { StoreError } from "../MessageStore.ts"
import * as Rows from "../sql/Rows.ts"

const triesMax = 5

const howManyMissed = "(SELECT count(*) FROM found) - (SELECT count(*) FROM taken)"

/** The end of a statement that finds rows as `found` and takes them as `taken`: how many were not where they had been found. */
export const missed = `SELECT ${howManyMissed} AS value`

/** The same, with sessions and channels that `taken` says something new of. */
export const missedAndChanged = `SELECT ${howManyMissed} AS missed, taken.mesh_id, taken.member_id, taken.session_id, taken.channel
  FROM (SELECT 1) always LEFT JOIN taken ON taken.is_change`

const givenUp = new StoreError({ reason: "unavailable", cause: "rows are written to by somebody else all the time" })

/** A row that somebody has written to since it was found has another place: it is found again, by a statement that sees that. */
export const untilAllAreTaken = (
  statement: Effect.Effect<unknown, SqlError.SqlError>,
): Effect.Effect<void, SqlError.SqlError | StoreError> =>
  Effect.gen(function* () {
    for (let tries = 0; tries < triesMax; tries++) if ((yield* Rows.number(yield* statement)) === 0) return
    return yield* givenUp
  })

/** By `Rows.sessionKey`. */
export const changedUntilAllAreTaken = (
  statement: Effect.Effect<unknown, SqlError.SqlError>,
): Effect.Effect<ReadonlySet<string>, SqlError.SqlError | StoreError> =>
  Effect.gen(function* () {
    const changed = new Set<string>()
    for (let tries = 0; tries < triesMax; tries++) {
      const taken = yield* Rows.takenSessions(yield* statement)
      for (const key of taken.changed) changed.add(key)
      if (taken.missed === 0) return changed
    }
    return yield* givenUp
  })
