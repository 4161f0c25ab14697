/**
 * What one process sends for one member: at most 100 messages (I23) and what it took over from processes that have ended, in the
 * order in which they were asked for. Each goes out again under its id on every connection until it is answered (I7). Of one target
 * only one is on the wire at a time, so none overtakes another, whatever is refused, lost or sent again. A refusal that may pass
 * holds everything back for a while; where only the recipient's inbox is full, what goes there. What is refused again and again
 * ends as refused for good, but for an outage: that is what an outbox is for.
 */
import { backOff, delaysOf } from "@claudemesh/domain/BackOff"
import type { SessionId } from "@claudemesh/domain/Ids"
import type { BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import type { Send } from "@claudemesh/domain/wire/ClientFrame"
import { isRetryable } from "@claudemesh/domain/wire/ErrorCode"
import { Clock, Deferred, Effect, Exit, Latch } from "effect"
import { brokerWords } from "../connection/BrokerWords.ts"
import type { ClientStopped } from "../connection/ConnectionState.ts"
import { Processes } from "../local/Processes.ts"
import type { StateDbError } from "../local/StateDb.ts"
import {
  backlogRefusalsMax,
  candidatesMax,
  outboxBeatMillis,
  outboxMax,
  refusalsMax,
  retryFirstMillis,
  retryMaxMillis,
} from "../Limits.ts"
import { type NewEntry, type OutboxEntry, OutboxFull, SendGone, type SendProblem, SendRefused } from "./OutboxEntry.ts"
import { type Member, OutboxStore, targetOf } from "./OutboxStore.ts"

export type Ack = Extract<BrokerFrame, { readonly type: "ack" }>
type ErrorFrame = Extract<BrokerFrame, { readonly type: "error" }>
export type SendEnd = SendRefused | SendGone | ClientStopped

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
  readonly awaitEmpty: Effect.Effect<void>
  /** For good: what waits is not sent, and what is offered from now on fails. */
  readonly stop: (why: ClientStopped) => Effect.Effect<void>
  /** The process ends, and leaves what waits to the next one. */
  readonly end: (why: ClientStopped) => Effect.Effect<void>
}

interface Entry extends OutboxEntry {
  readonly target: string
  /** Of this process, and not taken over. */
  readonly isOwn: boolean
  readonly answer: Deferred.Deferred<Ack, SendEnd>
  /** Callers that wait for the answer at this moment. */
  waiters: number
  /** A caller had the refusal as its answer. */
  isTold: boolean
  onWire: boolean
  refusals: number
  /** Its recipient's inbox was full: when to try again, once that is decided. */
  isFull: boolean
  retryAtMillis: number
  delays: ((input: unknown) => Effect.Effect<number>) | undefined
}

const pauses = delaysOf(backOff(retryFirstMillis, retryMaxMillis))

