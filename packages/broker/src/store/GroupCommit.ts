/**
 * Group commit: it owns one writing connection. The moment the last transaction ends it sends what waits on its way as one batch, with no timer,
 * and tells those of the last one while the database works (decision 0094). A mesh is always in the same group commit, so its writes happen in
 * the order its actor submitted them, and their outcomes come back in that order (I7, I23).
 *
 * What somebody waits for is bounded by what each connection may have under way, and fails at once while the database is
 * away. The rest is kept, merged and bounded by the queue. Whatever fails, the group commit itself goes on (I24).
 */
import { backOff, delaysOf, resetAfter } from "@claudemesh/domain/BackOff"
import type { MeshId } from "@claudemesh/domain/Ids"
import { Cause, Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Option, Queue, Schema } from "effect"
import type { BrokerLimits } from "../Limits.ts"
import { BrokerMetrics, type Metrics } from "../metrics/Metrics.ts"
import { isAwaited, type Job, CommitQueue, type Outcome, sequencedOf, Waiting } from "./CommitQueue.ts"
import { type MeshSnapshot, MessageStore, StoreError, type Write, type Written } from "./MessageStore.ts"

export type { Outcome } from "./CommitQueue.ts"

/** One mesh's way into its group commit, for as long as somebody owns the mesh. */
export interface GroupCommit {
  /** Before this returns it is answered already where it can only fail. */
  readonly submit: (write: Write, done: (outcome: Outcome) => void) => void
  /** Waits for the outcome of all that was submitted before. Fails while the database is away. */
  readonly settled: Effect.Effect<void, StoreError>
  /** Loads the mesh behind all that was submitted before. What is submitted from then on is written as its new owner. */
  readonly takeOver: Effect.Effect<Option.Option<MeshSnapshot>, StoreError>
  /** Fails when a write was refused since the mesh has another owner. */
  readonly lost: Effect.Effect<never, StoreError>
}

export class GroupCommits extends Context.Service<
  GroupCommits,
  { readonly groupCommitOf: (meshId: MeshId) => GroupCommit }
>()("@claudemesh/broker/store/GroupCommits") {
  static readonly layer = (count: number, limits: BrokerLimits) =>
    Layer.effect(
      GroupCommits,
      Effect.gen(function* () {
        const store = yield* MessageStore
        const groupCommits = yield* Effect.forEach(Array.from({ length: count }), () => makeGroupCommit(limits))
        const [first] = groupCommits
        if (first === undefined) return yield* Effect.die("a broker needs at least one group commit")
        return GroupCommits.of({
          groupCommitOf: (meshId) =>
            ownedGroupCommit(store, groupCommits[indexOf(meshId, groupCommits.length)] ?? first, meshId),
        })
      }),
    )
}

const indexOf = (meshId: MeshId, count: number): number => {
  let hash = 0
  for (const character of meshId) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0
  return hash % count
}

interface CommitLoop {
  readonly take: (one: Waiting) => void
  /** Somebody who had asked for a write did not take its outcome: the others are told, and the group commit goes on. */
  readonly threw: (cause: unknown) => void
}

const ownedGroupCommit = (store: MessageStore["Service"], groupCommit: CommitLoop, meshId: MeshId): GroupCommit => {
  let epoch = 0
  let lost = Deferred.makeUnsafe<never, StoreError>()
  const settled = Effect.callback<void, StoreError>((resume) =>
    groupCommit.take(Waiting.Barrier({ meshId, done: resume })),
  )
  return {
    submit: (write, done) => {
      const owner = lost
      const ended = (outcome: Outcome): void => {
        if (Exit.isFailure(outcome) && isFenced(outcome.cause))
          Deferred.doneUnsafe(owner, Exit.failCause(outcome.cause))
        try {
          done(outcome)
        } catch (cause) {
          groupCommit.threw(cause)
        }
      }
      groupCommit.take({ _tag: "Job", write, epoch, done: ended })
    },
    settled,
    takeOver: settled.pipe(
      Effect.andThen(store.loadMesh(meshId)),
      Effect.tap((snapshot) =>
        Effect.sync(() => {
          epoch = Option.match(snapshot, { onNone: () => 0, onSome: (loaded) => loaded.epoch })
          lost = Deferred.makeUnsafe()
        }),
      ),
    ),
    lost: Effect.suspend(() => Deferred.await(lost)),
  }
}

