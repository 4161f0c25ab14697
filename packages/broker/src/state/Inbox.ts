/**
 * An inbox, a member's or one session's own: how far its messages went out, what was pushed of it and is not acked, and
 * its share of the windows of those who take from it. Nobody else changes any of that. Delivery chooses who gets a
 * message and tells the inbox; a write or a page that has ended is told to it, too (I8, I9).
 *
 * There is a cursor for each priority. Every message that waits in the store is either pushed, or beyond its cursor while
 * that is behind, or passed over: so it is never forgotten, and never in two windows.
 */
import type { MessageId, SessionId } from "@claudemesh/domain/Ids"
import { inFlightBytesMax, inFlightBytesReservedForNow, inFlightReservedForNow } from "@claudemesh/domain/Limits"
import type { Priority } from "@claudemesh/domain/routing/Status"
import type { Backlog, InboxAddress, WaitingMessage } from "../store/MessageStore.ts"
import type { AckedMessage, MessageLease } from "./MeshCommand.ts"
import type { Member, Session } from "./MeshState.ts"
import { delayAfter, triesMax } from "./TryAgain.ts"

/** A message in a window: pushed, and neither acked nor taken back. */
export interface Unacked {
  readonly inbox: Inbox
  readonly seq: number
  readonly priority: Priority
  readonly characters: number
  readonly expiresAtMillis: number
  /** The session of the recipient itself that sent it. */
  readonly sentBy: SessionId | undefined
  /** As the push said: an earlier lease ended without a word, and a release of a later one does not undo that. */
  readonly redelivered: boolean
  /** Undefined: it may be recalled. */
  lease: MessageLease | undefined
}

/** Set by the class, for the inboxes alone. */
let putInto: (window: Window, messageId: MessageId, unacked: Unacked) => void
let takeOutOf: (window: Window, messageId: MessageId) => Unacked | undefined

/** Of all that a connection has unacked, when one more of this priority is pushed. */
export const charactersMax = (priority: Priority): number =>
  priority === "now" ? inFlightBytesMax : inFlightBytesMax - inFlightBytesReservedForNow

/** What a connection has unacked, bounded in number and in size. */
export class Window {
  readonly #unacked = new Map<MessageId, Unacked>()
  #characters = 0

