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
import { Cause, Context, Data, Deferred, Effect, Exit, Fiber, Layer, Option, Queue } from "effect"
import type { BrokerLimits } from "../Limits.ts"
import { isAwaited, MessageStore, StoreError, type Write, type Written } from "./MessageStore.ts"

export type Outcome = Exit.Exit<Written, StoreError>

type Waiting = Data.TaggedEnum<{
  Job: {
    readonly write: Write
    /** Called once, after the transaction, on the lane's fiber: it must only hand the outcome on. */
    readonly done: (outcome: Outcome) => void
  }
  /** Reached when every job before it has its outcome. */
  Barrier: { readonly done: (outcome: Exit.Exit<void, StoreError>) => void }
}>
const Waiting = Data.taggedEnum<Waiting>()
type Job = Extract<Waiting, { readonly _tag: "Job" }>

export interface CommitLane {
  /** While the database is known to be away, what somebody waits for fails before this returns. */
  readonly submit: (write: Write, done: (outcome: Outcome) => void) => void
  /** Waits for the outcome of all that was submitted before. Fails while the database is away. */
  readonly settled: Effect.Effect<void, StoreError>
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
  const incoming = yield* Queue.unbounded<Waiting, Cause.Done>()
  let backlog: Array<Waiting> = []
  /** So many at the front of the backlog are committed one by one: together they were refused. */
  let alone = 0
  /** Begins again with the first delay once a commit has succeeded. */
  let nextDelay = yield* untilDatabaseIsBack
  let ending = false
  const stopping = yield* Deferred.make<void>()
  /** What whoever waits is told while the database is away, and the lane pauses before it tries again. */
  let away: Exit.Exit<never, StoreError> | undefined

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
    const failed = Exit.failCause(exit.cause)
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
    failed: Exit.Exit<never, StoreError>,
    cause: Cause.Cause<StoreError>,
  ) {
    yield* Effect.logWarning("a batch could not be committed", cause)
    const kept: Array<Waiting> = []
    for (const one of [...jobs, ...backlog, ...(yield* Queue.clear(incoming))]) {
      // At the end everything is told: another try would only make the process wait for what is away.
      if (ending || one._tag === "Barrier" || isAwaited(one.write)) one.done(failed)
      else kept.push(one)
    }
    backlog = kept
    if (ending) return
    away = failed
    yield* Effect.ensuring(
      Effect.raceFirst(Effect.sleep(yield* nextDelay(undefined)), Deferred.await(stopping)),
      Effect.sync(() => (away = undefined)),
    )
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
        const jobs = nextJobs(backlog, alone > 0 ? 1 : limits.commitWritesMax, limits)
        alone = Math.max(0, alone - 1)
        backlog = backlog.slice(jobs.length)
        if (jobs.length > 0) yield* commit(jobs)
        while (backlog[0]?._tag === "Barrier") {
          backlog[0].done(Exit.void)
          backlog = backlog.slice(1)
        }
      }
    }
  }).pipe(Effect.catchTag("Done", () => Effect.void))

  const fiber = yield* Effect.forkScoped(run)
  // Registered after the fork, so it runs before the fiber is interrupted: what was submitted is committed.
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      ending = true
      return Queue.end(incoming).pipe(
        Effect.andThen(Deferred.succeed(stopping, undefined)),
        Effect.andThen(Fiber.await(fiber)),
        Effect.timeoutOption(limits.commitDrainMillis),
      )
    }),
  )

  const take = (one: Waiting): void => {
    if (away !== undefined && (one._tag === "Barrier" || isAwaited(one.write))) one.done(away)
    else Queue.offerUnsafe(incoming, one)
  }
  return {
    submit: (write: Write, done: (outcome: Outcome) => void) => take(Waiting.Job({ write, done })),
    settled: Effect.callback<void, StoreError>((resume) => take(Waiting.Barrier({ done: resume }))),
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

/** The jobs at the front that fit in one transaction: at least one, unless a barrier stands before it. */
const nextJobs = (backlog: ReadonlyArray<Waiting>, most: number, limits: BrokerLimits): ReadonlyArray<Job> => {
  const jobs: Array<Job> = []
  let characters = 0
  let rows = 0
  for (const one of backlog) {
    if (one._tag === "Barrier" || jobs.length === most) break
    characters += charactersOf(one.write)
    rows += rowsOf(one.write)
    if (jobs.length > 0 && (rows > limits.commitRowsMax || characters > limits.commitCharactersMax)) break
    jobs.push(one)
  }
  return jobs
}
