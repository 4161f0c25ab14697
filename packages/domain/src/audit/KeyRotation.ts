/**
 * The audit key hands over to another one: the word for it is signed by the key that signed until then. So whoever knows one key can follow to the
 * one that signs now, without asking anybody.
 */
import { isSignedBy } from "./Signature.ts"

export interface KeyRotation {
  /** Which signs this, in hex. */
  readonly key: string
  /** Which signs from then on. */
  readonly next: string
  readonly atMillis: number
  readonly signature: string
}

/** No field can hold a newline. */
export const rotationStatement = ({ atMillis, key, next }: Omit<KeyRotation, "signature">): string =>
  ["claudemesh-audit-key-v1", key, next, atMillis].join("\n")

export const isSignedRotation = (one: KeyRotation): boolean =>
  isSignedBy(one.key, rotationStatement(one), one.signature)

/** Whether the first key has handed over to the last, be it by others between them. The words may come in any order. */
export const leadsTo = (first: string, last: string, rotations: ReadonlyArray<KeyRotation>): boolean => {
  const reached = new Set([first])
  // A set that grows while it is gone through is gone through to its end.
  for (const key of reached) {
    if (key === last) return true
    for (const one of rotations) if (one.key === key && isSignedRotation(one)) reached.add(one.next)
  }
  return false
}
