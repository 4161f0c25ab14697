/**
 * Sixty digits that two members read to each other. They are the same for both, and for nobody else in any mesh, so if
 * they agree, neither has been given a wrong key for the other.
 *
 * The digits are made as Signal's are (`NumericFingerprintGenerator` of libsignal: for each key 5,200 rounds of SHA-512,
 * then thirty digits from the first thirty bytes), with the mesh's id where Signal has a person's number. The rounds make
 * it dear to search for a key that has nearly the same digits.
 */
import { createHash } from "node:crypto"
import type { MeshId, PublicKey } from "@claudemesh/domain/Ids"

const rounds = 5_200
const groups = 6
const groupBytes = 5
const header = "claudemesh-safety-number-v1\n"

const sha512 = (first: Uint8Array, second: Uint8Array): Uint8Array =>
  createHash("sha512").update(first).update(second).digest()

/** Five digits from each five bytes: 2^40 is no multiple of 100,000, by less than one in ten million. */
const digitsOf = (meshId: MeshId, publicKey: PublicKey): ReadonlyArray<string> => {
  const key = Buffer.from(publicKey, "hex")
  let digest: Uint8Array = Buffer.concat([Buffer.from(header), key, Buffer.from(meshId)])
  for (let round = 0; round < rounds; round++) digest = sha512(digest, key)
  const bytes = Buffer.from(digest)
  return Array.from({ length: groups }, (_, group) =>
    String(bytes.readUIntBE(group * groupBytes, groupBytes) % 100_000).padStart(5, "0"),
  )
}

/** One member's own part of every safety number in this mesh: six groups of five digits. */
export const fingerprint = (meshId: MeshId, publicKey: PublicKey): string => digitsOf(meshId, publicKey).join(" ")

/** Twelve groups of five digits. */
export const safetyNumber = (meshId: MeshId, ours: PublicKey, theirs: PublicKey): string =>
  [ours, theirs]
    .toSorted()
    .flatMap((key) => digitsOf(meshId, key))
    .join(" ")
