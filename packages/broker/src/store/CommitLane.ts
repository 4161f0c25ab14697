/**
 * Group commit. A lane owns one writing connection: it takes all that waits the moment the last transaction
 * ends, with no timer, and commits it as one batch. A mesh is always in the same lane, so its writes happen in
 * the order its actor submitted them, and their outcomes come back in that order (I7, I23).
 *
 * The queue has no bound of its own: what can be in it is bounded by the sends each connection may have under
 * way, by the delivery windows and by the sessions that attach.
 */
import { backOff, delaysOf } from "@claudemesh/domain/BackOff"
import type { MeshId } from "@claudemesh/domain/Ids"
import { Cause, Context, Effect, Exit, Fiber, Layer, Option, Queue } from "effect"
import type { BrokerLimits } from "../Limits.ts"
import { isAwaited, MessageStore, StoreError, type Write, type Written } from "./MessageStore.ts"

export type Outcome = Exit.Exit<Written, StoreError>

interface Job {
  readonly write: Write
  /** Called once, after the transaction, on the lane's fiber: it must only hand the outcome on. */
  readonly done: (outcome: Outcome) => void
}

export interface CommitLane {
  readonly submit: (write: Write, done: (outcome: Outcome) => void) => void
}

export class CommitLanes extends Context.Service<CommitLanes, { readonly laneOf: (meshId: MeshId) => CommitLane }>()(
  "@claudemesh/broker/store/CommitLanes",
) {
  static readonly layer = (count: number, limits: BrokerLimits) =>
    Layer.effect(
      CommitLanes,
      Effect.gen(function* () {
        const lanes = yield* Effect.forEach(Array.from({ length: count }), () => makeLane(limits))
        const [first] = lanes
        if (first === undefined) return yield* Effect.die("a broker needs at least one commit lane")
        return CommitLanes.of({ laneOf: (meshId) => lanes[indexOf(meshId, lanes.length)] ?? first })
      }),
    )
}

const indexOf = (meshId: MeshId, count: number): number => {
  let hash = 0
  for (const character of meshId) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0
  return hash % count
}

/** Before the next commit, after one that failed because the database is away. */
const untilDatabaseIsBack = delaysOf(backOff(50, 2_000))

/** Measured: with 2 turns a batch is half as large, and a loaded broker on SQLite a fifth slower; more than 8 add nothing. */
const gatherTurns = 8

const makeLane = Effect.fnUntraced(function* (limits: BrokerLimits) {
  const store = yield* MessageStore
  const incoming = yield* Queue.unbounded<Job, Cause.Done>()
  let backlog: Array<Job> = []
  /** So many at the front of the backlog are committed one by one: together they were refused. */
  let alone = 0
  /** Begins again with the first delay once a commit has succeeded. */
  let nextDelay = yield* untilDatabaseIsBack
  let ending = false

  const commit = Effect.fnUntraced(function* (jobs: ReadonlyArray<Job>) {
    const exit = yield* store.commit(jobs.map((job) => job.write)).pipe(
      Effect.catchDefect((cause) => Effect.fail(new StoreError({ reason: "rejected", cause }))),
      Effect.uninterruptible,
      Effect.exit,
    )
    if (Exit.isSuccess(exit)) {
      nextDelay = yield* untilDatabaseIsBack
      for (const [index, job] of jobs.entries()) job.done(outcomeAt(exit.value, index))
      return
    }
    const failed: Outcome = Exit.failCause(exit.cause)
    const error = Cause.findErrorOption(exit.cause)
    if (Option.isSome(error) && error.value.reason === "unavailable")
      return yield* databaseAway(jobs, failed, exit.cause)
    // One bad item fails alone. They go back in line, so that they stay in order whatever happens on the way.
    if (jobs.length > 1) {
      backlog = [...jobs, ...backlog]
      alone = jobs.length
      return
    }
    yield* Effect.logWarning("a write was refused by the database", exit.cause)
    for (const job of jobs) job.done(failed)
  })

  /** Senders are told at once and may resend; what nobody would send again is kept and written later. */
  const databaseAway = Effect.fnUntraced(function* (
    jobs: ReadonlyArray<Job>,
    failed: Outcome,
    cause: Cause.Cause<StoreError>,
  ) {
    yield* Effect.logWarning("a batch could not be committed", cause)
    const kept: Array<Job> = []
    for (const job of jobs) {
      if (isAwaited(job.write) || ending) job.done(failed)
      else kept.push(job)
    }
    backlog = [...kept, ...backlog]
    if (!ending) yield* Effect.sleep(yield* nextDelay(undefined))
  })

  /**
   * What the last commit set free is on its way here, through sockets, connections and meshes: some turns let it
   * arrive, so that it goes along. No timer: with nothing on its way the turns are over at once.
   */
  const gather = Effect.gen(function* () {
    for (let turn = 0; turn < gatherTurns; turn++) yield* Effect.yieldNow
    if (Queue.sizeUnsafe(incoming) > 0) backlog.push(...(yield* Queue.takeAll(incoming)))
  })

  const run = Effect.gen(function* () {
    while (true) {
      backlog.push(...(yield* Queue.takeAll(incoming)))
      while (backlog.length > 0) {
        yield* gather
        const size = alone > 0 ? 1 : batchSize(backlog, limits)
        alone = Math.max(0, alone - 1)
        const batch = backlog.slice(0, size)
        backlog = backlog.slice(size)
        yield* commit(batch)
      }
    }
  }).pipe(Effect.catchTag("Done", () => Effect.void))

  const fiber = yield* Effect.forkScoped(run)
  // Registered after the fork, so it runs before the fiber is interrupted: what was submitted is committed.
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      ending = true
      return Queue.end(incoming).pipe(
        Effect.andThen(Fiber.await(fiber)),
        Effect.timeoutOption(limits.drainTimeoutMillis),
      )
    }),
  )

  return {
    submit: (write: Write, done: (outcome: Outcome) => void) => void Queue.offerUnsafe(incoming, { write, done }),
  }
})

const outcomeAt = (results: ReadonlyArray<Written>, index: number): Outcome => {
  const result = results[index]
  return result === undefined
    ? Exit.fail(new StoreError({ reason: "rejected", cause: "the store gave too few results" }))
    : Exit.succeed(result)
}

const rowsOf = (write: Write): number => {
  switch (write._tag) {
    case "Accept":
      return 1 + write.recipients.length
    case "Lease":
    case "Release":
      return write.deliveries.length
    default:
      return 1
  }
}

const charactersOf = (write: Write): number =>
  write._tag === "Accept"
    ? write.recipients.reduce((sum, { sealedKey }) => sum + (sealedKey?.length ?? 0), write.message.ciphertext.length)
    : 0

/** How many of the jobs fit in one transaction; at least one. */
const batchSize = (jobs: ReadonlyArray<Job>, limits: BrokerLimits): number => {
  let characters = 0
  let rows = 0
  let size = 0
  for (const { write } of jobs) {
    characters += charactersOf(write)
    rows += rowsOf(write)
    const full =
      size === limits.commitWritesMax || rows > limits.commitRowsMax || characters > limits.commitCharactersMax
    if (size > 0 && full) break
    size += 1
  }
  return size
}
