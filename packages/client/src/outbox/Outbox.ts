/**
 * What one process sends for one member: at most 100 messages (I23) and what it took over from processes that have ended, in the
 * order in which they were asked for. Each goes out again under its id on every connection until it is answered (I7). Of one target
 * only one is on the wire at a time, so none overtakes another, whatever is refused, lost or sent again. A refusal that may pass
 * holds everything back for a while; where only the recipient's inbox is full, what goes there. What is refused again and again
 * ends as refused for good, but for an outage: that is what an outbox is for.
 */
import { backOff, delaysOf } from "@claudemesh/domain/BackOff"
import type { SessionId } from "@claudemesh/domain/Ids"
import type { Send } from "@claudemesh/domain/wire/ClientFrame"
import { Clock, Deferred, Effect } from "effect"
import type { ClientStopped } from "../connection/ConnectionState.ts"
import { Processes } from "../local/Processes.ts"
import type { StateDbError } from "../local/StateDb.ts"
import { outboxBeatMillis, outboxBehindMillis, outboxMax, retryFirstMillis, retryMaxMillis } from "../Limits.ts"
import { type NewEntry, type OutboxEntry, OutboxFull, SendGone, type SendProblem, SendRefused } from "./OutboxEntry.ts"
import { type Member, OutboxStore } from "./OutboxStore.ts"
import { type Ack, type ErrorFrame, type Queued, type SendEnd, SendQueue } from "./SendQueue.ts"

export interface Waiting {
  readonly answer: Effect.Effect<Ack, SendEnd>
  /** True: it had not left this machine, and will not. */
  readonly cancel: Effect.Effect<boolean, StateDbError>
}

/** What the outbox sends over. */
export interface Wire {
  /** False once the connection is closing. */
  readonly send: (frame: Send) => boolean
  readonly sessionId: SessionId
}

export interface Outbox {
  /** It is on the disk before this returns; with `durable` also if the power fails then. */
  readonly offer: (
    entry: NewEntry,
    durable: boolean,
  ) => Effect.Effect<Waiting, OutboxFull | ClientStopped | StateDbError>
  /** Messages of processes that have ended. */
  readonly takeOver: (entries: ReadonlyArray<OutboxEntry>) => void
  /** An `ack`, or an `error` with the id of a send. False when it answers nothing here. */
  readonly settle: (frame: Ack | ErrorFrame) => boolean
  /** Sends what waits, and what comes from now on; runs for as long as the connection does. */
  readonly run: (wire: Wire) => Effect.Effect<never>
  /** Writes down what came of messages, and that this process lives; runs for as long as the client. */
  readonly tend: Effect.Effect<never>
  readonly size: () => number
  /** Until all is answered and written down that can be now; it does not look whether there is a connection. */
  readonly calm: Effect.Effect<void>
  /** For good: what waits is not sent, and what is offered from now on fails. */
  readonly stop: (why: ClientStopped) => Effect.Effect<void>
  /** The process ends, and leaves what waits to the next one. */
  readonly end: (why: ClientStopped) => Effect.Effect<void>
}

interface OutboxOptions {
  readonly of: Member
  readonly slug: string
  /** Of this client alone. */
  readonly sender: string
  /** Why it cannot be sent any more, whatever the broker would say. */
  readonly tooLate: (entry: OutboxEntry, nowMillis: number) => SendRefused | undefined
}

const beatEveryNanos = BigInt(outboxBeatMillis) * 1_000_000n

