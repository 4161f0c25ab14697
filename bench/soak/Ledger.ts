/**
 * What the agents saw, held against what the broker promised and what its database says. It knows nothing of how
 * the broker works.
 */
import type { Delivery } from "./BrokerUnderTest.ts"

export interface Sent {
  readonly messageId: string
  readonly text: string
  readonly process: number
  readonly target: string
  readonly priority: string
  /** `unknown`: its process died before it was answered. */
  outcome: "acked" | "refused" | "unknown" | undefined
  /** Inboxes that the ack named. */
  recipients: number
  /** When it was acked, in milliseconds of this process. */
  ackedAt?: number
  /** Of one that was refused. */
  why?: string
}

export interface Shown {
  readonly messageId: string
  readonly text: string | undefined
  readonly process: number
  readonly memberId: string
  readonly session: string
  readonly redelivered: boolean
  /** In milliseconds of this process. */
  readonly at: number
}

export interface Verdict {
  readonly lost: ReadonlyArray<string>
  readonly twice: ReadonlyArray<string>
  readonly stray: ReadonlyArray<string>
  readonly outOfOrder: ReadonlyArray<string>
  /** Marked as such, after a process had died with it or lost its connection. */
  readonly redelivered: number
}

export class Ledger {
  readonly sent = new Map<string, Sent>()
  readonly shown: Array<Shown> = []

  verdict(deliveries: ReadonlyArray<Delivery>, accepted: ReadonlyArray<string>): Verdict {
    const stored = new Set(accepted)
    const rows = new Map<string, Array<Delivery>>()
    for (const row of deliveries) rows.set(row.messageId, [...(rows.get(row.messageId) ?? []), row])
    const seen = new Map<string, Array<Shown>>()
    for (const one of this.shown) seen.set(one.messageId, [...(seen.get(one.messageId) ?? []), one])

    const lost: Array<string> = []
    const twice: Array<string> = []
    const stray: Array<string> = []
    let redelivered = 0
    for (const { messageId, outcome, recipients } of this.sent.values()) {
      const due = rows.get(messageId) ?? []
      if (outcome === "acked" && !stored.has(messageId)) lost.push(`${messageId} was acked and is not stored`)
      if (outcome === "acked" && due.length < recipients)
        lost.push(`${messageId} has fewer deliveries than its ack said`)
      if (outcome === undefined) lost.push(`${messageId} was never answered`)
      for (const delivery of due) {
        const by = (seen.get(messageId) ?? []).filter((one) => isBy(one, delivery, due))
        const where = `${messageId} for ${delivery.memberId}/${delivery.session}`
        if (by.length === 0 || !delivery.consumed) lost.push(`${where} was not shown or not consumed`)
        for (const again of by.slice(1)) {
          if (again.redelivered) redelivered += 1
          else twice.push(`${where} was shown again`)
        }
        if (new Set(by.map((one) => one.process)).size < by.length)
          twice.push(`${where} was shown twice by one process`)
      }
    }
    for (const one of this.shown) {
      const sent = this.sent.get(one.messageId)
      const due = rows.get(one.messageId) ?? []
      if (sent === undefined || sent.text !== one.text) stray.push(`${one.messageId} was shown as another text`)
      else if (!due.some((delivery) => isBy(one, delivery, due))) stray.push(`${one.messageId} was shown to another`)
    }
    return { lost, twice, stray, outOfOrder: this.#outOfOrder(deliveries), redelivered }
  }

  /**
   * Of one sender, to one target and of one priority, in one process, and in that session's own inbox: as they were accepted, but for
   * redeliveries. In a member's inbox another session may have held a message first, and given it back.
   */
  #outOfOrder(deliveries: ReadonlyArray<Delivery>): ReadonlyArray<string> {
    const seqs = new Map(deliveries.map((one) => [placeOf(one), one.seq]))
    const last = new Map<string, number>()
    return this.shown.flatMap((one) => {
      const { messageId, process, redelivered } = one
      const sent = this.sent.get(messageId)
      const seq = seqs.get(placeOf(one))
      if (sent === undefined || seq === undefined || redelivered) return []
      const stream = `${process} ${sent.process} ${sent.target} ${sent.priority}`
      const before = last.get(stream) ?? 0
      last.set(stream, Math.max(seq, before))
      return seq < before ? [`${messageId} (${seq}) came after ${before}`] : []
    })
  }
}

const placeOf = ({ memberId, messageId, session }: Pick<Delivery, "memberId" | "messageId" | "session">): string =>
  `${messageId} ${memberId}/${session}`

/** A session's own delivery is shown by that session; a member's by any session that has none of its own. */
const isBy = (one: Shown, delivery: Delivery, due: ReadonlyArray<Delivery>): boolean => {
  if (one.memberId !== delivery.memberId) return false
  if (delivery.session !== "") return one.session === delivery.session
  return !due.some((other) => other.memberId === one.memberId && other.session === one.session)
}
