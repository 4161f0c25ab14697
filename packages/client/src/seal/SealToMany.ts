/**
 * One text for many readers: locked once with a random content key, and the key sealed to each of them. It hides
 * the text from everybody else and proves nothing of who wrote it: a signature belongs inside.
 */
import { type Base64, Nonce } from "@claudemesh/domain/Base64"
import type { SealedKey } from "@claudemesh/domain/wire/ClientFrame"
import { type Crypto, Effect, Option, Schema } from "effect"
import type { Membership } from "../keys/Membership.ts"
import { randomBytes } from "../keys/RandomBytes.ts"
import { Sodium } from "../keys/Sodium.ts"
import { sealedKeysMax } from "../Limits.ts"
import type { CertifiedMember } from "../trust/TrustStore.ts"

export class TooManyReaders extends Schema.TaggedError<TooManyReaders>()("TooManyReaders", { members: Schema.Int }) {
  override get message() {
    return `the mesh has ${this.members} members; what goes to all is sealed to ${sealedKeysMax} at most`
  }
}

export interface SealedToMany {
  readonly nonce: Nonce
  readonly ciphertext: Base64
  readonly sealedKeys: ReadonlyArray<SealedKey>
}

/** Can be sealed to more readers later. The content key is in no field, so that nothing prints or sends it. */
export interface Reopenable extends SealedToMany {
  readonly sealKeysTo: (
    readers: ReadonlyArray<CertifiedMember>,
  ) => Effect.Effect<ReadonlyArray<SealedKey>, never, Crypto.Crypto>
}

export const sealToMany = Effect.fnUntraced(function* (text: string, readers: ReadonlyArray<CertifiedMember>) {
  if (readers.length > sealedKeysMax) return yield* new TooManyReaders({ members: readers.length })
  const sodium = yield* Sodium
  const contentKey = yield* randomBytes(32)
  const nonce = yield* randomBytes(24)
  const sealKeysTo = (some: ReadonlyArray<CertifiedMember>) =>
    Effect.forEach(some, (reader) =>
      Effect.map(randomBytes(32), (seed): SealedKey => ({
        pubkey: reader.publicKey,
        key: sodium.sealAnonymously(contentKey, seed, reader.key),
      })),
    )
  const sealedKeys = yield* sealKeysTo(readers)
  return {
    nonce: Nonce.make(Buffer.from(nonce).toString("base64")),
    ciphertext: sodium.lock(text, nonce, contentKey),
    sealedKeys,
    sealKeysTo,
  } satisfies Reopenable
})

/** None when it was not sealed to this reader, or was changed. */
export const openAsReader = (
  sealed: { readonly nonce: Nonce; readonly ciphertext: Base64; readonly sealedKey: Base64 },
  reader: Pick<Membership, "pubkey" | "secretKey">,
  sodium: typeof Sodium.Service,
): Option.Option<Uint8Array> =>
  sodium
    .openAnonymous(sealed.sealedKey, { publicKey: reader.pubkey, secretKey: reader.secretKey })
    .pipe(Option.flatMap((contentKey) => sodium.unlock(sealed.ciphertext, sealed.nonce, contentKey)))
