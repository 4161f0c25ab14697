/**
 * What one process sends, in memory: in the order in which it was asked for, one message of a target on the wire at a time, and what
 * the broker's answers mean for that. No I/O: `Outbox.ts` sends what it gives, and writes down what is done.
 */
import type { BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { isRetryable } from "@claudemesh/domain/wire/ErrorCode"
import { Deferred, Exit, Latch } from "effect"
import { brokerWords } from "../connection/BrokerWords.ts"
import type { ClientStopped } from "../connection/ConnectionState.ts"
import { backlogRefusalsMax, candidatesMax, refusalsMax } from "../Limits.ts"
import { type OutboxEntry, SendGone, SendRefused } from "./OutboxEntry.ts"
import { targetOf } from "./OutboxStore.ts"

export type Ack = Extract<BrokerFrame, { readonly type: "ack" }>
export type ErrorFrame = Extract<BrokerFrame, { readonly type: "error" }>
export type SendEnd = SendRefused | SendGone | ClientStopped

export interface Queued extends OutboxEntry {
  readonly target: string
  /** Of this process, and not taken over. */
  readonly isOwn: boolean
  readonly answer: Deferred.Deferred<Ack, SendEnd>
  /** A caller had the refusal as its answer. */
  isTold: boolean
  /** What came of it is on the disk. */
  isWritten: boolean
  /** Another process had taken it over when it was refused. */
  isAnothers: boolean
  onWire: boolean
  refusals: number
  /** Its recipient's inbox was full: it waits, for how long is to be decided. */
  isFull: boolean
  retryAtMillis: number
}

/**
 * It is done with here, and the disk does not know it yet. `problem`: to be told later, unless a caller is told of it. A caller that
 * waits may be interrupted at this very moment, so that one waits tells nothing.
 */
export interface Done {
  readonly entry: Queued
  readonly problem: SendRefused | undefined
}

export class SendQueue {
  #entries: ReadonlyArray<Queued> = []
  #done: ReadonlyArray<Done> = []
  readonly #wake = Latch.makeUnsafe()
  readonly #changed = Latch.makeUnsafe()
  readonly #answered = Latch.makeUnsafe()

  /** Something may be sent that could not before. */
  get wake(): Latch.Latch {
    return this.#wake
  }

  /** Something came, went, or is to be written down. */
  get changed(): Latch.Latch {
    return this.#changed
  }

  /** Something was answered, went, or was written down. */
  get answered(): Latch.Latch {
    return this.#answered
  }

  /** Nothing is left but what has to wait for a recipient's inbox to have room, or for another process. */
  get isCalm(): boolean {
    return (
      this.#done.length === 0 &&
      this.#entries.every(({ onWire }) => !onWire) &&
      this.heads.every(({ isFull, retryAtMillis }) => isFull || retryAtMillis > 0)
    )
  }

  get entries(): ReadonlyArray<Queued> {
    return this.#entries
  }

  get done(): ReadonlyArray<Done> {
    return this.#done
  }

  enter(entries: ReadonlyArray<OutboxEntry>, isOwn: boolean): ReadonlyArray<Queued> {
    const entered = entries.map((entry) => queued(entry, isOwn))
    this.#become([...this.#entries, ...entered].toSorted((a, b) => a.seq - b.seq))
    return entered
  }

  /** On a new connection nothing is on the wire. */
  offWire(): void {
    for (const entry of this.#entries) entry.onWire = false
    this.#wake.openUnsafe()
  }

  /** The first message of each target that has none on the wire. */
  get heads(): ReadonlyArray<Queued> {
    const busy = new Set(this.#entries.filter(({ onWire }) => onWire).map(({ target }) => target))
    return this.#entries.filter(({ target }) => {
      if (busy.has(target)) return false
      busy.add(target)
      return true
    })
  }

  /** The answer to a send: it is done with, or waits for what it was refused for to pass. Nothing where it answers none of these. */
  settle(frame: Ack | ErrorFrame): "done" | "full" | "refused for now" | undefined {
    const entry = this.#entries.find(({ id }) => id === frame.id)
    if (entry === undefined) return undefined
    if (frame.type === "ack") this.#finish(entry, Exit.succeed(frame), undefined)
    else if (mayPass(entry, frame)) return this.#refusedForNow(entry, frame)
    else this.refuse(entry, refusal(frame))
    return "done"
  }

  #refusedForNow(entry: Queued, { code }: ErrorFrame): "full" | "refused for now" {
    entry.onWire = false
    entry.isFull = code === "backlog_full"
    this.#wake.openUnsafe()
    this.#answered.openUnsafe()
    return entry.isFull ? "full" : "refused for now"
  }

  refuse(entry: Queued, why: SendRefused): void {
    this.#finish(entry, Exit.fail(why), why)
  }

  /** Nothing of it is sent any more. */
  refuseAll(why: ClientStopped, problem: SendRefused): void {
    for (const entry of this.#entries) this.#finish(entry, Exit.fail(why), problem)
  }

  /** The disk knows it already: they were cancelled, or are another process's. */
  forget(those: ReadonlyArray<Queued>): void {
    if (those.length > 0) this.#give(those, new SendGone())
  }

  /** What waits is left to the next process. */
  leaveAll(why: ClientStopped): void {
    this.#give(this.#entries, why)
  }

  written(those: ReadonlyArray<Done>): void {
    for (const { entry } of those) entry.isWritten = true
    this.#done = this.#done.filter((one) => !those.includes(one))
    this.#answered.openUnsafe()
  }

  #give(those: ReadonlyArray<Queued>, why: SendGone | ClientStopped): void {
    this.#become(this.#entries.filter((entry) => !those.includes(entry)))
    for (const { answer } of those) Deferred.doneUnsafe(answer, Exit.fail(why))
  }

  /** Once: whoever hears of the answer may change the queue. */
  #finish(entry: Queued, exit: Exit.Exit<Ack, SendEnd>, problem: SendRefused | undefined): void {
    if (!this.#entries.includes(entry)) return
    this.#done = [...this.#done, { entry, problem }]
    this.#become(this.#entries.filter((other) => other !== entry))
    Deferred.doneUnsafe(entry.answer, exit)
  }

  #become(entries: ReadonlyArray<Queued>): void {
    this.#entries = entries
    this.#wake.openUnsafe()
    this.#changed.openUnsafe()
    this.#answered.openUnsafe()
  }
}

const queued = (entry: OutboxEntry, isOwn: boolean): Queued => ({
  ...entry,
  target: targetOf(entry),
  isOwn,
  answer: Deferred.makeUnsafe(),
  isTold: false,
  isWritten: false,
  isAnothers: false,
  onWire: false,
  refusals: 0,
  isFull: false,
  retryAtMillis: 0,
})

/** Counts the refusal, too. */
const mayPass = (entry: Queued, { code, retryable }: ErrorFrame): boolean => {
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
