/** What failed to be written a while ago is asked for again, by whoever asked for it first. */
import { clearAgain } from "../delivery/MessageLease.ts"
import { consumeAgain } from "../delivery/Deliver.ts"
import { moveAgain } from "../delivery/InboxMove.ts"
import { enrolAgain } from "../membership/Enrol.ts"
import type { Decision } from "../state/Decision.ts"
import type { Unwritten } from "../state/MeshCommand.ts"

export const writeAgain = (decision: Decision, unwritten: Unwritten): void => {
  switch (unwritten._tag) {
    case "Consumed":
      return consumeAgain(decision, unwritten)
    case "LeaseCleared":
      return clearAgain(decision, unwritten)
    case "InboxMoved":
      return moveAgain(decision, unwritten)
    case "Enrolled":
      return enrolAgain(decision, unwritten)
  }
}
