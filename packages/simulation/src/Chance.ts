/**
 * Every choice of a run, from one seed. The generator is small and ours, so that a seed means the same run for as
 * long as the code that draws from it stands: SplitMix32 (Steele, Lea, Flood, "Fast splittable pseudorandom number
 * generators", 2014, in its 32-bit form).
 */
import { Crypto, Effect, Layer } from "effect"

export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0 to 1, without 1. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  happens(probability: number): boolean {
    return this.next() < probability
  }

  pick<A>(items: ReadonlyArray<A>): A | undefined {
    return items[Math.floor(this.next() * items.length)]
  }

  /** One of the names, as often as its weight says. */
  weighted<Name extends string>(weights: ReadonlyArray<readonly [Name, number]>): Name | undefined {
    let left = this.next() * weights.reduce((sum, [, weight]) => sum + weight, 0)
    return weights.find(([, weight]) => (left -= weight) < 0)?.[0]
  }

  /** Keys, nonces and ids of the run. Its own stream, so that they do not disturb the choices. */
  get crypto(): Layer.Layer<Crypto.Crypto> {
    const bytes = new Chance(this.between(0, 2 ** 31))
    return Layer.succeed(
      Crypto.Crypto,
      Crypto.make({
        randomBytes: (count) => Uint8Array.from({ length: count }, () => bytes.between(0, 255)),
        digest: () => Effect.die("nothing here digests through the service"),
      }),
    )
  }
}
