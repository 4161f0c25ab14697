/**
 * How often somebody may knock: rates by address before anything is proved and by key once it is, so that
 * nobody can use up another one's. Each remembers a bounded number of addresses or keys; the server owns them.
 */
import type { PublicKey } from "@claudemesh/domain/Ids"
import type { BrokerLimits } from "../Limits.ts"
import { TokenBucket } from "../TokenBucket.ts"

export class RateLimit<Key extends string> {
  /** The one that was asked for last is last. */
  readonly #buckets = new Map<Key, TokenBucket>()

  constructor(
    readonly perSecond: number,
    readonly burst: number,
    readonly keysMax: number,
  ) {}

  /** How many are remembered. */
  get size(): number {
    return this.#buckets.size
  }

  /** After so long there is room for one more. */
  get retryAfterSeconds(): number {
    return Math.ceil(1 / this.perSecond)
  }

  /** False: too fast. */
  take(key: Key, nowMillis: number): boolean {
    return this.bucketOf(key, nowMillis).take(nowMillis)
  }

  /** For who takes from it often. */
  bucketOf(key: Key, nowMillis: number): TokenBucket {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.perSecond, this.burst, nowMillis)
    this.#buckets.delete(key)
    if (this.#buckets.size >= this.keysMax) this.#forgetOldest()
    this.#buckets.set(key, bucket)
    return bucket
  }

  /** It was quiet longest, so it is the one that is most likely full again. */
  #forgetOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key)
      return
    }
  }
}

export interface RateLimits {
  readonly sockets: RateLimit<string>
  readonly hellos: RateLimit<PublicKey>
  /** Frames of all sockets of a key. */
  readonly frames: RateLimit<PublicKey>
  readonly requestsByAddress: RateLimit<string>
  /** All that is answered without a look at who asks: health, and paths that are none. */
  readonly othersByAddress: RateLimit<string>
  readonly requestsByKey: RateLimit<PublicKey>
  /** Reports of hooks have their own. */
  readonly hooksByAddress: RateLimit<string>
  readonly hooksByKey: RateLimit<PublicKey>
}

export const makeRateLimits = (limits: BrokerLimits): RateLimits => ({
  sockets: new RateLimit(limits.socketsPerAddressPerSecond, limits.socketsPerAddressBurst, limits.rateKeysMax),
  hellos: new RateLimit(limits.hellosPerKeyPerSecond, limits.hellosPerKeyBurst, limits.rateKeysMax),
  frames: new RateLimit(limits.memberFramesPerSecond, limits.memberFramesBurst, limits.rateKeysMax),
  requestsByAddress: new RateLimit(
    limits.requestsPerAddressPerSecond,
    limits.requestsPerAddressBurst,
    limits.rateKeysMax,
  ),
  othersByAddress: new RateLimit(
    limits.otherRequestsPerAddressPerSecond,
    limits.otherRequestsPerAddressBurst,
    limits.rateKeysMax,
  ),
  requestsByKey: new RateLimit(limits.requestsPerKeyPerSecond, limits.requestsPerKeyBurst, limits.rateKeysMax),
  hooksByAddress: new RateLimit(limits.hooksPerAddressPerSecond, limits.hooksPerAddressBurst, limits.rateKeysMax),
  hooksByKey: new RateLimit(limits.hooksPerKeyPerSecond, limits.hooksPerKeyBurst, limits.rateKeysMax),
})
