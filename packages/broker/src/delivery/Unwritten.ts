/**
 * A write that has to be done in the end, that nobody outside would ask for again, and that failed although the database
 * was there: it is tried again, after a second at first, then less and less often, and a bounded number of times. While
 * the database is away such writes are kept in the group commit and do not come here.
 */
import type { Cause } from "effect"
import type { Decision } from "../state/Decision.ts"
import { Action, Completion, type Unwritten } from "../state/MeshCommand.ts"
import { delayAfter, triesMax } from "../state/TryAgain.ts"
import { reasonOf, type StoreError } from "../store/MessageStore.ts"

/** It comes back as `WriteAgain`. False: it has failed too often, and the log says what is left undone. */
export const tryLater = (
  { actions }: Decision,
  unwritten: Exclude<Unwritten, { readonly _tag: "Enrolled" }>,
  cause: Cause.Cause<StoreError>,
): boolean => {
  const reason = reasonOf(cause)
  // Whoever owns the mesh now knows nothing of it, and this one ends.
  if (reason === "fenced") return true
  const failures = (unwritten.failures ?? 0) + 1
  if (failures >= triesMax) {
    const message = "a write of a mesh is given up: the database refuses it"
    actions.push(Action.Log({ level: "error", message, about: { write: unwritten._tag, failures, reason } }))
    return false
  }
  const completion = Completion.WriteAgain({ unwritten: { ...unwritten, failures } })
  actions.push(Action.Later({ millis: delayAfter(failures), completion }))
  return true
}
