/** The broker's spans of a message: until it is stored, and from its push to its ack. Only where a collector is named. */
import { decodedBytes } from "@claudemesh/domain/Base64"
import type { RecordSpan } from "@claudemesh/domain/MessageTraces"
import { Exit } from "effect"
import type { Action } from "../state/MeshCommand.ts"
import type { Outcome } from "../store/GroupCommit.ts"

export const traceWrite = (
  record: RecordSpan,
  { next, write }: Pick<Extract<Action, { readonly _tag: "Write" }>, "next" | "write">,
  outcome: Outcome,
  tookSeconds: number,
): void => {
  if (Exit.isFailure(outcome) || outcome.value._tag !== "Done") return
  if (write._tag === "Accept") {
    const { ciphertext, createdAtMillis, meshId, messageId, priority, senderMemberId } = write.message
    record({
      messageId,
      meshId,
      name: "accept",
      kind: "internal",
      fromMillis: createdAtMillis,
      toMillis: createdAtMillis + tookSeconds * 1_000,
      attributes: {
        "messaging.message.body.size": decodedBytes(ciphertext),
        "claudemesh.sender.id": senderMemberId,
        "claudemesh.priority": priority,
        "claudemesh.recipients": write.recipients.length,
      },
    })
  } else if (write._tag === "Consume" && next?._tag === "Consumed") {
    for (const { messageId, pushedAtMillis } of next.messages) {
      record({
        messageId,
        meshId: write.meshId,
        name: "deliver",
        kind: "internal",
        fromMillis: pushedAtMillis ?? write.atMillis,
        toMillis: write.atMillis + tookSeconds * 1_000,
        attributes: { "claudemesh.recipient.id": write.inbox.memberId },
      })
    }
  }
}
