/**
 * The few functions of libsodium that the client needs, on the domain's types. It is loaded once, when the layer
 * is built. What is random is brought by the caller, from Effect's `Crypto`, so a run can be replayed. A key is
 * checked and converted where it is learned (`trust`), so that sealing cannot fail on it later (I16).
 */
import { Base64, type Nonce } from "@claudemesh/domain/Base64"
import { PublicKey, SecretKey, Signature } from "@claudemesh/domain/Ids"
import { Context, Effect, Layer, Option, Redacted, Result, Schema } from "effect"
import { hidden, type HiddenKey } from "./HiddenKey.ts"

type Library = (typeof import("libsodium-wrappers"))["default"]

export interface KeyPair {
  readonly publicKey: PublicKey
  readonly secretKey: HiddenKey
}

/** The key is no valid point, or one of small order: nothing can be sealed to it. */
export class UnusableKey extends Schema.TaggedError<UnusableKey>()("UnusableKey", { key: PublicKey }) {
  override get message() {
    return `the key ${this.key} is no valid ed25519 key`
  }
}

/** A public key found usable, and its X25519 form. Only `trust` makes one. */
export interface TrustedKey {
  readonly key: PublicKey
  readonly x25519: Uint8Array
}

export class Sodium extends Context.Service<
  Sodium,
  {
    /** From 32 random bytes. */
    readonly keyPairFromSeed: (seed: Uint8Array) => KeyPair
    readonly sign: (statement: string, secretKey: HiddenKey) => Signature
    readonly verify: (statement: string, signature: Signature, key: PublicKey) => boolean
    readonly trust: (key: PublicKey) => Result.Result<TrustedKey, UnusableKey>
    /** `crypto_box_easy` with a nonce of 24 random bytes. */
    readonly seal: (text: string, nonce: Uint8Array, to: TrustedKey, from: HiddenKey) => Base64
    /** None when the box was not made by that key for this one, or was changed. */
    readonly open: (box: Base64, nonce: Nonce, from: TrustedKey, to: HiddenKey) => Option.Option<Uint8Array>
    /** `crypto_secretbox_easy` with a key of 32 random bytes. */
    readonly lock: (text: string, nonce: Uint8Array, contentKey: Uint8Array) => Base64
    readonly unlock: (box: Base64, nonce: Nonce, contentKey: Uint8Array) => Option.Option<Uint8Array>
    /** What `crypto_box_seal` makes, from 32 random bytes for its throw-away key. */
    readonly sealAnonymously: (secret: Uint8Array, seed: Uint8Array, to: TrustedKey) => Base64
    readonly openAnonymous: (box: Base64, to: KeyPair) => Option.Option<Uint8Array>
  }
>()("@claudemesh/client/keys/Sodium") {
  /** Imported here and not above: a host's first answer does not wait for the library. */
  static readonly layer = Layer.effect(
    Sodium,
    Effect.promise(() =>
      import("libsodium-wrappers").then(({ default: library }) => library.ready.then(() => library)),
    ).pipe(Effect.map((library) => Sodium.of(wrap(library)))),
  )
}

/** Unwrapped here, at the last moment. */
const secretBytes = (key: HiddenKey): Uint8Array => fromHex(Redacted.value(key))
const fromHex = (hex: string): Uint8Array => Buffer.from(hex, "hex")
const fromBase64 = (text: string): Uint8Array => Buffer.from(text, "base64")
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const toBase64 = (bytes: Uint8Array): Base64 => Base64.make(Buffer.from(bytes).toString("base64"))

const wrap = (sodium: Library): typeof Sodium.Service => {
  const secretX25519 = (key: HiddenKey): Uint8Array => sodium.crypto_sign_ed25519_sk_to_curve25519(secretBytes(key))
  const publicX25519 = (key: PublicKey): Uint8Array => sodium.crypto_sign_ed25519_pk_to_curve25519(fromHex(key))

  return {
    keyPairFromSeed: (seed) => {
      const pair = sodium.crypto_sign_seed_keypair(seed)
      return {
        publicKey: PublicKey.make(toHex(pair.publicKey)),
        secretKey: hidden(SecretKey.make(toHex(pair.privateKey))),
      }
    },
    sign: (statement, secretKey) =>
      Signature.make(toHex(sodium.crypto_sign_detached(statement, secretBytes(secretKey)))),
    verify: (statement, signature, key) =>
      sodium.crypto_sign_verify_detached(fromHex(signature), statement, fromHex(key)),
    trust: (key) =>
      Result.try({ try: () => ({ key, x25519: publicX25519(key) }), catch: () => new UnusableKey({ key }) }),
    seal: (text, nonce, to, from) => toBase64(sodium.crypto_box_easy(text, nonce, to.x25519, secretX25519(from))),
    open: Option.liftThrowable((box, nonce, from, to) =>
      sodium.crypto_box_open_easy(fromBase64(box), fromBase64(nonce), from.x25519, secretX25519(to)),
    ),
    lock: (text, nonce, contentKey) => toBase64(sodium.crypto_secretbox_easy(text, nonce, contentKey)),
    unlock: Option.liftThrowable((box, nonce, contentKey) =>
      sodium.crypto_secretbox_open_easy(fromBase64(box), fromBase64(nonce), contentKey),
    ),
    sealAnonymously: (secret, seed, to) => {
      // libsodium's own `crypto_box_seal` draws its throw-away key itself, which no replay could repeat.
      const pair = sodium.crypto_box_seed_keypair(seed)
      const nonce = sodium.crypto_generichash(24, Buffer.concat([pair.publicKey, to.x25519]), null)
      const box = sodium.crypto_box_easy(secret, nonce, to.x25519, pair.privateKey)
      return toBase64(Buffer.concat([pair.publicKey, box]))
    },
    openAnonymous: Option.liftThrowable((box, to) =>
      sodium.crypto_box_seal_open(fromBase64(box), publicX25519(to.publicKey), secretX25519(to.secretKey)),
    ),
  }
}
