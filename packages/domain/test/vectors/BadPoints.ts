/** Every encoding that is no honest ed25519 key: points of small order, and a second way to write a point. */
import { PublicKey } from "../../src/Ids.ts"

const p = 2n ** 255n - 19n

/** Little-endian, with the sign of x in the highest bit. */
const encoded = (y: bigint, sign: 0 | 1): PublicKey => {
  const bytes = Buffer.from((y | (BigInt(sign) << 255n)).toString(16).padStart(64, "0"), "hex")
  return PublicKey.make(bytes.toReversed().toHex())
}

/** The whole torsion subgroup: its order is 8. */
export const smallOrder: ReadonlyArray<PublicKey> = [
  encoded(1n, 0),
  encoded(p - 1n, 0),
  encoded(0n, 0),
  encoded(0n, 1),
  ...[
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  ].map((hex) => PublicKey.make(hex)),
]

/** All y from p to 2^255 - 1, with either sign, and an x of 0 that claims to be negative. */
export const nonCanonical: ReadonlyArray<PublicKey> = [
  ...Array.from({ length: 19 }, (_, over) => p + BigInt(over)).flatMap((y) => [encoded(y, 0), encoded(y, 1)]),
  encoded(1n, 1),
  encoded(p - 1n, 1),
]

export const badPoints = [...smallOrder, ...nonCanonical]
