/** What happened in a run, in order and in virtual time: what the checkers read, and a person after a failure. */
import type { MemberId, MeshId, MessageId, PublicKey, SessionId } from "@claudemesh/domain/Ids"

/** A message that some agent asked its client to send. */
export interface SentMessage {
  readonly text: string
  readonly messageId: MessageId
  readonly mesh: MeshId
  readonly from: PublicKey
  readonly session: SessionId
  readonly process: number
  /** The target as it was written. */
  readonly to: string
  readonly priority: string
  readonly atMillis: number
  /** How long it is good for, where that is short. */
  readonly ttlMillis: number | undefined
  /** Undefined: its sender has no answer. */
  outcome: "acked" | "refused" | undefined
  /** Why it was refused. */
  refusal: string | undefined
}

/** An agent was shown a message. */
export interface HandOver {
  readonly messageId: MessageId
  readonly text: string | undefined
  readonly mesh: MeshId
  readonly member: MemberId
  readonly session: SessionId
  readonly process: number
  readonly redelivered: boolean
  /** Counts with what the store took. */
  readonly order: number
}

/** One inbox: a session's, or its member's (`session` undefined). */
export interface Inbox {
  readonly member: MemberId
  readonly session: SessionId | undefined
}

/** The broker pushed a message to a session, or granted it a lease. */
export interface Given {
  readonly messageId: MessageId
  readonly member: MemberId
  readonly session: SessionId
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

export const inboxKey = (mesh: string, member: string, session: string | undefined): string =>
  `${mesh} ${member} ${session ?? ""}`

export class History {
  readonly sent = new Map<MessageId, SentMessage>()
  readonly handOvers: Array<HandOver> = []
  readonly accepted = new Map<MessageId, AcceptedMessage>()
  readonly moves: Array<Move> = []
  readonly pushes: Array<Given> = []
  readonly leases: Array<Given> = []
  /** Some session was about to show these, whether it was granted that or not. */
  readonly leaseAsked = new Set<MessageId>()
  /** When a delivery was recorded as consumed, by inbox and sequence number. */
  readonly consumed = new Map<string, number>()
  /** Sequence numbers that some broker tried to use, by mesh. */
  readonly triedSeqs = new Map<MeshId, Set<number>>()
  /** The last number that was given and stored, by mesh. */
  readonly newestSeq = new Map<MeshId, number>()
  /** Bounds that were broken on the way, as sentences. */
  readonly violations: Array<string> = []
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
