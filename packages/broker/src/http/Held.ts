/** How many of something each holds at once, by a key or an address. Who holds nothing is not remembered. */
export class Held<Key extends string> {
  readonly #counts = new Map<Key, number>()

  /** How many hold something. */
  get size(): number {
    return this.#counts.size
  }

  count(key: Key): number {
    return this.#counts.get(key) ?? 0
  }

  take(key: Key): void {
    this.#counts.set(key, this.count(key) + 1)
  }

  /** One that was taken before. */
  release(key: Key): void {
    const left = this.count(key) - 1
    if (left > 0) this.#counts.set(key, left)
    else this.#counts.delete(key)
  }
}