const isFenced = (cause: Cause.Cause<StoreError>): boolean =>
  Option.exists(Cause.findErrorOption(cause), ({ reason }) => reason === "fenced")

/** Before the next commit, after one that failed because the database is away. */
const untilDatabaseIsBack = delaysOf(backOff(50, 2_000))

/** A commit that fails after so long may have been too much at once. */
const longTryMillis = 1_000

/** Before the group commit goes on after a defect of its own. */
const untilItGoesOn = backOff(50, 2_000).pipe(resetAfter(60_000))

/** Measured: with 2 turns a batch is half as large, and a loaded broker on SQLite a fifth slower; more than 8 add nothing. */
const gatherTurns = 8
/** A turn is over at once, but in a flood: then it takes as long as all that came with it, and nobody is to wait for eight of those. */
const gatherNanos = 5_000_000n

/** So many messages are not shared out among two commits: what each costs by itself is more than there is to gain. */
const togetherAtLeast = 32

class GroupCommitFailed extends Schema.TaggedError<GroupCommitFailed>()("GroupCommitFailed", {}) {}

const makeGroupCommit = Effect.fnUntraced(function* (limits: BrokerLimits) {
  const store = yield* MessageStore
  const metrics = yield* BrokerMetrics
  const queue = new CommitQueue(limits)
  metrics.queues.commit.add(queue, Number.POSITIVE_INFINITY)
  /** Holds something when something was submitted. */
  const wake = yield* Queue.dropping<void>(1)
  const committer = yield* makeCommitter(store, queue, metrics)
  const thrown: Array<unknown> = []

  const run = Effect.gen(function* () {
    committer.tell()
    while (true) {
      yield* gather
      while (!queue.isEmpty) {
        const jobs = committer.takeBatch()
        if (jobs.length > 0) yield* committer.commit(jobs)
        // What follows from the outcomes comes in some turns, and is gathered.
        const isLast = queue.isEmpty
        const barriers = queue.takeBarriers()
        if (isLast || barriers.length > 0) committer.tell()
        for (const { done } of barriers) done(Exit.void)
        if (thrown.length > 0)
          yield* Effect.logError("who asked for a write did not take its outcome", thrown.splice(0))
        if (isLast) break
      }
      if (!queue.isEmpty) continue
      if (committer.isEnding()) return
      yield* Queue.take(wake)
    }
  })
  const supervised = run.pipe(
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.interrupt
        : Effect.andThen(
            Effect.logError("a group commit failed and goes on", cause),
            Effect.fail(new GroupCommitFailed()),
          ),
    ),
    Effect.retry(untilItGoesOn),
  )

  const fiber = yield* Effect.forkScoped(supervised)
  // Registered after the fork, so it runs before the fiber is interrupted: what was submitted is committed.
  yield* Effect.addFinalizer(() =>
    committer.end.pipe(
      Effect.andThen(Queue.offer(wake, undefined)),
      Effect.andThen(Fiber.await(fiber)),
      Effect.timeoutOption(limits.commitDrainMillis),
    ),
  )
  const groupCommit: CommitLoop = {
    take: (one) => {
      if (committer.refuses(one)) return
      queue.add(one)
      Queue.offerUnsafe(wake, undefined)
    },
    threw: (cause) => void thrown.push(cause),
  }
  return groupCommit
})

/**
 * What the last commit set free is on its way here, through sockets, connections and meshes: some turns let it
 * arrive, so that it goes along. No timer: with nothing on its way the turns are over at once.
 */
