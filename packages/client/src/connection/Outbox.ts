/**
 * What was sent and is not answered yet: at most 100 (I23), in order, kept across reconnects and sent again with
 * the same id on each connection (I7). An entry leaves when it is acked, or refused for good. A refusal that may
 * pass holds everything back for a while, so that what follows does not overtake it.
 */
import type { ClientMessageId } from "@claudemesh/domain/Ids"
import type { BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { isRetryable } from "@claudemesh/domain/wire/ErrorCode"
import { Deferred, Effect, Exit, Latch, Schema } from "effect"
import { outboxMax } from "../Limits.ts"
import { spreadDelayMillis } from "./ReconnectPolicy.ts"

export type Ack = Extract<BrokerFrame, { readonly type: "ack" }>
type ErrorFrame = Extract<BrokerFrame, { readonly type: "error" }>

export class OutboxFull extends Schema.TaggedError<OutboxFull>()("OutboxFull", { waiting: Schema.Int }) {
  override get message() {
    return `${this.waiting} messages wait to be sent: the broker does not answer`
  }
}

/** The broker refused the message for good. */
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
  readonly answer: Answer
  /** On this connection, and not refused since. */
  onWire: boolean
}

export interface Outbox {
  readonly offer: (message: {
    readonly id: ClientMessageId
    readonly text: string
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
  let refusals = 0
  let stopped: ClientStopped | undefined

  const offer: Outbox["offer"] = Effect.fnUntraced(function* ({ id, text }) {
    if (stopped !== undefined) return yield* stopped
    if (entries.size >= outboxMax) return yield* new OutboxFull({ waiting: entries.size })
    const answer: Answer = Deferred.makeUnsafe()
    entries.set(id, { text, answer, onWire: false })
    wake.openUnsafe()
    return answer
  })

  const settle: Outbox["settle"] = (frame) => {
    const id = frame.id ?? ""
    const entry = entries.get(id)
    if (entry === undefined) return false
    if (frame.type === "error" && (frame.retryable ?? isRetryable(frame.code))) {
      entry.onWire = false
      refusals += 1
      wake.openUnsafe()
      return true
    }
    entries.delete(id)
    refusals = 0
    Deferred.doneUnsafe(entry.answer, frame.type === "ack" ? Exit.succeed(frame) : Exit.fail(refusal(frame)))
    return true
  }

  const run = (send: (text: string) => boolean): Effect.Effect<never> =>
    Effect.gen(function* () {
      for (const entry of entries.values()) entry.onWire = false
      refusals = 0
      wake.openUnsafe()
      while (true) {
        yield* wake.await
        if (refusals > 0) yield* Effect.sleep(yield* spreadDelayMillis(refusals))
        wake.closeUnsafe()
        for (const entry of entries.values()) {
          if (entry.onWire) continue
          // The connection is closing: its end interrupts this, and the next one begins from the front.
          if (!send(entry.text)) return yield* Effect.never
          entry.onWire = true
        }
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

const refusal = ({ candidates, code, message }: ErrorFrame): SendRefused =>
  new SendRefused({ code, explanation: message, candidates: candidates ?? [] })