export const makeOutbox = Effect.fnUntraced(function* (options: {
  readonly of: Member
  readonly slug: string
  /** Of this client alone. */
  readonly sender: string
  /** Why it cannot be sent any more, whatever the broker would say. */
  readonly tooLate: (entry: OutboxEntry, nowMillis: number) => SendRefused | undefined
}) {
  const { of, slug, tooLate } = options
  const store = yield* OutboxStore
  const sender = { sender: options.sender, ...(yield* Processes).own }
  const wake = Latch.makeUnsafe()
  const tendWake = Latch.makeUnsafe()
  const empty = Latch.makeUnsafe(true)
  /** In the order in which they were asked for. */
  let entries: ReadonlyArray<Entry> = []
  /** Done with here; the disk does not know it yet. */
  let done: ReadonlyArray<{ readonly entry: Entry; readonly problem: SendRefused | undefined }> = []
  let isKnownOnDisk = false
  let nextPause = yield* pauses
  let isPaused = false
  let isWell = false
  let stopped: ClientStopped | undefined

  const become = (next: ReadonlyArray<Entry>): void => {
    entries = next
    if (entries.length === 0) empty.openUnsafe()
    else empty.closeUnsafe()
    wake.openUnsafe()
    tendWake.openUnsafe()
  }

  const enter = (incoming: ReadonlyArray<Entry>): void => {
    isKnownOnDisk = true
    become([...entries, ...incoming].toSorted((a, b) => a.seq - b.seq))
  }

  const offer: Outbox["offer"] = Effect.fnUntraced(function* (message, durable) {
    if (stopped !== undefined) return yield* stopped
    const waiting = entries.filter(({ isOwn }) => isOwn).length
    if (waiting >= outboxMax) return yield* new OutboxFull({ waiting, of: "process" })
    const entry = entryOf({ ...message, seq: yield* store.add(message, sender, durable), hasLeft: false }, true)
    enter([entry])
    return { answer: answerOf(entry), cancel: cancel(entry) }
  }, Effect.uninterruptible)

  const answerOf = (entry: Entry): Effect.Effect<Ack, SendEnd> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        entry.waiters += 1
      }),
      () => Deferred.await(entry.answer),
      () =>
        Effect.sync(() => {
          entry.waiters -= 1
        }),
    ).pipe(
      Effect.tapError((end) =>
        Effect.suspend(() => {
          if (end._tag !== "SendRefused" || entry.isTold) return Effect.void
          entry.isTold = true
          return Effect.ignore(store.forgetProblems([entry.messageId]))
        }),
      ),
    )

  const cancel = (entry: Entry) =>
    Effect.map(store.cancel(entry.messageId), (cancelled) => {
      if (cancelled !== "cancelled") return false
      forget([entry])
      return true
    })

  /** The disk knows it already. */
  const forget = (those: ReadonlyArray<Entry>): void => {
    if (those.length === 0) return
    become(entries.filter((entry) => !those.includes(entry)))
    for (const { answer } of those) Deferred.doneUnsafe(answer, Exit.fail(new SendGone()))
  }

  const finish = (entry: Entry, exit: Exit.Exit<Ack, SendEnd>, problem: SendRefused | undefined): void => {
    if (!entries.includes(entry)) return
    done = [...done, { entry, problem: entry.waiters > 0 ? undefined : problem }]
    become(entries.filter((other) => other !== entry))
    Deferred.doneUnsafe(entry.answer, exit)
  }

  const settle: Outbox["settle"] = (frame) => {
    const entry = entries.find(({ id }) => id === frame.id)
    if (entry === undefined) return false
    if (frame.type === "error" && mayPass(entry, frame)) {
      entry.onWire = false
      if (frame.code === "backlog_full") entry.isFull = true
      else isPaused = true
      wake.openUnsafe()
      return true
    }
    isWell = true
    if (frame.type === "ack") finish(entry, Exit.succeed(frame), undefined)
    else finish(entry, Exit.fail(refusal(frame)), refusal(frame))
    return true
  }

  /** The first message of each target that may go, and when the first of the others may, if that is a matter of time. */
  const due = Effect.fnUntraced(function* (nowMillis: number) {
    const busy = new Set(entries.filter(({ onWire }) => onWire).map(({ target }) => target))
    const heads: Array<Entry> = []
    let firstMillis = Number.POSITIVE_INFINITY
    for (const entry of entries) {
      if (busy.has(entry.target)) continue
      busy.add(entry.target)
      if (entry.isFull) {
        entry.delays ??= yield* pauses
        entry.retryAtMillis = nowMillis + (yield* entry.delays(undefined))
        entry.isFull = false
      }
      if (entry.retryAtMillis > nowMillis) firstMillis = Math.min(firstMillis, entry.retryAtMillis)
      else heads.push(entry)
    }
    return { heads, firstMillis }
  })

  const pass = Effect.fnUntraced(function* (wire: Wire) {
    const nowMillis = yield* Clock.currentTimeMillis
    expire(nowMillis)
    const { firstMillis, heads } = yield* due(nowMillis)
    if (heads.length === 0) return firstMillis
    const messageIds = heads.map(({ messageId }) => messageId)
    const may = yield* Effect.result(store.leave(sender.sender, messageIds))
    if (may._tag === "Failure") {
      isPaused = true
      wake.openUnsafe()
      yield* Effect.logWarning("messages wait: the outbox cannot be written", { slug, reason: may.failure.message })
      return firstMillis
    }
    forget(heads.filter(({ messageId }) => !may.success.has(messageId)))
    for (const entry of heads) {
      if (!may.success.has(entry.messageId)) continue
      const { frame, sessionId } = entry
      // The connection is closing: its end interrupts this, and the next one begins from the front.
      if (!wire.send(sessionId === wire.sessionId ? frame : { ...frame, sessionId })) return yield* Effect.never
      entry.onWire = true
    }
    return firstMillis
  })

  const run: Outbox["run"] = (wire) =>
    Effect.gen(function* () {
      for (const entry of entries) entry.onWire = false
      isPaused = false
      isWell = true
      wake.openUnsafe()
      let firstMillis = Number.POSITIVE_INFINITY
      while (true) {
        const waitMillis = firstMillis - (yield* Clock.currentTimeMillis)
        yield* Number.isFinite(waitMillis)
          ? Effect.timeoutOption(wake.await, Math.max(1, Math.ceil(waitMillis)))
          : wake.await
        // Whoever opens it runs what waits for it, and has to go on first.
        yield* Effect.yieldNow
        if (isWell) nextPause = yield* pauses
        isWell = false
        if (isPaused) {
          yield* Effect.sleep(yield* nextPause(undefined))
          isPaused = false
        }
        wake.closeUnsafe()
        firstMillis = yield* pass(wire)
      }
    })

  const expire = (nowMillis: number): void => {
    for (const entry of entries) {
      const why = entry.onWire ? undefined : tooLate(entry, nowMillis)
      if (why !== undefined) finish(entry, Exit.fail(why), why)
    }
  }

  const writeDown = Effect.gen(function* () {
    const writing = done
    if (writing.length === 0) return
    const atMillis = yield* Clock.currentTimeMillis
    const problems = writing.flatMap(({ entry, problem }) =>
      problem === undefined || entry.isTold ? [] : [problemOf(of, entry, problem, atMillis)],
    )
    yield* store.finish(
      writing.map(({ entry }) => entry.messageId),
      problems,
    )
    done = done.filter((one) => !writing.includes(one))
    // Told while it was written.
    const told = writing.filter(({ entry, problem }) => problem !== undefined && entry.isTold)
    if (told.length > 0) yield* store.forgetProblems(told.map(({ entry }) => entry.messageId))
  }).pipe(
    Effect.catch(({ message }) =>
      Effect.logWarning("what came of messages is not written down yet", { slug, reason: message }),
    ),
  )

  const tend = Effect.gen(function* () {
    let beatMillis = yield* Clock.currentTimeMillis
    while (true) {
      const isIdle = entries.length === 0 && done.length === 0
      yield* isIdle ? tendWake.await : Effect.timeoutOption(tendWake.await, outboxBeatMillis)
      yield* Effect.yieldNow
      tendWake.closeUnsafe()
      yield* writeDown
      const nowMillis = yield* Clock.currentTimeMillis
      if (entries.length === 0 || Math.abs(nowMillis - beatMillis) < outboxBeatMillis) continue
      beatMillis = nowMillis
      expire(nowMillis)
      yield* Effect.ignore(store.beat(sender.sender))
    }
  })

  const end: Outbox["end"] = Effect.fnUntraced(function* (why) {
    stopped ??= why
    const left = entries
    become([])
    for (const { answer } of left) Deferred.doneUnsafe(answer, Exit.fail(why))
    yield* writeDown
    if (isKnownOnDisk) yield* Effect.ignore(store.retire(sender.sender))
  })

  const outbox: Outbox = {
    offer,
    takeOver: (adopted) => enter(adopted.map((entry) => entryOf(entry, false))),
    settle,
    run,
    tend,
    size: () => entries.length,
    awaitEmpty: Effect.asVoid(empty.await),
    stop: (why) =>
      Effect.suspend(() => {
        stopped ??= why
        const problem = new SendRefused({ code: why.reason, explanation: why.message, candidates: [] })
        for (const entry of entries) finish(entry, Exit.fail(why), problem)
        return writeDown
      }),
    end,
  }
  return outbox
})

const entryOf = (entry: OutboxEntry, isOwn: boolean): Entry => ({
  ...entry,
  target: targetOf(entry),
  isOwn,
  answer: Deferred.makeUnsafe(),
  waiters: 0,
  isTold: false,
  onWire: false,
  refusals: 0,
  isFull: false,
  retryAtMillis: 0,
  delays: undefined,
})

const problemOf = (
  { member, meshId }: Member,
  { messageId, sessionId, target, to }: Entry,
  { code, explanation }: SendRefused,
  atMillis: number,
): SendProblem => ({ messageId, meshId, member, sessionId, to, target, code, explanation, atMillis })

/** Counts the refusal, too. */
const mayPass = (entry: Entry, { code, retryable }: ErrorFrame): boolean => {
  if (!(retryable ?? isRetryable(code))) return false
  if (code === "unavailable") return true
  entry.refusals += 1
  return entry.refusals < (code === "backlog_full" ? backlogRefusalsMax : refusalsMax)
}

const refusal = ({ candidates, code, message }: ErrorFrame): SendRefused =>
  new SendRefused({
    code: brokerWords(code),
    explanation: brokerWords(message),
    candidates: (candidates ?? []).slice(0, candidatesMax).map(brokerWords),
  })
