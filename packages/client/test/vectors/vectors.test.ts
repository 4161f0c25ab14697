/** What seals and signs here does what everybody else's does: published vectors, and another library both ways. */
import { Base64, Nonce } from "@claudemesh/domain/Base64"
import { PublicKey, Signature } from "@claudemesh/domain/Ids"
import { assert, layer } from "@effect/vitest"
import { Effect, Option, Result } from "effect"
import * as fc from "fast-check"
import libsodium from "libsodium-wrappers"
import { badPoints, smallOrder } from "../../../domain/test/vectors/BadPoints.ts"
import { Sodium } from "../../src/keys/Sodium.ts"
import { plainKey } from "../support/Plain.ts"
import { conversion, nacl, rfc8032 } from "./Published.ts"
import * as theirs from "./SecondOpinion.ts"

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"))
const hex = (of: Uint8Array): string => Buffer.from(of).toString("hex")
const base64 = (of: Uint8Array): Base64 => Base64.make(Buffer.from(of).toString("base64"))
const fromBase64 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "base64"))
const nonceText = (of: Uint8Array): Nonce => Nonce.make(Buffer.from(of).toString("base64"))
const utf8 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text))

const random = (size: number) => fc.uint8Array({ minLength: size, maxLength: size })
/** Any text, also of several blocks of the cipher. */
const text = fc.oneof(fc.string({ unit: "grapheme", maxLength: 300 }), fc.string({ maxLength: 2_000 }))
const rounds = { numRuns: 60, seed: 1 }

/** Every bit of one byte here and there. */
const changed = (of: Uint8Array, at: number): Uint8Array =>
  of.map((byte, index) => (index === at % of.length ? byte ^ (1 << (at % 8)) : byte))

layer(Sodium.layer)("against published vectors", (it) => {
  it.effect("keys are made and statements signed as RFC 8032 says", () =>
    Effect.gen(function* () {
      const sodium = yield* Sodium
      for (const vector of rfc8032) {
        const pair = sodium.keyPairFromSeed(bytes(vector.seed))
        assert.strictEqual<string>(pair.publicKey, vector.publicKey)
        assert.strictEqual(plainKey(pair.secretKey), vector.seed + vector.publicKey)
        // Our statements are texts, and only two of the messages are.
        const statement = Buffer.from(vector.message, "hex").toString()
        const isText = hex(utf8(statement)) === vector.message
        const signature = Signature.make(vector.signature)
        if (isText) assert.strictEqual(sodium.sign(statement, pair.secretKey), signature)
        assert.strictEqual(sodium.verify(statement, signature, pair.publicKey), isText)
        const under = libsodium.crypto_sign_detached(bytes(vector.message), bytes(plainKey(pair.secretKey)))
        assert.strictEqual(hex(under), vector.signature)
        assert.strictEqual(hex(theirs.sign(bytes(vector.message), bytes(vector.seed))), vector.signature)
      }
    }),
  )

  it.effect("a box and a secret box are those of the NaCl paper, in both libraries", () =>
    Effect.gen(function* () {
      const sodium = yield* Sodium
      const [nonce, message] = [bytes(nacl.nonce), bytes(nacl.message)]
      const opened = sodium.unlock(base64(bytes(nacl.box)), nonceText(nonce), bytes(nacl.firstKey))
      assert.strictEqual(hex(Option.getOrThrow(opened)), nacl.message)
      assert.strictEqual(hex(theirs.lock(message, nonce, bytes(nacl.firstKey))), nacl.box)
      const [alice, bob] = [bytes(nacl.aliceSecret), bytes(nacl.bobSecret)]
      const [alicePublic, bobPublic] = [bytes(nacl.alicePublic), bytes(nacl.bobPublic)]
      assert.strictEqual(hex(libsodium.crypto_box_easy(message, nonce, bobPublic, alice)), nacl.box)
      assert.strictEqual(hex(theirs.seal(message, nonce, bobPublic, alice)), nacl.box)
      assert.strictEqual(hex(theirs.open(bytes(nacl.box), nonce, alicePublic, bob)), nacl.message)
    }),
  )

  it.effect("a key is converted as libsodium's test says, in both libraries", () =>
    Effect.gen(function* () {
      const { keyPairFromSeed, trust } = yield* Sodium
      const { publicKey } = keyPairFromSeed(bytes(conversion.seed))
      const { x25519 } = yield* Effect.fromResult(trust(publicKey))
      assert.strictEqual(hex(x25519), conversion.x25519Public)
      assert.strictEqual(hex(theirs.x25519Public(bytes(publicKey))), conversion.x25519Public)
      assert.strictEqual(hex(theirs.x25519Secret(bytes(conversion.seed))), conversion.x25519Secret)
    }),
  )
})

