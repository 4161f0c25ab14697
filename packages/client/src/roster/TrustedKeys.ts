/**
 * The members' keys, checked and converted when the roster is learned. A key that is no valid point is known as
 * such before anybody wants to seal to it.
 */
import type { PublicKey } from "@claudemesh/domain/Ids"
import type { Member } from "@claudemesh/domain/wire/BrokerFrame"
import { Result } from "effect"
import type { Sodium, TrustedKey, UnusableKey } from "../keys/Sodium.ts"

export class TrustedKeys {
  #keys = new Map<PublicKey, Result.Result<TrustedKey, UnusableKey>>()
  readonly #sodium: typeof Sodium.Service

  constructor(sodium: typeof Sodium.Service) {
    this.#sodium = sodium
  }

  of(key: PublicKey): Result.Result<TrustedKey, UnusableKey> {
    return this.#keys.get(key) ?? this.#sodium.trust(key)
  }

  /** Forgets the keys of those who are members no more; gives the unusable ones among the new. */
  learn(members: ReadonlyArray<Member>): ReadonlyArray<PublicKey> {
    const before = this.#keys
    this.#keys = new Map(members.map(({ pubkey }) => [pubkey, this.of(pubkey)]))
    return [...this.#keys].flatMap(([key, trust]) => (Result.isFailure(trust) && !before.has(key) ? [key] : []))
  }

  usable(members: ReadonlyArray<Member>): ReadonlyArray<TrustedKey> {
    return members.flatMap(({ pubkey }) => {
      const trust = this.of(pubkey)
      return Result.isSuccess(trust) ? [trust.success] : []
    })
  }
}
