/**
 * The batch that there is nearly always, as one statement: messages that are accepted, acks and leases, and the epochs of
 * their meshes. One statement is one turn to the server, and a transaction by itself. Rows are given as arrays, one for each
 * column. What is here reads nothing that the same statement writes, since a statement sees what was there before it;
 * what would is written by several, one after the other (`Batch.ts`).
 *
 * Rows are found by an index first and then taken by their place: of a join the database thinks as the table was when the
 * statement was prepared, which is when it was empty.
 */
import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/unstable/sql"
import { type OwnedWrite, StoreError, Write, Written } from "../MessageStore.ts"
import * as Rows from "../sql/Rows.ts"
import { type Accept, acceptedEvent, accepting } from "./Accepting.ts"
import { type Consume, consumedRows, consuming, leasing, type OfLease } from "./Acking.ts"
import { Arrays } from "./Arrays.ts"
import { Actors, eventRows, journalOf } from "./Journal.ts"
import { arePastEach, holdMeshes, isHeld, raiseMeshes } from "./Owners.ts"
import { firstResults } from "./Reports.ts"

export interface Parts {
  readonly accepts: ReadonlyArray<Accept>
  readonly consumes: ReadonlyArray<Consume>
  readonly leases: ReadonlyArray<OfLease>
}

export const partsOf = (writes: ReadonlyArray<Write>): Parts => ({
  accepts: writes.filter(Write.$is("Accept")),
  consumes: writes.filter(Write.$is("Consume")),
  leases: writes.filter((write) => write._tag === "Lease" || write._tag === "Release"),
})

/** One statement takes a row once, sees nothing of what it accepts, and writes no session. */
const isOne = ({ accepts, consumes, leases }: Parts, writes: number): boolean => {
  if (accepts.length + consumes.length + leases.length < writes) return false
  if (consumes.length > 0 && leases.length > 0) return false
  if (!arePastEach(accepts) || accepts.some(({ sessions }) => sessions !== undefined)) return false
  if (accepts.length === 0) return true
  const accepted = new Set(accepts.map(({ message }) => Rows.seqKey(message.meshId, message.seq)))
  return (
    !consumes.some(({ meshId, seqs }) => seqs.some((seq) => accepted.has(Rows.seqKey(meshId, seq)))) &&
    !leases.some(({ deliveries, meshId }) => deliveries.some(({ seq }) => accepted.has(Rows.seqKey(meshId, seq))))
  )
}

/** Undefined: it takes several. */
export const oneStatementWith = (sql: SqlClient.SqlClient) => (batch: ReadonlyArray<OwnedWrite>) => {
  const writes = batch.map(({ write }) => write)
  const parts = partsOf(writes)
  if (!isOne(parts, writes.length)) return undefined
  const hold = parts.accepts.length === 0 ? holdMeshes : raiseMeshes
  return Effect.map(
    write(sql, parts, (arrays) => hold(arrays, batch)),
    (outcome) => writes.map(outcome),
  )
}

/** Of a batch whose meshes are held already. */
export const writeParts = (sql: SqlClient.SqlClient, parts: Parts) => write(sql, parts, () => isHeld)

const write = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, parts: Parts, hold: (arrays: Arrays) => string) {
  // Here, since it may be run again.
  const arrays = new Arrays()
  const { accepts, consumes, leases } = parts
  const actors = new Actors()
  const steps = [hold(arrays)]
  const recorded: Array<string> = []
  if (accepts.length > 0) {
    const accepted = accepting(arrays, accepts)
    steps.push(...accepted.steps)
    recorded.push(eventRows(arrays, actors, accepts.map(acceptedEvent), accepted.isNew))
  }
  if (consumes.length > 0) {
    steps.push(...consuming(arrays, actors, consumes))
    recorded.push(consumedRows)
  }
  if (recorded.length > 0) steps.push(journalOf(arrays, actors, recorded))
  if (leases.length > 0) steps.push(...leasing(arrays, leases))
  const passed = [
    consumes.length === 0 ? "0" : "(SELECT count(*) FROM acked) - (SELECT count(*) FROM gone)",
    leases.length === 0 ? "0" : "(SELECT count(*) FROM shown) - (SELECT count(*) FROM leased)",
  ].join(" + ")
  // Nearly always all are new: which of them is said where one is not.
  const howMany = accepts.length === 0 ? "0" : "(SELECT count(*) FROM accepted)"
  const whichIfNotAll =
    accepts.length === 0
      ? "NULL"
      : `CASE WHEN ${howMany} < ${arrays.number(accepts.length)} THEN (SELECT array_agg(mesh_id || '/' || seq) FROM accepted) END`
  const outcome = `SELECT held.stale, ${passed} AS passed_by, ${howMany} AS accepted, ${whichIfNotAll} AS which FROM held`
  const rows = yield* sql.unsafe(`WITH ${steps.join(",\n")}\n${outcome}`, arrays.parameters)
  const { accepted, passedBy, stale, which } = yield* Rows.ofStatement(rows)
  if (stale > 0) return yield* Effect.fail(fenced)
  // The retention sweep has written to one of them between it was found and taken, so it had another place. Such a one is found again.
  if (passedBy > 0) yield* again(sql, consumes, leases)
  const areAllNew = accepted === accepts.length
  const isNew = ({ message }: Accept) => areAllNew || which.has(Rows.seqKey(message.meshId, message.seq))
  const known = areAllNew ? [] : accepts.filter((one) => !isNew(one)).map(({ message }) => message.messageId)
  const first = known.length === 0 ? undefined : yield* firstResults(sql, new Set(known))
  // Whoever asks again is told that it is new.
  if (known.some((id) => first?.get(id) === undefined)) return yield* Effect.fail(removedMeanwhile)
  return (one: Write): Written => {
    if (one._tag !== "Accept" || isNew(one)) return Written.Done()
    return first?.get(one.message.messageId) ?? Written.Done()
  }
})

const again = (
  sql: SqlClient.SqlClient,
  consumes: ReadonlyArray<Consume>,
  leases: ReadonlyArray<OfLease>,
): Effect.Effect<unknown, SqlError.SqlError | StoreError> => write(sql, { accepts: [], consumes, leases }, () => isHeld)

const fenced = new StoreError({ reason: "fenced", cause: "a mesh has a later owner" })

const removedMeanwhile = new StoreError({
  reason: "unavailable",
  cause: "a message that was known had its time over just now",
})
