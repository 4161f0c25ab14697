/**
 * What stands between a process and everything outside of it. While it is shut nothing reaches the process: no frame, no
 * end of a sleep, nothing of its host. So a process that was stopped, or whose machine's lid is closed, stands still, and
 * goes on later as if no time had passed.
 */
export class Gate {
  readonly #outer: Gate | undefined
  #shut = 0
  #wasShut = false
  #waiting: Array<() => void> = []

  /** `outer`: what comes through this one comes through that one first. */
  constructor(outer?: Gate) {
    this.#outer = outer
  }

  get isOpen(): boolean {
    return this.#shut === 0 && (this.#outer?.isOpen ?? true)
  }

  /** At once, or when it opens: in the order in which they came. */
  through(happens: () => void): void {
    if (this.#outer === undefined) this.#enter(happens)
    else this.#outer.through(() => this.#enter(happens))
  }

  /** It was shut once. */
  get wasShut(): boolean {
    return this.#wasShut || (this.#outer?.wasShut ?? false)
  }

  shut(): void {
    this.#wasShut = true
    this.#shut += 1
  }

  /** As often as it was shut. */
  open(): void {
    this.#shut = Math.max(0, this.#shut - 1)
    while (this.#shut === 0) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      next()
    }
  }

  #enter(happens: () => void): void {
    if (this.#shut === 0 && this.#waiting.length === 0) happens()
    else this.#waiting.push(happens)
  }
}