const gather = Effect.gen(function* () {
  const beganNanos = yield* Clock.monotonicTimeNanos
  for (let turn = 0; turn < gatherTurns; turn++) {
    yield* Effect.yieldNow
    if ((yield* Clock.monotonicTimeNanos) - beganNanos > gatherNanos) return
  }
})

/** Jobs that are written, and what tells of it. */
const stored = (jobs: ReadonlyArray<Job>, results: ReadonlyArray<Written>) => ({
  /** Asked for where commits take time in which something else is done. */
  sequenced: (): number => jobs.reduce((sum, job) => sum + sequencedOf(job), 0),
  tell: (): void => {
    for (const [index, { done }] of jobs.entries()) {
      const result = results[index]
      done(result === undefined ? tooFewResults : Exit.succeed(result))
    }
  },
})

/**
 * Commits what it is given. Those whose writes are stored are told once the next commit is under way: what follows from their outcomes is then done
 * while the database is at work.
 */
const makeCommitter = Effect.fnUntraced(function* (
  store: MessageStore["Service"],
  queue: CommitQueue,
  metrics: Metrics,
) {
  const size = makeBatchSize(queue.limits.commitWritesMax)
  const outage = yield* makeOutage(queue)
  const failed = makeFailed(store, queue, outage)
  let untold = nothingStored
  const tell = (): void => {
    const { tell } = untold
    untold = nothingStored
    tell()
  }

  /** The database is another process: commits take time in which something else is done here. */
  let isElsewhere = false

  /**
   * Half of the messages that are on their way, and the acks that wait, so that one half is at the database while what the other sets free is done here.
   * Without it a steady load comes to be in every other batch, and the database and the broker wait for each other in turn.
   */
  const takeBatch = (): ReadonlyArray<Job> => {
    const half = isElsewhere ? Math.ceil((untold.sequenced() + queue.sequenced) / 2) : Number.POSITIVE_INFINITY
    return queue.takeBatch(size.writesMax(), Math.max(half, togetherAtLeast))
  }

  const commit = Effect.fnUntraced(function* (jobs: ReadonlyArray<Job>) {
    const beganMillis = yield* Clock.currentTimeMillis
    const beganSeconds = metrics.seconds()
    const committing = yield* store.commit(jobs).pipe(
      Effect.catchDefect((cause) => Effect.fail(new StoreError({ reason: "rejected", cause }))),
      Effect.uninterruptible,
      Effect.forkChild({ startImmediately: true }),
    )
    const isOver = committing.pollUnsafe() !== undefined
    isElsewhere = !isOver
    tell()
    // With SQLite it is over by now: whoever is not of this group commit has a turn before the next one.
    if (isOver && !queue.isEmpty) yield* Effect.yieldNow
    const exit = yield* Fiber.await(committing)
    metrics.batchWrites.observe(jobs.length)
    metrics.commitSeconds.observe(metrics.seconds() - beganSeconds)
    if (Exit.isFailure(exit)) {
      metrics.commitFailures.value += 1
      const tookLong = (yield* Clock.currentTimeMillis) - beganMillis >= longTryMillis
      if (tookLong) size.tookLong(jobs.length)
      return yield* failed(jobs, exit.cause, tookLong)
    }
    yield* outage.reset
    size.went()
    untold = stored(jobs, exit.value)
  })

  return {
    commit,
    tell,
    isEnding: outage.isEnding,
    takeBatch,
    end: outage.end,
    refuses: outage.refuses,
  }
})

/**
 * What is kept may be too much for the time that a transaction has, which looks like a database that is away. So after a try that
 * took long the next one has half as many writes, and after each that went one more.
 */
const makeBatchSize = (commitWritesMax: number) => {
  let writesMax = commitWritesMax
  return {
    writesMax: () => writesMax,
    tookLong: (count: number): void => void (writesMax = Math.max(1, Math.floor(count / 2))),
    went: (): void => void (writesMax = Math.min(commitWritesMax, writesMax + 1)),
  }
}

type Outage = Effect.Success<ReturnType<typeof makeOutage>>

