/**
 * Whose a mesh is (decision 0055). Each owner that loads it raises the epoch in its row, and every batch is written in the
 * epochs of its owners. The file has one broker, and a batch is one step: nobody can raise an epoch while it is written.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import { meshOf, type OwnedWrite, StoreError } from "../MessageStore.ts"
import { type Handle, prepare } from "./Handle.ts"

export const ownersOn = (handle: Handle) => {
  const epochOf = prepare<{ readonly owner_epoch: number }, [string]>(
    handle,
    "SELECT owner_epoch FROM mesh.mesh WHERE id = ?",
  )
  const raise = prepare<never, [string]>(handle, "UPDATE mesh.mesh SET owner_epoch = owner_epoch + 1 WHERE id = ?")

  return {
    epochOf: (meshId: MeshId): number => epochOf.get(meshId)?.owner_epoch ?? 0,
    raise: (meshId: MeshId): void => void raise.run(meshId),

    /** First in the transaction of a batch. */
    hold: (batch: ReadonlyArray<OwnedWrite>): void => {
      const epochs = new Map<MeshId, number>()
      for (const { epoch, write } of batch) {
        const meshId = meshOf(write)
        epochs.set(meshId, Math.min(epoch, epochs.get(meshId) ?? epoch))
      }
      for (const [meshId, epoch] of epochs) {
        if ((epochOf.get(meshId)?.owner_epoch ?? 0) > epoch) throw fenced(meshId)
      }
    },
  }
}

const fenced = (meshId: MeshId): StoreError =>
  new StoreError({ reason: "fenced", cause: `mesh ${meshId} has a later owner` })