export const makeOutbox = Effect.fnUntraced(function* (options: OutboxOptions) {
  const store = yield* OutboxStore
  const sender = { sender: options.sender, ...(yield* Processes).own }
  const scope = yield* Effect.scope
  const queue = new SendQueue()
  const sending = yield* makeSender(options, queue)
  let isKnownOnDisk = false
  let stopped: ClientStopped | undefined

  const offer: Outbox["offer"] = Effect.fnUntraced(function* (message, durable) {
    if (stopped !== undefined) return yield* stopped
    const waiting = queue.entries.filter(({ isOwn }) => isOwn).length
    if (waiting >= outboxMax) return yield* new OutboxFull({ waiting, of: "process" })
    const seq = yield* store.add(message, sender, durable)
    isKnownOnDisk = true
    const [entry] = queue.enter([{ ...message, seq, hasLeft: false }], true)
    return entry === undefined ? yield* Effect.die("it was entered") : waitingFor(entry)
  }, Effect.uninterruptible)

  const waitingFor = (entry: Queued): Waiting => ({
    answer: Effect.catch(Deferred.await(entry.answer), (end): Effect.Effect<never, SendEnd> => {
      if (end._tag === "SendGone" || entry.isTold) return Effect.fail(end)
      return Effect.flatMap(isOurs(entry), (ours): Effect.Effect<never, SendEnd> =>
        ours
          ? Effect.andThen(told(entry), Effect.fail(end))
          : Effect.fail(end._tag === "ClientStopped" ? end : new SendGone()),
      )
    }),
    cancel: Effect.map(store.cancel(entry.messageId), (cancelled) => {
      if (cancelled !== "cancelled") return false
      queue.forget([entry])
      return true
    }),
  })

  /** A process that was stopped for long may hear of a refusal that is another's to tell by now. */
  const isOurs = (entry: Queued): Effect.Effect<boolean> =>
    Effect.map(
      Effect.orElseSucceed(store.isSender(options.sender, entry.messageId), () => true),
      (isSender) => (entry.isWritten ? !entry.isAnothers : isSender),
    )

  /** The caller goes on at once: interrupted while the disk is waited for, it would know nothing, and nobody else either. */
  const told = (entry: Queued) =>
    Effect.suspend(() => {
      entry.isTold = true
      if (!entry.isWritten) return Effect.void
      return Effect.forkIn(Effect.ignore(store.forgetProblems([entry.messageId])), scope, { startImmediately: true })
    })

  const writeDown = Effect.gen(function* () {
    const writing = queue.done
    if (writing.length === 0) return
    const atMillis = yield* Clock.currentTimeMillis
    const problems = writing.flatMap(({ entry, problem }) =>
      problem === undefined || entry.isTold ? [] : [problemOf(options.of, entry, problem, atMillis)],
    )
    const kept = yield* store.finish(
      options.sender,
      writing.map(({ entry }) => entry.messageId),
      problems,
    )
    for (const { messageId } of problems) {
      const one = writing.find(({ entry }) => entry.messageId === messageId)
      if (one !== undefined) one.entry.isAnothers = !kept.has(messageId)
    }
    queue.written(writing)
    // Told while it was written.
    const since = problems.filter(({ messageId }) =>
      writing.some(({ entry }) => entry.messageId === messageId && entry.isTold),
    )
    if (since.length > 0) yield* store.forgetProblems(since.map(({ messageId }) => messageId))
  }).pipe(
    Effect.catch(({ message }) =>
      Effect.logWarning("what came of messages is not written down yet", { slug: options.slug, reason: message }),
    ),
  )

  const tend = Effect.gen(function* () {
    // By a clock that nobody sets: by one that goes back ten seconds this process would seem silent for as long, and what it sends would be taken over.
    let beatNanos = yield* Clock.monotonicTimeNanos
    while (true) {
      const isIdle = queue.entries.length === 0 && queue.done.length === 0
      yield* isIdle ? queue.changed.await : Effect.timeoutOption(queue.changed.await, outboxBeatMillis)
      yield* Effect.yieldNow
      queue.changed.closeUnsafe()
      yield* writeDown
      const nowNanos = yield* Clock.monotonicTimeNanos
      if (queue.entries.length === 0 || nowNanos - beatNanos < beatEveryNanos) continue
      beatNanos = nowNanos
      sending.expire(yield* Clock.currentTimeMillis)
      yield* Effect.ignore(store.beat(sender.sender))
    }
  })

  const outbox: Outbox = {
    offer,
    takeOver: (adopted) => {
      isKnownOnDisk = true
      queue.enter(adopted, false)
    },
    settle: sending.settle,
    run: sending.run,
    tend,
    size: () => queue.entries.length,
    calm: Effect.suspend(() => {
      queue.answered.closeUnsafe()
      return queue.isCalm ? Effect.succeed(true) : Effect.as(queue.answered.await, false)
    }).pipe(Effect.repeat({ until: (isCalm) => isCalm }), Effect.asVoid),
    stop: (why) =>
      Effect.suspend(() => {
        stopped ??= why
        queue.refuseAll(why, new SendRefused({ code: why.reason, explanation: why.message, candidates: [] }))
        return writeDown
      }),
    end: Effect.fnUntraced(function* (why) {
      stopped ??= why
      queue.leaveAll(why)
      yield* writeDown
      if (isKnownOnDisk) yield* Effect.ignore(store.applyRetention(sender.sender))
    }),
  }
  return outbox
})

const pauses = delaysOf(backOff(retryFirstMillis, retryMaxMillis))