layer(Sodium.layer)("against a second implementation", (it) => {
  it.effect("what ours signs theirs verifies and the reverse, and it is the same signature", () =>
    Effect.gen(function* () {
      const sodium = yield* Sodium
      const property = fc.property(random(32), text, fc.nat(), (seed, statement, at) => {
        const { publicKey, secretKey } = sodium.keyPairFromSeed(seed)
        const ours = sodium.sign(statement, secretKey)
        assert.strictEqual(ours, hex(theirs.sign(utf8(statement), seed)))
        assert.isTrue(theirs.verify(bytes(ours), utf8(statement), bytes(publicKey)))
        assert.isTrue(sodium.verify(statement, ours, publicKey))
        assert.isFalse(sodium.verify(statement, Signature.make(hex(changed(bytes(ours), at))), publicKey))
        assert.isFalse(sodium.verify(`${statement}\n`, ours, publicKey))
      })
      fc.assert(property, rounds)
    }),
  )

  it.effect("what ours seals theirs opens and the reverse, and a changed box opens in neither (I16)", () =>
    Effect.gen(function* () {
      const sodium = yield* Sodium
      const property = fc.property(random(32), random(32), random(24), text, fc.nat(), (from, to, nonce, said, at) => {
        const [sender, reader] = [sodium.keyPairFromSeed(from), sodium.keyPairFromSeed(to)]
        const trusted = (key: PublicKey) => Result.getOrThrow(sodium.trust(key))
        const senderX = theirs.x25519Public(bytes(sender.publicKey))
        const readerX = theirs.x25519Public(bytes(reader.publicKey))
        const box = fromBase64(sodium.seal(said, nonce, trusted(reader.publicKey), sender.secretKey))
        assert.strictEqual(hex(theirs.open(box, nonce, senderX, theirs.x25519Secret(to))), hex(utf8(said)))
        assert.strictEqual(hex(theirs.seal(utf8(said), nonce, readerX, theirs.x25519Secret(from))), hex(box))
        const open = (sealed: Uint8Array) =>
          sodium.open(base64(sealed), nonceText(nonce), trusted(sender.publicKey), reader.secretKey)
        assert.strictEqual(hex(Option.getOrThrow(open(box))), hex(utf8(said)))
        assert.isTrue(Option.isNone(open(changed(box, at))))
        assert.throws(() => theirs.open(changed(box, at), nonce, senderX, theirs.x25519Secret(to)))
      })
      fc.assert(property, rounds)
    }),
  )

  it.effect("what ours locks theirs unlocks and the reverse (I16)", () =>
    Effect.gen(function* () {
      const sodium = yield* Sodium
      const property = fc.property(random(32), random(24), text, fc.nat(), (key, nonce, said, at) => {
        const box = fromBase64(sodium.lock(said, nonce, key))
        assert.strictEqual(hex(theirs.unlock(box, nonce, key)), hex(utf8(said)))
        assert.strictEqual(hex(theirs.lock(utf8(said), nonce, key)), hex(box))
        assert.isTrue(Option.isNone(sodium.unlock(base64(changed(box, at)), nonceText(nonce), key)))
      })
      fc.assert(property, rounds)
    }),
  )

  it.effect("a sealed box of ours is opened by theirs and the reverse (I16)", () =>
    Effect.gen(function* () {
      const sodium = yield* Sodium
      const property = fc.property(random(32), random(32), random(32), fc.nat(), (seed, once, secret, at) => {
        const reader = sodium.keyPairFromSeed(seed)
        const { x25519 } = Result.getOrThrow(sodium.trust(reader.publicKey))
        const ours = fromBase64(sodium.sealAnonymously(secret, once, { key: reader.publicKey, x25519 }))
        assert.strictEqual(hex(theirs.openAnonymous(ours, x25519, theirs.x25519Secret(seed))), hex(secret))
        const box = theirs.sealAnonymously(secret, x25519, once)
        const opened = (sealed: Uint8Array) => Option.map(sodium.openAnonymous(base64(sealed), reader), hex)
        assert.deepStrictEqual(opened(box), Option.some(hex(secret)))
        assert.isTrue(Option.isNone(opened(changed(box, at))))
      })
      fc.assert(property, rounds)
    }),
  )
})