/** Whether the database is away, or the broker stops; and what whoever waits is told then. */
const makeOutage = Effect.fnUntraced(function* (queue: CommitQueue) {
  /** Begins again with the first delay once a commit has succeeded. */
  let nextDelay = yield* untilDatabaseIsBack
  /** What whoever waits is told, from a commit that failed until one does not, or nothing is left to try it with. */
  let away: Exit.Exit<never, StoreError> | undefined
  const ending = yield* Deferred.make<void>()
  const isEnding = () => Deferred.isDoneUnsafe(ending)

  /** Senders are told at once and may resend; what nobody would send again is kept and written later. */
  const databaseAway = Effect.fnUntraced(function* (jobs: ReadonlyArray<Job>, cause: Cause.Cause<StoreError>) {
    const told = Exit.failCause(cause)
    // Before anybody is told: who asks again for what has just failed is to hear the same.
    away = told
    // At the end everything is told: another try would only make the process wait for what is away.
    for (const { done } of isEnding() ? [...jobs, ...queue.takeAll()] : queue.takeAwaited(jobs)) done(told)
    if (isEnding()) return
    yield* Effect.raceFirst(Effect.sleep(yield* nextDelay(undefined)), Deferred.await(ending))
    // What is kept is the next try. Without it that is what comes next.
    if (queue.isEmpty) away = undefined
  })

  return {
    databaseAway,
    isEnding,
    end: Deferred.succeed(ending, undefined),
    /** The database answers, be it with a refusal. */
    isOver: (): void => void (away = undefined),
    /** A commit has succeeded. */
    reset: Effect.gen(function* () {
      nextDelay = yield* untilDatabaseIsBack
      away = undefined
    }),
    /** Whether it was told so, and is not to wait. */
    refuses: (one: Waiting): boolean => {
      const told = isEnding() ? stopped : isAwaited(one) ? away : undefined
      if (told !== undefined) one.done(told)
      return told !== undefined
    },
  }
})

/** What becomes of a batch that failed: it waits for the database, is tried in halves, or fails. */
const makeFailed = (store: MessageStore["Service"], queue: CommitQueue, outage: Outage) => {
  /** One bad write, or one that is too slow, fails alone. */
  const inHalves = Effect.fnUntraced(function* (jobs: ReadonlyArray<Job>, cause: Cause.Cause<StoreError>, why: string) {
    outage.isOver()
    if (jobs.length > 1) return queue.putBackSplit(jobs)
    yield* Effect.logWarning(why, cause)
    for (const { done } of jobs) done(Exit.failCause(cause))
  })

  /** Whether the database takes a small write, which is not asked for long. */
  const takesWrites = store.probe.pipe(
    Effect.timeoutOption(queue.limits.healthTimeoutMillis),
    Effect.catchCause(() => Effect.succeedNone),
    Effect.map(Option.isSome),
  )

  return Effect.fnUntraced(function* (jobs: ReadonlyArray<Job>, cause: Cause.Cause<StoreError>, tookLong: boolean) {
    const error = Cause.findErrorOption(cause)
    if (Option.isNone(error) || error.value.reason !== "unavailable")
      return yield* inHalves(jobs, cause, "a write was refused by the database")
    if (!tookLong || outage.isEnding()) return yield* outage.databaseAway(jobs, cause)
    const told = Exit.failCause(cause)
    for (const { done } of jobs.filter(isAwaited)) done(told)
    const kept = jobs.filter((job) => !isAwaited(job))
    // When the database takes something else, the batch was too much for the time that a transaction has, or one write of it is.
    return yield* (yield* takesWrites)
      ? inHalves(kept, cause, "a write takes longer than a transaction may")
      : outage.databaseAway(kept, cause)
  })
}

const stopped = Exit.fail(new StoreError({ reason: "unavailable", cause: "the broker stops" }))
const tooFewResults = Exit.fail(new StoreError({ reason: "rejected", cause: "the store gave too few results" }))
const nothingStored = stored([], [])
