/**
 * Holds the broker to its leases, over all its incarnations: what is granted to one connection is nobody else's, and `redelivered` is
 * said of what was leased once without a word of how that ended, and of nothing else. It reads the frames alone.
 */
import type { Label, MemberId, MeshId, MessageId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { type History, inboxKey } from "../History.ts"

/** Who a connection belongs to, once its hello was answered. */
export interface Authenticated {
  readonly mesh: MeshId
  readonly member: MemberId
  readonly key: PublicKey
  readonly session: SessionId
  /** Of one process. */
  readonly instance: string | undefined
  readonly isTransient: boolean
  readonly tags: ReadonlyArray<Label>
}

/** What is known of one delivery. */
interface DeliveryReport {
  /** A lease of it was granted, and ended with its connection, or with an ack. */
  maybeShown: boolean
  /** A broker died that was about to undo a lease: it may have been undone, or not. */
  eitherWay: boolean
  /** A lease of it is undone in this incarnation of the broker. */
  undone: boolean
  holder: LeaseHolder | undefined
}

/** One connection. */
export class LeaseHolder {
  /** What was asked for and not answered, by request. */
  readonly asks = new Map<string, Set<MessageId>>()
  readonly granted = new Set<MessageId>()
  isClosed = false
  constructor(readonly who: Authenticated) {}

  /** What it asked for before this is not granted any more by what is answered after it. */
  takeBack(messageId: MessageId): boolean {
    const wasAsked = [...this.asks.values()].filter((ask) => ask.delete(messageId)).length > 0
    return this.granted.delete(messageId) || wasAsked
  }
}

export class Leases {
  readonly #deliveryReports = new Map<string, DeliveryReport>()
  #holders: Array<LeaseHolder> = []

  constructor(
    readonly history: History,
    readonly broken: (what: string) => void,
  ) {}

  holderFor(who: Authenticated): LeaseHolder {
    const holder = new LeaseHolder(who)
    this.#holders.push(holder)
    return holder
  }

  asked(holder: LeaseHolder, id: string, messageIds: ReadonlyArray<MessageId>): void {
    holder.asks.set(id, new Set(messageIds))
  }

  /** Some are granted, or none with an error. */
  answered(holder: LeaseHolder, id: string, messageIds: ReadonlyArray<MessageId>): void {
    const asked = holder.asks.get(id)
    if (asked === undefined) return
    holder.asks.delete(id)
    for (const messageId of asked) {
      const deliveryReport = this.#deliveryReportOf(holder, messageId)
      if (deliveryReport === undefined) continue
      if (!messageIds.includes(messageId)) deliveryReport.undone = true
      else if (holder.isClosed) deliveryReport.maybeShown = true
      else this.#grant(holder, messageId, deliveryReport)
    }
  }

  released(holder: LeaseHolder, messageIds: ReadonlyArray<MessageId>): void {
    for (const messageId of messageIds) {
      const deliveryReport = this.#deliveryReportOf(holder, messageId)
      if (!holder.takeBack(messageId) || deliveryReport === undefined) continue
      deliveryReport.undone = true
      this.#letGo(holder, deliveryReport)
    }
  }

  acked(holder: LeaseHolder, messageIds: ReadonlyArray<MessageId>): void {
    for (const messageId of messageIds) {
      const deliveryReport = this.#deliveryReportOf(holder, messageId)
      const wasGranted = holder.granted.has(messageId)
      holder.takeBack(messageId)
      if (deliveryReport === undefined || !wasGranted) continue
      deliveryReport.maybeShown = true
      this.#letGo(holder, deliveryReport)
    }
  }

  closed(holder: LeaseHolder): void {
    if (holder.isClosed) return
    holder.isClosed = true
    for (const messageId of holder.granted) {
      const deliveryReport = this.#deliveryReportOf(holder, messageId)
      if (deliveryReport === undefined) continue
      deliveryReport.maybeShown = true
      this.#letGo(holder, deliveryReport)
    }
    for (const ask of holder.asks.values()) {
      for (const messageId of ask) {
        const deliveryReport = this.#deliveryReportOf(holder, messageId)
        if (deliveryReport !== undefined) deliveryReport.undone = true
      }
    }
  }

  brokerCrashed(): void {
    for (const holder of this.#holders) this.closed(holder)
    this.#holders = []
    for (const deliveryReport of this.#deliveryReports.values()) {
      deliveryReport.eitherWay ||= deliveryReport.undone
      deliveryReport.undone = false
    }
  }

  pushed(holder: LeaseHolder, messageId: MessageId, redelivered: boolean): void {
    const deliveryReport = this.#deliveryReportOf(holder, messageId)
    if (deliveryReport === undefined) return
    if (deliveryReport.maybeShown && !redelivered)
      this.broken(`${messageId} was pushed to ${holder.who.session} as new, and a lease of it had ended without a word`)
    if (redelivered && !deliveryReport.maybeShown && !deliveryReport.eitherWay)
      this.broken(`${messageId} was pushed to ${holder.who.session} as redelivered, and nobody can have been shown it`)
  }

  #grant(holder: LeaseHolder, messageId: MessageId, deliveryReport: DeliveryReport): void {
    if (deliveryReport.holder !== undefined && deliveryReport.holder !== holder)
      this.broken(`${messageId} was granted to ${holder.who.session}, and ${deliveryReport.holder.who.session} has it`)
    holder.granted.add(messageId)
    deliveryReport.holder = holder
  }

  #letGo(holder: LeaseHolder, deliveryReport: DeliveryReport): void {
    if (deliveryReport.holder === holder) deliveryReport.holder = undefined
  }

  /** Of what was moved from one inbox to another it is not told by the frames which it was. */
  #deliveryReportOf({ who: { member, mesh, session } }: LeaseHolder, messageId: MessageId): DeliveryReport | undefined {
    const inbox = this.history.inboxFor(messageId, member, session)
    if (inbox === undefined) return undefined
    const key = `${messageId} ${inboxKey(mesh, member, inbox.session)}`
    const found = this.#deliveryReports.get(key)
    if (found !== undefined) return found
    const made: DeliveryReport = { maybeShown: false, eitherWay: false, undone: false, holder: undefined }
    this.#deliveryReports.set(key, made)
    return made
  }
}
