/** What happened in a run, in order and in virtual time: what the checkers read, and a person after a failure. */
import type { MemberId, MeshId, MessageId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import type { OwnedWrite } from "@claudemesh/broker/store/MessageStore"
import type { Deferred } from "effect"

/** A commit that is on its way: who needs its rows or its mesh waits for it, as behind the locks of a database. */
export interface LateCommit {
  readonly batch: ReadonlyArray<OwnedWrite>
  readonly done: Deferred.Deferred<void>
}

/** A message that somebody asked a client to send, and that is in the outbox since. */
export interface SentMessage {
  readonly text: string
  readonly messageId: MessageId
  readonly mesh: MeshId
  readonly from: PublicKey
  /** The session that wrote it. Undefined: it was being renamed just then. */
  readonly session: SessionId | undefined
  readonly process: number
  readonly machine: string
  /** The target as it was written. */
  readonly to: string
  readonly priority: string
  readonly atMillis: number
  /** How long it is good for, where that is short. */
  readonly ttlMillis: number | undefined
  /** Counts with everything that has an order: when it was asked for. */
  readonly asked: number
  /** The answer that its sender got while it waited for one. */
  outcome: "acked" | "refused" | undefined
  /** Why it was refused. */
  refusal: string | undefined
  /** Its sender did not want it sent any more, and was told that it had not left, and would not. */
  cancels: boolean
  cancelled: boolean
  /** Somebody waits for the answer. */
  awaited: boolean
  /** How often somebody was told afterwards that it was not sent. */
  told: number
}

/** Somebody asked for a message to be sent. Its process may have been killed before it could say that it will be. */
export type Attempt = Pick<SentMessage, "to" | "mesh" | "from">

/** A part of a message reached the eyes of a model or a person. */
export interface View {
  readonly messageId: MessageId
  /** From 1. */
  readonly part: number
  readonly parts: number
  readonly text: string | undefined
  readonly mesh: MeshId
  readonly member: MemberId
  readonly session: SessionId
  /** The session id that its host has, and that it had on the wire at first. */
  readonly host: SessionId
  readonly process: number
  readonly machine: string
  readonly redelivered: boolean
  /** When it was seen, when it was given, and when whoever looked began to look. */
  readonly order: number
  readonly answered: number
  readonly asked: number
}

/** A part of a message left a process for its host, which may have been gone, or not have wanted it any more. */
export type Given = Pick<View, "messageId" | "part" | "process" | "order">

/** A process said that its host had a message. */
export interface Confirmed {
  readonly messageId: MessageId
  readonly member: MemberId
  readonly process: number
  readonly machine: string
  readonly order: number
  /** It was certainly on the disk then. */
  written: number | undefined
}

/** One inbox: a session's, or its member's (`session` undefined). */
export interface Inbox {
  readonly member: MemberId
  readonly session: SessionId | undefined
}

/** The broker pushed a message to a session. */
export interface Pushed {
  readonly messageId: MessageId
  readonly member: MemberId
  readonly session: SessionId
  readonly redelivered: boolean
  readonly order: number
}

/** The store took a message. */
export interface AcceptedMessage {
  readonly messageId: MessageId
  readonly mesh: MeshId
  readonly seq: number
  readonly sender: MemberId
  readonly senderSession: SessionId
  readonly target: string
  readonly recipients: ReadonlyArray<Inbox>
  readonly createdAtMillis: number
  readonly expiresAtMillis: number
  readonly order: number
}

/** What waited in a session's inbox became its member's. */
export interface Move {
  readonly mesh: MeshId
  readonly member: MemberId
  readonly session: SessionId
  readonly order: number
}

export const isGroup = (target: string): boolean => /^(\*|#|tag:)/.test(target)

export const inboxKey = (mesh: string, member: string, session: string | undefined): string =>
  `${mesh} ${member} ${session ?? ""}`

export class History {
  readonly sent = new Map<MessageId, SentMessage>()
  /** By their texts, of which there are no two. */
  readonly attempts = new Map<string, Attempt>()
  readonly views: Array<View> = []
  readonly given: Array<Given> = []
  readonly confirmed: Array<Confirmed> = []
  /** Some client took these, and gave them back. */
  readonly released = new Set<MessageId>()
  readonly accepted = new Map<MessageId, AcceptedMessage>()
  readonly moves: Array<Move> = []
  readonly pushes: Array<Pushed> = []
  /** When a delivery was recorded as consumed, by inbox and sequence number. */
  readonly consumed = new Map<string, number>()
  /** Sequence numbers that some broker tried to use, by mesh. */
  readonly triedSeqs = new Map<MeshId, Set<number>>()
  /** The last number that was given and stored, by mesh. */
  readonly newestSeq = new Map<MeshId, number>()
  /** When a commit failed, whether it took effect or not. */
  readonly failures: Array<number> = []
  /** What was stored some time after its error. */
  readonly late = new Set<MessageId>()
  /** Commits that failed, and will take effect. */
  readonly lateCommits = new Set<LateCommit>()
  /** Bounds that were broken on the way, as sentences. */
  readonly violations: Array<string> = []
  /** How often the store was asked what became of a message. */
  deliveryReportReads = 0
  readonly #bySeq = new Map<string, MessageId>()
  readonly #lines: Array<string> = []
  #order = 0

  note(nowMillis: number, what: string): void {
    this.#lines.push(`${(nowMillis / 1000).toFixed(3).padStart(10)}  ${what}`)
  }

  broken(nowMillis: number, what: string): void {
    this.violations.push(what)
    this.note(nowMillis, `BROKEN ${what}`)
  }

  nextOrder(): number {
    this.#order += 1
    return this.#order
  }

  accept(message: AcceptedMessage): void {
    this.accepted.set(message.messageId, message)
    this.#bySeq.set(`${message.mesh} ${message.seq}`, message.messageId)
  }

  messageAt(mesh: MeshId, seq: number): MessageId | undefined {
    return this.#bySeq.get(`${mesh} ${seq}`)
  }

  /** In which of the member's inboxes a session of it finds this message. Undefined where one of them was moved. */
  inboxFor(messageId: MessageId, member: MemberId, session: SessionId): Inbox | undefined {
    const accepted = this.accepted.get(messageId)
    if (accepted === undefined) return undefined
    const { mesh, order, recipients, target } = accepted
    const inboxes = recipients.filter((inbox) => inbox.member === member)
    const isMoved = ({ session: from }: Inbox) =>
      from !== undefined && this.movedSince(order, { mesh, member, session: from })
    if (isGroup(target) && inboxes.some(isMoved)) return undefined
    return inboxes.find((inbox) => inbox.session === session) ?? inboxes.find((inbox) => inbox.session === undefined)
  }

  movedSince(order: number, { mesh, session, member }: Omit<Move, "order">, until = Number.POSITIVE_INFINITY): boolean {
    return this.moves.some(
      (move) =>
        move.mesh === mesh &&
        move.member === member &&
        move.session === session &&
        move.order > order &&
        move.order < until,
    )
  }

  get lines(): ReadonlyArray<string> {
    return this.#lines
  }
}
