/**
 * What the broker signs of a chain: which block was the last one at a time, or up to which one blocks were removed because they had been kept
 * long enough. Whoever keeps one can show later that what it covers was changed, or is gone.
 */
import { isSignedBy } from "./Signature.ts"

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

export const isSignedCheckpoint = (checkpoint: Checkpoint): boolean =>
  isSignedBy(checkpoint.key, checkpointStatement(checkpoint), checkpoint.signature)
