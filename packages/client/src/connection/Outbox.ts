/**
 * What was sent and is not answered yet: at most 100 (I23), in order, kept across reconnects and sent again with
 * the same id on each connection (I7). An entry leaves when it is acked, or refused for good. A refusal that may
 * pass holds everything back for a while, so that what follows does not overtake it; where only the recipient's
 * inbox is full, it holds back what goes there. What is refused again and again ends as refused for good, but for
 * an outage: that is what an outbox is for.
 */
import type { ClientMessageId } from "@claudemesh/domain/Ids"
import type { BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { isRetryable } from "@claudemesh/domain/wire/ErrorCode"
import { Clock, Deferred, Effect, Exit, Latch, Schema } from "effect"
import { backlogRefusalsMax, candidatesMax, outboxMax, refusalsMax } from "../Limits.ts"
import { brokerWords } from "./BrokerWords.ts"
import { spreadDelayMillis } from "./ReconnectPolicy.ts"

export type Ack = Extract<BrokerFrame, { readonly type: "ack" }>
type ErrorFrame = Extract<BrokerFrame, { readonly type: "error" }>

export class OutboxFull extends Schema.TaggedError<OutboxFull>()("OutboxFull", { waiting: Schema.Int }) {
  override get message() {
    return `${this.waiting} messages wait to be sent: the broker does not answer`
  }
}

/** The broker refused the message for good, or too often. */
export class SendRefused extends Schema.TaggedError<SendRefused>()("SendRefused", {
  /** An `ErrorCode`, or one of a newer broker. */
  code: Schema.String,
  explanation: Schema.String,
  candidates: Schema.Array(Schema.String),
}) {
  override get message() {
    return `the broker refused the message (${this.code}): ${this.explanation}`
  }
}

/** The client has ended, or a terminal close has ended it: what was not answered then may or may not arrive. */
export class ClientStopped extends Schema.TaggedError<ClientStopped>()("ClientStopped", {
  reason: Schema.String,
  code: Schema.UndefinedOr(Schema.Int),
}) {
  override get message() {
    return `this mesh's connection has ended: ${this.reason}`
  }
}

export type Answer = Deferred.Deferred<Ack, SendRefused | ClientStopped>

interface Entry {
  readonly text: string
  readonly targetSpec: string
  readonly answer: Answer
  /** On this connection, and not refused since. */
  onWire: boolean
  refusals: number
  /** Its recipient's inbox was full: when to try again, once that is decided. */
  backlog: { retryAtMillis: number | undefined } | undefined
}

export interface Outbox {
  readonly offer: (message: {
    readonly id: ClientMessageId
    readonly text: string
    readonly targetSpec: string
  }) => Effect.Effect<Answer, OutboxFull | ClientStopped>
  /** An `ack`, or an `error` with the id of a send. False when it answers nothing here. */
  readonly settle: (frame: Ack | ErrorFrame) => boolean
  /** Sends what waits, and what is offered from now on; runs for as long as the connection does. */
  readonly run: (send: (text: string) => boolean) => Effect.Effect<never>
  readonly size: Effect.Effect<number>
  /** Fails what waits, and what is offered from now on. */
  readonly stop: (why: ClientStopped) => Effect.Effect<void>
}

export const makeOutbox: Effect.Effect<Outbox> = Effect.sync(() => {
  // A Map keeps the order in which its keys were first set.
  const entries = new Map<string, Entry>()
  const wake = Latch.makeUnsafe()
  let pauses = 0
  let refused = false
  let stopped: ClientStopped | undefined

  const offer: Outbox["offer"] = Effect.fnUntraced(function* ({ id, targetSpec, text }) {
    if (stopped !== undefined) return yield* stopped
    if (entries.size >= outboxMax) return yield* new OutboxFull({ waiting: entries.size })
    const answer: Answer = Deferred.makeUnsafe()
    entries.set(id, { text, targetSpec, answer, onWire: false, refusals: 0, backlog: undefined })
    wake.openUnsafe()
    return answer
  })

  const settle: Outbox["settle"] = (frame) => {
    const id = frame.id ?? ""
    const entry = entries.get(id)
    if (entry === undefined) return false
    if (frame.type === "error" && mayPass(entry, frame)) {
      entry.onWire = false
      if (frame.code === "backlog_full") entry.backlog = { retryAtMillis: undefined }
      else refused = true
      wake.openUnsafe()
      return true
    }
    entries.delete(id)
    pauses = 0
    // What was held back behind it may go.
    wake.openUnsafe()
    Deferred.doneUnsafe(entry.answer, frame.type === "ack" ? Exit.succeed(frame) : Exit.fail(refusal(frame)))
    return true
  }

  /** Sends in order what may go; gives when the first of the others may, if that is a matter of time. */
  const pass = Effect.fnUntraced(function* (send: (text: string) => boolean) {
    const nowMillis = yield* Clock.currentTimeMillis
    const full = new Set<string>()
    let firstMillis = Number.POSITIVE_INFINITY
    for (const entry of entries.values()) {
      if (entry.onWire || full.has(entry.targetSpec)) continue
      if (entry.backlog !== undefined) {
        entry.backlog.retryAtMillis ??= nowMillis + (yield* spreadDelayMillis(entry.refusals))
        if (entry.backlog.retryAtMillis > nowMillis) {
          firstMillis = Math.min(firstMillis, entry.backlog.retryAtMillis)
          full.add(entry.targetSpec)
          continue
        }
      }
      // The connection is closing: its end interrupts this, and the next one begins from the front.
      if (!send(entry.text)) return yield* Effect.never
      entry.backlog = undefined
      entry.onWire = true
    }
    return firstMillis
  })

  const run = (send: (text: string) => boolean): Effect.Effect<never> =>
    Effect.gen(function* () {
      for (const entry of entries.values()) entry.onWire = false
      pauses = 0
      refused = false
      wake.openUnsafe()
      let firstMillis = Number.POSITIVE_INFINITY
      while (true) {
        const waitMillis = firstMillis - (yield* Clock.currentTimeMillis)
        yield* Number.isFinite(waitMillis) ? Effect.timeoutOption(wake.await, waitMillis) : wake.await
        if (refused) {
          pauses += 1
          yield* Effect.sleep(yield* spreadDelayMillis(pauses))
          refused = false
        }
        wake.closeUnsafe()
        firstMillis = yield* pass(send)
      }
    })

  const stop = (why: ClientStopped) =>
    Effect.sync(() => {
      stopped ??= why
      const waiting = [...entries.values()]
      entries.clear()
      for (const { answer } of waiting) Deferred.doneUnsafe(answer, Exit.fail(stopped))
    })

  return { offer, settle, run, stop, size: Effect.sync(() => entries.size) }
})

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
