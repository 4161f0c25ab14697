/**
 * What one member may ask of its mesh, in all its sessions together, so that no member takes what the others need (I23).
 * A rate is charged by what was asked for and not by the frame: a message by its deliveries, a list by its entries.
 */
import type { BrokerLimits } from "../Limits.ts"
import { TokenBucket } from "../TokenBucket.ts"

export class Allowance {
  /** Of deliveries. */
  readonly sends: TokenBucket
  /** Of what is answered from the store, or with much. */
  readonly asks: TokenBucket
  readonly channelChanges: TokenBucket
  readonly #limits: BrokerLimits
  #characters = 0
  #changes = 0

  constructor(limits: BrokerLimits) {
    this.#limits = limits
    this.sends = new TokenBucket(limits.sendsPerSecond, limits.sendsBurst, 0)
    this.asks = new TokenBucket(limits.asksPerSecond, limits.asksBurst, 0)
    this.channelChanges = new TokenBucket(limits.channelChangesPerSecond, limits.channelChangesBurst, 0)
  }

  /** An answer with many entries costs more than the one ask that let it through. */
  chargeEntries(entries: number): void {
    this.asks.charge(Math.floor(entries / this.#limits.entriesPerAsk))
  }

  /** And so do many leases at once, each of which is written. */
  chargeLeases(messages: number): void {
    this.asks.charge(Math.floor(messages / this.#limits.leasesPerAsk))
  }

  /** Ciphertexts and sealed keys that are being stored. One message alone is never too much. */
  get holdsTooMuch(): boolean {
    return this.#characters >= this.#limits.sendCharactersUnderWayMax
  }

  /** Negative: so much is stored, or is not going to be. */
  holdCharacters(characters: number): void {
    this.#characters += characters
  }

  /** Channels joined or left that are not written yet. */
  get changesTooMuch(): boolean {
    return this.#changes >= this.#limits.channelChangesUnderWayMax
  }

  holdChanges(changes: number): void {
    this.#changes += changes
  }
}