  static {
    putInto = (window, messageId, unacked) => {
      window.#unacked.set(messageId, unacked)
      window.#characters += unacked.characters
    }
    takeOutOf = (window, messageId) => {
      const unacked = window.#unacked.get(messageId)
      if (unacked === undefined || !window.#unacked.delete(messageId)) return undefined
      window.#characters -= unacked.characters
      return unacked
    }
  }

  /** `max`: how many messages; with 0 the connection takes none. */
  constructor(readonly max: number) {}

  get size(): number {
    return this.#unacked.size
  }

  get characters(): number {
    return this.#characters
  }

  get(messageId: MessageId): Unacked | undefined {
    return this.#unacked.get(messageId)
  }

  /** In the order in which they were pushed. */
  get entries(): ReadonlyArray<readonly [MessageId, Unacked]> {
    return [...this.#unacked]
  }

  get messages(): ReadonlyArray<Unacked> {
    return [...this.#unacked.values()]
  }

  /** How many more messages of this priority it takes. */
  room(priority: Priority): number {
    const reserved = priority === "now" ? 0 : Math.min(inFlightReservedForNow, Math.floor(this.max / 2))
    const slots = this.max - reserved - this.#unacked.size
    return this.charactersLeft(priority) === 0 ? 0 : Math.max(0, slots)
  }

  /** Characters of this priority that it takes still. */
  charactersLeft(priority: Priority): number {
    return Math.max(0, charactersMax(priority) - this.#characters)
  }

  /** A single message larger than what is left of the bytes still fits an empty window: else it could never go. */
  fits(priority: Priority, characters: number): boolean {
    return (
      this.room(priority) > 0 && (this.#unacked.size === 0 || this.#characters + characters <= charactersMax(priority))
    )
  }
}

/** Messages of one priority leave their inbox in sequence order. */
interface Cursor {
  /** Everything that waits up to here is pushed, or passed over. */
  seq: number
  /** Something waits in the store beyond it. When false, a committed message goes out from memory. */
  behind: boolean
  /** The first that was passed over, since none of those who could have it then can open it. */
  passedOver: number | undefined
  /** A page is being read. */
  reading: boolean
  /** A message was committed while a page was read: a short page is then not the end. */
  grown: boolean
  /** While a page was read the cursor went back, or what lies beyond it was consumed: the page is of no use. */
  outdated: boolean
  /** How many pages have failed, one after the other, and when the next one may be read. */
  failures: number
  notBeforeMillis: number
}

const newCursor = (): Cursor => ({
  seq: 0,
  behind: false,
  passedOver: undefined,
  reading: false,
  grown: false,
  outdated: false,
  failures: 0,
  notBeforeMillis: 0,
})

const nothing: Backlog = { messages: 0, characters: 0 }

/** A full inbox is counted once in so long. */
const recountMillis = 10_000

/** The inbox of a session that is away is moved once in so long for what may have been committed late. */
const moveAgainMillis = 10_000

export class Inbox {
  readonly #cursors: Readonly<Record<Priority, Cursor>> = { now: newCursor(), next: newCursor(), low: newCursor() }
  /** When each was pushed that is in a window, or acked and not yet known to be written as consumed. */
  readonly #pushed = new Map<number, number>()
  /** Leases that are being cleared in the store: until that is committed a page may still show them. */
  readonly #clearing = new Map<number, number>()
  /** How many of these were asked for before its last lease: what fails of them is not tried again, or it would clear that one's mark. */
  readonly #superseded = new Map<number, number>()
  /** Those of them that could not be cleared, and are not being cleared now. */
  readonly #notCleared = new Set<number>()
  #backlog: Backlog = nothing
  /** When it was last counted in the store. */
  #countedAtMillis = 0
  #isMiscounted = false
  #countsAsked = 0
  #movedLateAtMillis = 0

  constructor(
    readonly address: InboxAddress,
    readonly member: Member,
    /** Undefined: the member's own inbox, which any one of its sessions takes from. */
    readonly session: Session | undefined,
  ) {}

  /** What is stored and not consumed. What expired stays in it until it is counted again. */
  get backlog(): Backlog {
    return this.#backlog
  }

  /** Pushed, and not yet known to be written as consumed. */
  get pushed(): ReadonlyArray<number> {
    return [...this.#pushed.keys()]
  }

  pushedAtMillis(seq: number): number | undefined {
    return this.#pushed.get(seq)
  }

  /** How many deliveries are marked as leased in the store, and are not any more. */
  get clearing(): number {
    return this.#clearing.size
  }

  isReading(priority: Priority): boolean {
    return this.#cursors[priority].reading
  }

  /** Whether something may wait in the store that nobody has been pushed. */
  get mayHold(): boolean {
    return Object.values(this.#cursors).some(({ behind, passedOver }) => behind || passedOver !== undefined)
  }

  /** Up to which sequence number nothing waits that was not pushed. */
  clearUntil(priority: Priority): number {
    const { behind, seq } = this.#cursors[priority]
    return behind ? seq : Number.POSITIVE_INFINITY
  }

  /** As much is in the store as the mesh was loaded. */
  waitsFromBefore(priority: Priority, backlog: Backlog): void {
    this.#cursors[priority].behind = true
    this.#grow(backlog)
  }

  /** It was committed: where it stands. `known`: a page was quicker than the news. `next`: it may go out from memory. */
  committed(priority: Priority, seq: number, characters: number): "known" | "next" | "behind" {
    this.#grow({ messages: 1, characters })
    const cursor = this.#cursors[priority]
    if (seq <= cursor.seq) return "known"
    return cursor.behind ? "behind" : "next"
  }

  /**
   * Something waits in the store that memory does not have. An inbox that is behind already and not reading is kept back
   * by gate or window; whatever opens those reads on.
   */
  fallBehind(priority: Priority): void {
    const cursor = this.#cursors[priority]
    cursor.behind = true
    cursor.grown = cursor.reading
  }

  /** The next one, which needs not go to anybody: it has expired, or was pushed before. */
  skip(priority: Priority, seq: number): void {
    this.#cursors[priority].seq = seq
  }

  /** The next one, which none of those who may have it now can open: it waits for who can, and holds up no other. */
  passOver(priority: Priority, seq: number): void {
    const cursor = this.#cursors[priority]
    cursor.seq = seq
    cursor.passedOver = Math.min(seq, cursor.passedOver ?? seq)
  }

  /** `canOpen`: somebody may have it who can open everything. */
  wantsPage(priority: Priority, canOpen: boolean): boolean {
    const { behind, passedOver, reading } = this.#cursors[priority]
    return !reading && (behind || (canOpen && passedOver !== undefined))
  }

  /** Before then no page is read, since the last one could not be. */
  notBeforeMillis(priority: Priority): number {
    return this.#cursors[priority].notBeforeMillis
  }

  /** How many of what waits have so many characters, as far as is known: it is the average that is. */
  rowsOf(characters: number): number {
    const { characters: all, messages } = this.#backlog
    return all === 0 ? Number.POSITIVE_INFINITY : Math.max(1, Math.ceil((characters * messages) / all))
  }

  /** A page is read from now on; gives after which sequence number. */
  beginPage(priority: Priority, canOpen: boolean): number {
    const cursor = this.#cursors[priority]
    if (canOpen && cursor.passedOver !== undefined) rewind(cursor, cursor.passedOver - 1)
    cursor.reading = true
    cursor.grown = false
    cursor.outdated = false
    return cursor.seq
  }

  /** The page has come; gives whether it is of any use. */
  endPage(priority: Priority): boolean {
    const cursor = this.#cursors[priority]
    cursor.reading = false
    cursor.failures = 0
    return !cursor.outdated
  }

  /** Everything in the page has gone out, and there was no more. */
  pageWasLast(priority: Priority): void {
    const cursor = this.#cursors[priority]
    if (!cursor.grown && !cursor.outdated) cursor.behind = false
  }

  /**
   * The page could not be read; gives how many in a row could not. `isLasting`: the database was there, and will most
   * likely say the same again. After some of those none is read until somebody asks.
   */
  pageFailed(priority: Priority, isLasting: boolean, nowMillis: number): number {
    const cursor = this.#cursors[priority]
    cursor.reading = false
    cursor.failures += 1
    const isGivenUp = isLasting && cursor.failures >= triesMax
    cursor.notBeforeMillis = isGivenUp ? Number.POSITIVE_INFINITY : nowMillis + delayAfter(cursor.failures)
    return cursor.failures
  }

  /** Somebody asks for what waits: what could not be read is tried at once. */
  readSoon(): void {
    for (const cursor of Object.values(this.#cursors)) cursor.notBeforeMillis = 0
  }

  /** The next one goes out, into this window. */
  push(window: Window, waiting: WaitingMessage, sentBy: SessionId | undefined, nowMillis: number): Unacked {
    const { ciphertext, expiresAtMillis, messageId, priority, seq } = waiting.message
    const unacked: Unacked = {
      inbox: this,
      seq,
      priority,
      expiresAtMillis,
      characters: ciphertext.length,
      sentBy,
      // A page may show a mark that is being cleared.
      redelivered: waiting.leased === "for good" || (waiting.leased !== false && !this.#clearing.has(seq)),
      lease: undefined,
    }
    this.#pushed.set(seq, nowMillis)
    putInto(window, messageId, unacked)
    this.#cursors[priority].seq = seq
    return unacked
  }

  /** There is room in the window again; until it is written as consumed the message is not pushed again. */
  static leaveWindow(window: Window, messageId: MessageId): Unacked | undefined {
    return takeOutOf(window, messageId)
  }

  /** They are written as consumed. A page that is being read may still hold one, and nothing else would tell any more. */
  consumed(priority: Priority, messages: ReadonlyArray<AckedMessage>): void {
    const cursor = this.#cursors[priority]
    let gone = 0
    for (const { characters, seq } of messages) {
      this.#pushed.delete(seq)
      gone += characters
      if (seq > cursor.seq) cursor.outdated = true
    }
    this.#grow({ messages: -messages.length, characters: -gone })
  }

  /** Pending again: whoever may have it next is pushed it before what came later. */
  static takeBack(window: Window, messageId: MessageId): void {
    const unacked = takeOutOf(window, messageId)
    unacked?.inbox.notPushed(unacked.priority, unacked.seq)
  }

  /** What was pushed reached nobody, in no window any more. */
  notPushed(priority: Priority, seq: number): void {
    if (this.#pushed.delete(seq)) rewind(this.#cursors[priority], seq - 1)
  }

  /** The message waits in the store: makes sure that somebody comes by it. Gives whether the cursor had to go back. */
  comeBy(priority: Priority, seq: number): boolean {
    const cursor = this.#cursors[priority]
    const isAhead = cursor.behind && !cursor.reading && cursor.seq < seq
    if (isAhead || this.#pushed.has(seq)) return false
    rewind(cursor, seq - 1)
    return true
  }

  /** Of its messages some are another inbox's now: a page that is being read may still hold them. */
  lostSome(): void {
    for (const cursor of Object.values(this.#cursors)) cursor.outdated = true
  }

  /** It has another inbox's messages now: where they stand in its order is not known. */
  gotSome(): void {
    for (const cursor of Object.values(this.#cursors)) rewind(cursor, 0)
  }

  clears(seq: number): void {
    this.#clearing.set(seq, (this.#clearing.get(seq) ?? 0) + 1)
  }

  /** The mark of its lease could not be cleared, and is cleared later, unless it is a later lease's by now. */
  notCleared(priority: Priority, seq: number): void {
    if (this.#superseded.has(seq)) this.cleared(priority, seq)
    else this.#notCleared.add(seq)
  }

  /** Whether it still is to be cleared; from now on it is being. */
  clearsNow(seq: number): boolean {
    return this.#notCleared.delete(seq)
  }

  /** A lease of it is asked for again: a mark that could not be cleared is this one's. */
  leased(priority: Priority, seq: number): void {
    if (this.#notCleared.delete(seq)) this.cleared(priority, seq)
    const underWay = this.#clearing.get(seq)
    if (underWay !== undefined) this.#superseded.set(seq, underWay)
  }

  /** A lease of it failed. Whether its mark, if it was written, is cleared by a word that is under way: then that one counts again. */
  leaseFailed(seq: number): boolean {
    this.#superseded.delete(seq)
    return this.#clearing.has(seq)
  }

  /** A page that is being read may have been read before, and nothing would tell any more that its mark is old. */
  cleared(priority: Priority, seq: number): void {
    const left = (this.#clearing.get(seq) ?? 0) - 1
    if (left > 0) this.#clearing.set(seq, left)
    else this.#clearing.delete(seq)
    const earlier = (this.#superseded.get(seq) ?? 0) - 1
    if (earlier > 0) this.#superseded.set(seq, earlier)
    else this.#superseded.delete(seq)
    const cursor = this.#cursors[priority]
    if (seq > cursor.seq) cursor.outdated = true
  }

  /** Whether it may be counted in the store now; it is taken to be. */
  mayBeCounted(nowMillis: number): boolean {
    if (Math.abs(nowMillis - this.#countedAtMillis) < recountMillis) return false
    this.#countedAtMillis = nowMillis
    return true
  }

  /**
   * Whether it may be moved for a message that may have been committed late; it is taken to be. Each time all that waits in it is looked
   * through, and whoever asks for one message asks as often as it likes.
   */
  mayBeMovedLate(nowMillis: number): boolean {
    if (Math.abs(nowMillis - this.#movedLateAtMillis) < moveAgainMillis) return false
    this.#movedLateAtMillis = nowMillis
    return true
  }

  /** Gives the number of this count. Of several that are under way only the last says what is there: one from before a move may answer after it. */
  askCount(): number {
    return (this.#countsAsked += 1)
  }

  counted(count: number, backlog: Backlog): void {
    if (count !== this.#countsAsked) return
    this.#backlog = backlog
    this.#isMiscounted = false
  }

  /** It could not be counted after it grew or shrank by a number that is not known here. */
  miscounted(count: number): void {
    if (count === this.#countsAsked) this.#isMiscounted = true
  }

  get isMiscounted(): boolean {
    return this.#isMiscounted
  }

  #grow({ characters, messages }: Backlog): void {
    this.#backlog = {
      messages: Math.max(0, this.#backlog.messages + messages),
      characters: Math.max(0, this.#backlog.characters + characters),
    }
  }
}

/** It goes back to there, or stays where it is further back. A page that is being read is of no use. */
const rewind = (cursor: Cursor, seq: number): void => {
  cursor.seq = Math.min(cursor.seq, seq)
  cursor.behind = true
  if (cursor.passedOver !== undefined && cursor.passedOver > cursor.seq) cursor.passedOver = undefined
  cursor.outdated = true
}
