/** NaCl's boxes put together by hand from another library's parts, to be held against ours: see `docs/decisions/`. */
import { hsalsa, xsalsa20poly1305 } from "@noble/ciphers/salsa.js"
import { ed25519, x25519 } from "@noble/curves/ed25519.js"
import { blake2b } from "@noble/hashes/blake2.js"

const words = (bytes: Uint8Array): Uint32Array => {
  const { buffer } = Uint8Array.from(bytes)
  return new Uint32Array(buffer)
}

const sigma = words(new TextEncoder().encode("expand 32-byte k"))

/** What the two keys of a box come to. */
export const boxKeyOf = (shared: Uint8Array): Uint8Array => {
  const out = new Uint32Array(8)
  hsalsa(sigma, words(shared), new Uint32Array(4), out)
  return new Uint8Array(out.buffer)
}

export const lock = (message: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array =>
  xsalsa20poly1305(key, nonce).encrypt(message)

export const unlock = (box: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array =>
  xsalsa20poly1305(key, nonce).decrypt(box)

const sharedKey = (secret: Uint8Array, theirs: Uint8Array): Uint8Array =>
  boxKeyOf(x25519.getSharedSecret(secret, theirs))

/** X25519 keys. */
export const seal = (message: Uint8Array, nonce: Uint8Array, to: Uint8Array, from: Uint8Array): Uint8Array =>
  lock(message, nonce, sharedKey(from, to))

export const open = (box: Uint8Array, nonce: Uint8Array, from: Uint8Array, to: Uint8Array): Uint8Array =>
  unlock(box, nonce, sharedKey(to, from))

const anonymousNonce = (once: Uint8Array, to: Uint8Array): Uint8Array =>
  blake2b(Buffer.concat([once, to]), { dkLen: 24 })

/** With the throw-away secret key `once`. */
export const sealAnonymously = (message: Uint8Array, to: Uint8Array, once: Uint8Array): Uint8Array => {
  const onceKey = x25519.getPublicKey(once)
  return Buffer.concat([onceKey, seal(message, anonymousNonce(onceKey, to), to, once)])
}

/** What anybody makes who can choose what the two keys come to: with a point of small order, all zeros. */
export const sealAnonymouslyWith = (message: Uint8Array, to: Uint8Array, onceKey: Uint8Array, shared: Uint8Array) =>
  Buffer.concat([onceKey, lock(message, anonymousNonce(onceKey, to), boxKeyOf(shared))])

export const openAnonymous = (box: Uint8Array, to: Uint8Array, secret: Uint8Array): Uint8Array => {
  const onceKey = box.subarray(0, 32)
  return open(box.subarray(32), anonymousNonce(onceKey, to), onceKey, secret)
}

/** Of the 32-byte seed of an ed25519 key pair. */
export const x25519Secret = (seed: Uint8Array): Uint8Array => ed25519.utils.toMontgomerySecret(seed)
export const x25519Public = (key: Uint8Array): Uint8Array => ed25519.utils.toMontgomery(key)

export const sign = (message: Uint8Array, seed: Uint8Array): Uint8Array => ed25519.sign(message, seed)

/** `lax`: takes what a verifier takes that does not look for small orders. */
export const verify = (signature: Uint8Array, message: Uint8Array, key: Uint8Array, lax = false): boolean => {
  try {
    return ed25519.verify(signature, message, key, { zip215: lax })
  } catch {
    return false
  }
}

/** The same key with a point of order 8 added: on the curve, and not in the group that keys are from. */
export const offTheGroup = (key: Uint8Array, torsion: Uint8Array): Uint8Array =>
  ed25519.Point.fromBytes(key).add(ed25519.Point.fromBytes(torsion, true)).toBytes()