/** What goes on the wire, and when: after a refusal that may pass everything waits for a while, longer each time. */
const makeSender = Effect.fnUntraced(function* ({ sender, slug, tooLate }: OutboxOptions, queue: SendQueue) {
  const store = yield* OutboxStore
  /** For each message that goes to a full inbox. */
  const backlogDelays = new WeakMap<Queued, Effect.Success<typeof pauses>>()
  let nextPause = yield* pauses
  let isPaused = false
  let isWell = false

  const expire = (nowMillis: number): void => {
    for (const entry of queue.entries) {
      const why = entry.onWire ? undefined : tooLate(entry, nowMillis)
      if (why !== undefined) queue.refuse(entry, why)
    }
  }

  /** When it may go: later, if its recipient's inbox was full just now. */
  const dueMillis = Effect.fnUntraced(function* (entry: Queued, nowMillis: number) {
    if (!entry.isFull) return entry.retryAtMillis
    const delays = backlogDelays.get(entry) ?? (yield* pauses)
    backlogDelays.set(entry, delays)
    entry.retryAtMillis = nowMillis + (yield* delays(undefined))
    entry.isFull = false
    return entry.retryAtMillis
  })

  /** Sends what may go; gives when the first of the others may, if that is a matter of time. */
  const pass = Effect.fnUntraced(function* (wire: Wire) {
    const nowMillis = yield* Clock.currentTimeMillis
    expire(nowMillis)
    const timed = yield* Effect.forEach(queue.heads, (entry) =>
      Effect.map(dueMillis(entry, nowMillis), (atMillis) => ({ entry, atMillis })),
    )
    const due = timed.filter(({ atMillis }) => atMillis <= nowMillis).map(({ entry }) => entry)
    if (due.length > 0) yield* put(wire, due, nowMillis)
    const later = timed.map(({ entry }) => entry.retryAtMillis).filter((atMillis) => atMillis > nowMillis)
    return Math.min(Number.POSITIVE_INFINITY, ...later)
  })

  /** Once the disk knows that they leave: a message is cancelled before that, or sent. */
  const put = Effect.fnUntraced(function* (wire: Wire, due: ReadonlyArray<Queued>, nowMillis: number) {
    const messageIds = due.map(({ messageId }) => messageId)
    const may = yield* Effect.result(store.leave(sender, messageIds))
    if (may._tag === "Failure") {
      isPaused = true
      queue.wake.openUnsafe()
      return yield* Effect.logWarning("messages wait: the outbox cannot be written", {
        slug,
        reason: may.failure.message,
      })
    }
    const { later, now } = may.success
    queue.forget(due.filter(({ messageId }) => !now.has(messageId) && !later.has(messageId)))
    for (const entry of due) {
      if (later.has(entry.messageId)) entry.retryAtMillis = nowMillis + outboxBehindMillis
      if (!now.has(entry.messageId)) continue
      const { frame, sessionId } = entry
      // The connection is closing: its end interrupts this, and the next one begins from the front.
      if (!wire.send(sessionId === wire.sessionId ? frame : { ...frame, sessionId })) return yield* Effect.never
      entry.onWire = true
    }
  })

  const run = (wire: Wire): Effect.Effect<never> =>
    Effect.gen(function* () {
      isPaused = false
      isWell = true
      queue.offWire()
      let firstMillis = Number.POSITIVE_INFINITY
      while (true) {
        const waitMillis = Math.max(1, Math.ceil(firstMillis - (yield* Clock.currentTimeMillis)))
        yield* Number.isFinite(waitMillis) ? Effect.timeoutOption(queue.wake.await, waitMillis) : queue.wake.await
        // Whoever opens it runs what waits for it, and has to go on first.
        yield* Effect.yieldNow
        if (isWell) nextPause = yield* pauses
        isWell = false
        if (isPaused) {
          yield* Effect.sleep(yield* nextPause(undefined))
          isPaused = false
        }
        queue.wake.closeUnsafe()
        firstMillis = yield* pass(wire)
      }
    })

  const settle: Outbox["settle"] = (frame) => {
    const became = queue.settle(frame)
    if (became === "done") isWell = true
    if (became === "refused for now") isPaused = true
    return became !== undefined
  }

  return { expire, run, settle }
})

const problemOf = (
  { member, meshId }: Member,
  { messageId, sealedAtMillis, sessionId, target, to }: Queued,
  { code, explanation }: SendRefused,
  atMillis: number,
): SendProblem => ({ messageId, meshId, member, sessionId, to, target, code, explanation, atMillis, sealedAtMillis })
