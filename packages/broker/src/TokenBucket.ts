/**
 * A rate with room for a burst: `burst` at once, `perSecond` for ever. Who owns one asks before each act and
 * brings the time; a clock that went back refills nothing.
 */
export class TokenBucket {
  #tokens: number
  #atMillis: number

  constructor(
    readonly perSecond: number,
    readonly burst: number,
    nowMillis: number,
  ) {
    this.#tokens = burst
    this.#atMillis = nowMillis
  }

  /** False: too fast, and nothing was taken. */
  take(nowMillis: number): boolean {
    this.#refill(nowMillis)
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  /** After so long what was charged too much is paid off. */
  debtMillis(nowMillis: number): number {
    this.#refill(nowMillis)
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * 1_000) / this.perSecond)
  }

  #refill(nowMillis: number): void {
    const passed = Math.max(0, nowMillis - this.#atMillis)
    this.#tokens = Math.min(this.burst, this.#tokens + (passed * this.perSecond) / 1_000)
    this.#atMillis = nowMillis
  }

  /**
   * For what turned out to cost more than the one that was taken. It may leave a debt, which has to be paid off before the
   * next is taken: so what costs more than a burst is possible, and no rate is higher for it.
   */
  charge(tokens: number): void {
    this.#tokens -= tokens
  }
}
