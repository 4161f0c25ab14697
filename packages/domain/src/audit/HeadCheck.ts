/**
 * What a member's machine can say of its broker's audit: by the head that it kept, whether one that it is told now can be of the same chain. It
 * needs no block. A head is a checkpoint, so what is kept here is what `ChainCheck.ts` compares a whole chain with.
 */
import { type Checkpoint, isSignedCheckpoint } from "./Checkpoint.ts"
import { type KeyRotation, leadsTo } from "./KeyRotation.ts"

/**
 * `cut`: it is signed later, and has fewer blocks. `rewritten`: the block of that number is another one. `unsigned`: the key that it names has not
 * signed it. `other_key`: another key has signed it, and the known one has not handed over to that one.
 */
export type HeadProblem = "cut" | "rewritten" | "unsigned" | "other_key"

/** `newer`: to be kept from now on. `known`: it says nothing that is not kept. */
export type HeadJudgement = "newer" | "known" | HeadProblem

/** Heads may come in another order than they were signed in, by two connections of one machine: an older word is evidence of nothing. */
export const judgeHead = (
  kept: Checkpoint | undefined,
  told: Checkpoint,
  rotations: ReadonlyArray<KeyRotation>,
): HeadJudgement => {
  if (!isSignedCheckpoint(told)) return "unsigned"
  if (kept === undefined) return "newer"
  if (told.number < kept.number && told.atMillis <= kept.atMillis) return "known"
  const goesOn = leadsTo(kept.key, told.key, rotations)
  if (!goesOn && !leadsTo(told.key, kept.key, rotations)) return "other_key"
  if (told.number < kept.number) return "cut"
  if (told.number > kept.number) return "newer"
  if (told.hash !== kept.hash || told.total !== kept.total) return "rewritten"
  return goesOn && told.key !== kept.key ? "newer" : "known"
}
