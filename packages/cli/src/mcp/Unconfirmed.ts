/**
 * What this process has leased for its agent, and how far the agent has it (I8): a message is in parts, a part is in
 * an answer, and an answer is confirmed, or cancelled, or neither. A lease is committed when each part of each of its
 * messages is confirmed. This decides only: who calls it releases and commits.
 */
import { type InboxMessage, oldestFirst } from "@claudemesh/client/inbox/Inbox"
import { becomes, type HookMoment } from "../host/HookMoment.ts"
import { bodiesOf, wrapped } from "./WrapUntrusted.ts"

export type RequestId = string | number

export interface Leased<Work> {
  readonly messages: ReadonlyArray<InboxMessage>
  /** They were shown. */
  readonly commit: Work
  /** Nothing of them was shown. */
  readonly release: Work
}

/** A part of a message that may be in the next answer. */
export interface Piece {
  readonly message: InboxMessage
  /** Between the tags of an answer. */
  readonly text: (boundary: string) => string
}

interface Part extends Piece {
  state: "unread" | "answered" | "confirmed"
  /** It was in an answer that was written: the agent may have seen it, whatever became of the call. */
  written: boolean
}

interface Held<Work> {
  readonly lease: Leased<Work>
  readonly parts: ReadonlyArray<Part>
}

interface Answer {
  readonly requestId: RequestId
  readonly cursor: string
  readonly parts: ReadonlyArray<Part>
  written: boolean
  /** The host wanted it no more, after it was written. Only the agent itself can confirm it then. */
  cancelled: boolean
  /** It answered a hook, and not a call of the agent: what the host does next says what became of it. */
  readonly hook: HookMoment | undefined
}

/** Answers that are done with, whose cursors are still known. */
const pastCursorsMax = 100

export class Unconfirmed<Work> {
  #held: ReadonlyArray<Held<Work>> = []
  #answers: ReadonlyArray<Answer> = []
  #past: ReadonlyArray<string> = []

  hold(lease: Leased<Work>): void {
    this.#held = [...this.#held, { lease, parts: lease.messages.flatMap(partsOf) }]
  }

  /** Oldest first. What was in an answer whose call was cancelled is here again. */
  get unread(): ReadonlyArray<Piece> {
    return this.#unread
  }

  get #unread(): ReadonlyArray<Part> {
    const unread = this.#held.flatMap(({ parts }) => parts).filter(({ state }) => state === "unread")
    const partsOf = Map.groupBy(unread, ({ message }) => message)
    return oldestFirst([...partsOf.keys()]).flatMap((message) => partsOf.get(message) ?? [])
  }

  /** The messages of which something is unread. */
  get waiting(): ReadonlyArray<InboxMessage> {
    return [...new Set(this.#unread.map(({ message }) => message))]
  }

  /** These unread pieces are in the answer to this request. */
  answer(requestId: RequestId, cursor: string, pieces: ReadonlyArray<Piece>, hook?: HookMoment): void {
    const parts = this.#unread.filter((part) => pieces.includes(part))
    for (const part of parts) part.state = "answered"
    this.#answers = [...this.#answers, { requestId, cursor, parts, written: false, cancelled: false, hook }]
  }

  /** The answer is on its way to the host and cannot be taken back. */
  written(requestId: RequestId): void {
    const answer = this.#answerTo(requestId)
    if (answer === undefined) return
    answer.written = true
    for (const part of answer.parts) part.written = true
  }

  /** The host wants no answer to this request. Gives the leases to release: those of which nothing was written. */
  cancelled(requestId: RequestId): ReadonlyArray<Leased<Work>> {
    const answer = this.#answerTo(requestId)
    if (answer === undefined) return []
    for (const part of answer.parts) if (part.state === "answered") part.state = "unread"
    answer.cancelled = true
    if (answer.written) return []
    this.#answers = this.#answers.filter((one) => one !== answer)
    return this.untouched()
  }

  /** Gives the leases of which nothing was given to the host, to be released. */
  untouched(): ReadonlyArray<Leased<Work>> {
    return this.#without(({ parts }) => parts.every(({ state, written }) => state === "unread" && !written))
  }

  /** The agent has the answer with this cursor. Gives the leases to commit: those that are confirmed to the last part. */
  confirm(cursor: string): ReadonlyArray<Leased<Work>> {
    for (const part of this.#answers.find((one) => one.cursor === cursor)?.parts ?? []) part.state = "confirmed"
    const [done, open] = partition(this.#answers, ({ parts }) => parts.every(isConfirmed))
    this.#answers = open
    this.#past = [...this.#past, ...done.map((one) => one.cursor)].slice(-pastCursorsMax)
    return this.#without(({ parts }) => parts.every(isConfirmed))
  }

  /** Of an answer that was written, and neither confirmed nor cancelled: time may confirm it, unless it was a hook's. */
  openCursor(requestId: RequestId): string | undefined {
    const answer = this.#answerTo(requestId)
    return answer?.written === true && !answer.cancelled && answer.hook === undefined ? answer.cursor : undefined
  }

  /**
   * The host went on. Gives the leases to commit: those whose answer to an earlier hook the agent has now. What it has
   * not, and will not have, is unread again.
   */
  wentOn(moment: HookMoment): ReadonlyArray<Leased<Work>> {
    const leases: Array<Leased<Work>> = []
    for (const answer of this.#answers) {
      if (answer.hook === undefined || !answer.written || answer.cancelled) continue
      const became = becomes(answer.hook, moment)
      if (became === "shown") leases.push(...this.confirm(answer.cursor))
      if (became !== "undone") continue
      for (const part of answer.parts) if (part.state === "answered") part.state = "unread"
      answer.cancelled = true
    }
    return leases
  }

  isOpen(cursor: string): boolean {
    return this.#answers.some((one) => one.cursor === cursor && one.written && !one.cancelled)
  }

  /** It is the cursor of an answer of this process, also of one that is confirmed already. */
  isKnown(cursor: string): boolean {
    return this.#past.includes(cursor) || this.#answers.some((one) => one.cursor === cursor)
  }

  /** A host may use an id again once it has its answer. */
  #answerTo(requestId: RequestId): Answer | undefined {
    return this.#answers.findLast((one) => one.requestId === requestId)
  }

  #without(over: (held: Held<Work>) => boolean): ReadonlyArray<Leased<Work>> {
    const [gone, kept] = partition(this.#held, over)
    this.#held = kept
    return gone.map(({ lease }) => lease)
  }
}

const isConfirmed = ({ state }: Part): boolean => state === "confirmed"

const partition = <A>(all: ReadonlyArray<A>, fits: (one: A) => boolean) =>
  [all.filter(fits), all.filter((one) => !fits(one))] as const

const partsOf = (message: InboxMessage): ReadonlyArray<Part> =>
  bodiesOf(message).map((body, index, { length }) => {
    const part: Part = {
      message,
      state: "unread",
      written: false,
      text: (boundary) => {
        const redelivered = message.redelivered || part.written
        return wrapped({ ...message, redelivered }, body, boundary, { number: index + 1, of: length })
      },
    }
    return part
  })
