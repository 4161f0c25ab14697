/** What happened in a run, in order and in virtual time: what the checkers read, and a person after a failure. */
import type { MessageId } from "@claudemesh/domain/Ids"

/** A message that some agent asked its client to send. */
export interface SentMessage {
  readonly text: string
  readonly messageId: MessageId
  readonly mesh: string
  readonly from: string
  readonly process: number
  /** The member, or member/session. */
  readonly to: string
  readonly priority: string
  /** Undefined: its sender has no answer. */
  outcome: "acked" | "refused" | undefined
}

/** An agent was shown a message. */
export interface HandOver {
  readonly messageId: MessageId
  readonly text: string | undefined
  readonly mesh: string
  readonly member: string
  readonly session: string
  readonly process: number
  readonly redelivered: boolean
}

export class History {
  readonly sent = new Map<MessageId, SentMessage>()
  readonly handOvers: Array<HandOver> = []
  /** Bounds that were broken on the way, as sentences. */
  readonly violations: Array<string> = []
  readonly #lines: Array<string> = []

  note(nowMillis: number, what: string): void {
    this.#lines.push(`${(nowMillis / 1000).toFixed(3).padStart(10)}  ${what}`)
  }

  get lines(): ReadonlyArray<string> {
    return this.#lines
  }
}
