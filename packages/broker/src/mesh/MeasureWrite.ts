/** What is counted of a write of a mesh once it has its outcome. */
import { decodedBytes } from "@claudemesh/domain/Base64"
import { Exit } from "effect"
import type { Metrics } from "../metrics/Metrics.ts"
import type { Action } from "../state/MeshCommand.ts"
import type { Outcome } from "../store/GroupCommit.ts"

export const measureWrite = (
  metrics: Metrics,
  { next, write }: Pick<Extract<Action, { readonly _tag: "Write" }>, "next" | "write">,
  outcome: Outcome,
  askedSeconds: number,
): void => {
  // A message that was accepted before is not counted again.
  if (Exit.isFailure(outcome) || outcome.value._tag !== "Done") return
  if (write._tag === "Accept") {
    metrics.accepted.value += 1
    metrics.deliveries.value += write.recipients.length
    metrics.messageBytes.observe(decodedBytes(write.message.ciphertext))
    metrics.commitWait.observe(metrics.seconds() - askedSeconds)
  } else if (write._tag === "Consume") {
    metrics.consumed.value += write.seqs.length
    for (const { pushedAtMillis } of next?._tag === "Consumed" ? next.messages : []) {
      if (pushedAtMillis !== undefined) metrics.consumeWait.observe((write.atMillis - pushedAtMillis) / 1_000)
    }
  }
}
