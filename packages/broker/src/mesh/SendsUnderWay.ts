/**
 * How many sends and leases of a mesh may be under way, shared out among the connections that have some. A mesh's writes are committed in the order
 * in which it decided them, so whoever sends next waits for all that are under way: few who send much, or to many, must not have the whole of it.
 * Each may have one, however many they are.
 */
import type { BrokerLimits } from "../Limits.ts"

type Bounds = Pick<BrokerLimits, "meshDeliveriesUnderWayMax" | "meshSendsUnderWayMax" | "sendsUnderWayMax">

export class SendsUnderWay {
  #senders = 0
  #deliveries = 0

  constructor(readonly limits: Bounds) {}

  /** What one connection may have now. */
  get share(): number {
    const { meshDeliveriesUnderWayMax, meshSendsUnderWayMax, sendsUnderWayMax } = this.limits
    if (this.#deliveries >= meshDeliveriesUnderWayMax) return 1
    return Math.max(1, Math.min(sendsUnderWayMax, Math.floor(meshSendsUnderWayMax / Math.max(1, this.#senders))))
  }

  /** A connection has its first one. */
  began(): void {
    this.#senders += 1
  }

  /** It has none any more. */
  ended(): void {
    this.#senders -= 1
  }

  /** To so many more a message is being stored. Negative: it is stored, or is not going to be. */
  holdDeliveries(deliveries: number): void {
    this.#deliveries += deliveries
  }
}
