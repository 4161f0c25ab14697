/** Which of the waiting messages each move of a batch takes along; both stores move by it. */
import type { MeshId } from "@claudemesh/domain/Ids"
import type { Write } from "./MessageStore.ts"

export interface Moved {
  readonly write: Extract<Write, { readonly _tag: "InboxMoved" }>
  readonly belowSeq: number
}

/** In their order. What is accepted later in the batch has a higher sequence number, and is not moved. */
export const movesOf = (batch: ReadonlyArray<Write>): ReadonlyArray<Moved> => {
  const moves: Array<Moved> = []
  const lowestLater = new Map<MeshId, number>()
  for (const write of batch.toReversed()) {
    if (write._tag === "Accept") {
      const { meshId, seq } = write.message
      lowestLater.set(meshId, Math.min(seq, lowestLater.get(meshId) ?? seq))
    } else if (write._tag === "InboxMoved") {
      moves.push({ write, belowSeq: lowestLater.get(write.meshId) ?? Number.MAX_SAFE_INTEGER })
    }
  }
  return moves.toReversed()
}
