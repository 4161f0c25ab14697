/**
 * What the broker signs of a chain: which block was the last one at a time, or up to which one blocks were removed because they had been kept
 * long enough. Whoever keeps one can show later that what it covers was changed, or is gone.
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto"

export interface Checkpoint {
  readonly mesh: string
  /** `head`: the last block then. `removed`: this block and those before it are kept no longer. */
  readonly kind: "head" | "removed"
  readonly number: number
  readonly hash: string
  readonly total: number
  readonly atMillis: number
  /** The broker's audit key, in hex. */
  readonly key: string
  readonly signature: string
}

/** No field can hold a newline. */
export const checkpointStatement = (one: Omit<Checkpoint, "signature">): string =>
  ["claudemesh-audit-checkpoint-v1", one.mesh, one.kind, one.number, one.hash, one.total, one.atMillis, one.key].join(
    "\n",
  )

/** Nothing that is not a key verifies anything. */
const publicKeyOf = (hex: string): KeyObject | undefined => {
  if (!/^[0-9a-f]{64}$/.test(hex)) return undefined
  try {
    const x = Buffer.from(hex, "hex").toString("base64url")
    return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" })
  } catch {
    return undefined
  }
}

export const isSignedCheckpoint = (checkpoint: Checkpoint): boolean => {
  const key = publicKeyOf(checkpoint.key)
  return (
    key !== undefined &&
    /^[0-9a-f]{128}$/.test(checkpoint.signature) &&
    verify(null, Buffer.from(checkpointStatement(checkpoint)), key, Buffer.from(checkpoint.signature, "hex"))
  )
}
