/**
 * Cryptography that keeps nothing secret, for runs that are not about it: two thirds of a run would be curve
 * arithmetic. A box opens only with the keys, the nonce and the text it was made for, a signature fits one key and
 * one statement, and everything is as long as it really is; but anybody could forge it, and nobody in a run tries.
 */
import { Ed25519 } from "@claudemesh/broker/trust/Ed25519"
import { hidden, type HiddenKey } from "@claudemesh/client/keys/HiddenKey"
import { Sodium } from "@claudemesh/client/keys/Sodium"
import { Base64, type Nonce } from "@claudemesh/domain/Base64"
import { PublicKey, SecretKey, Signature } from "@claudemesh/domain/Ids"
import { Effect, Layer, Option, Redacted, Result } from "effect"

const hash = (...parts: ReadonlyArray<string>): string => Bun.hash(parts.join("\n")).toString(16).padStart(16, "0")
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64")

/** What only the right opener finds: a tag over everything that must fit, before the bytes. */
const tagCharacters = 16
const box = (tag: string, bytes: Uint8Array): Base64 => Base64.make(base64(Buffer.concat([Buffer.from(tag), bytes])))
const unbox = (boxed: string, tag: string): Option.Option<Uint8Array> => {
  const bytes = Buffer.from(boxed, "base64")
  return bytes.subarray(0, tagCharacters).toString() === tag
    ? Option.some(bytes.subarray(tagCharacters))
    : Option.none()
}

const publicOf = (secret: HiddenKey): string => Redacted.value(secret).slice(64)
const trusted = (x25519: Uint8Array): string => Buffer.from(x25519).toString("hex")

const sign = (statement: string, key: string): string => {
  const short = hash("signature", key, statement)
  return short.repeat(8)
}

const sodium = Sodium.of({
  keyPairFromSeed: (seed) => {
    const hex = Buffer.from(seed).toString("hex")
    const key = [0, 1, 2, 3].map((part) => hash("key", hex, String(part))).join("")
    return { publicKey: PublicKey.make(key), secretKey: hidden(SecretKey.make(hex + key)) }
  },
  sign: (statement, secretKey) => Signature.make(sign(statement, publicOf(secretKey))),
  verify: (statement, signature, key) => sign(statement, key) === signature,
  trust: (key) => Result.succeed({ key, x25519: Buffer.from(key, "hex") }),
  seal: (text, nonce, to, from) =>
    box(hash("box", publicOf(from), trusted(to.x25519), base64(nonce)), Buffer.from(text)),
  open: (boxed, nonce, from, to) => unbox(boxed, hash("box", trusted(from.x25519), publicOf(to), nonce)),
  lock: (text, nonce, contentKey) => box(hash("lock", base64(contentKey), base64(nonce)), Buffer.from(text)),
  unlock: (boxed, nonce: Nonce, contentKey) => unbox(boxed, hash("lock", base64(contentKey), nonce)),
  sealAnonymously: (secret, _seed, to) => box(hash("anonymous", trusted(to.x25519)), secret),
  openAnonymous: (boxed, to) => unbox(boxed, hash("anonymous", to.publicKey)),
})

export const plainSodium = Layer.succeed(Sodium, sodium)

export const plainEd25519 = Layer.succeed(Ed25519, Effect.succeed({ verify: sodium.verify, isUsableKey: () => true }))