layer(Sodium.layer)("points that are no keys", (it) => {
  it.effect("are trusted in none of their encodings (I16)", () =>
    Effect.gen(function* () {
      const { keyPairFromSeed, trust } = yield* Sodium
      assert.strictEqual(badPoints.length, 48)
      for (const point of badPoints) assert.isTrue(Result.isFailure(trust(point)), point)
      const { publicKey } = keyPairFromSeed(bytes(conversion.seed))
      for (const point of smallOrder.slice(1)) {
        const off = PublicKey.make(hex(theirs.offTheGroup(bytes(publicKey), bytes(point))))
        assert.isTrue(Result.isFailure(trust(off)), off)
      }
    }),
  )

  it.effect("sign nothing, though a lax verifier takes the signature that anybody can make", () =>
    Effect.gen(function* () {
      const { verify } = yield* Sodium
      let lax = 0
      for (const key of badPoints) {
        for (const r of badPoints) {
          const signature = Signature.make(r + "00".repeat(32))
          assert.isFalse(verify("hello", signature, key), `${key} ${r}`)
          if (theirs.verify(bytes(signature), utf8("hello"), bytes(key), true)) lax += 1
        }
      }
      assert.isAbove(lax, 8)
    }),
  )

  it.effect("do not come out of a signature with the group's order added to it", () =>
    Effect.gen(function* () {
      const sodium = yield* Sodium
      const { publicKey, secretKey } = sodium.keyPairFromSeed(bytes(conversion.seed))
      const signature = bytes(sodium.sign("hello", secretKey))
      const order = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n
      const s = BigInt(`0x${hex(signature.slice(32).toReversed())}`) + order
      const second = hex(signature.slice(0, 32)) + hex(bytes(s.toString(16).padStart(64, "0")).toReversed())
      assert.isTrue(sodium.verify("hello", Signature.make(hex(signature)), publicKey))
      assert.isFalse(sodium.verify("hello", Signature.make(second), publicKey))
    }),
  )

  it.effect("open no sealed box, whose key everybody would know (I16)", () =>
    Effect.gen(function* () {
      const sodium = yield* Sodium
      const reader = sodium.keyPairFromSeed(bytes(conversion.seed))
      const to = bytes(conversion.x25519Public)
      const p = 2n ** 255n - 19n
      const order8 = [
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      ]
      const small = [0n, 1n, p - 1n, p, p + 1n].map((u) => hex(bytes(u.toString(16).padStart(64, "0")).toReversed()))
      for (const onceKey of [...small, ...order8]) {
        const box = theirs.sealAnonymouslyWith(utf8("content key"), to, bytes(onceKey), new Uint8Array(32))
        assert.isTrue(Option.isNone(sodium.openAnonymous(base64(box), reader)), onceKey)
      }
      // The same box from an honest throw-away key opens, so it is the point that was refused.
      const honest = theirs.sealAnonymously(utf8("content key"), to, new Uint8Array(32).fill(9))
      assert.isTrue(Option.isSome(sodium.openAnonymous(base64(honest), reader)))
    }),
  )
})
