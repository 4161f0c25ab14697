/**
 * A commit whose error came first and which took effect later: its messages were not there yet when their inboxes were
 * read, and numbers after theirs may have gone out since. Nobody would look for them again, and a resend is told that
 * all is well (I7). So whoever learns that a message is stored and not consumed makes sure that its inbox will come by it.
 */
import type { DeliveryReport } from "../store/MessageStore.ts"
import { pump } from "./Deliver.ts"
import type { Decision } from "../state/Decision.ts"
import { inboxOf } from "../state/MeshState.ts"
import { moveToMember } from "./InboxMove.ts"

/** Asks nothing of the store where each delivery is in flight, or still ahead of its inbox's cursor. */
export const lookFor = (decision: Decision, deliveryReport: DeliveryReport): void => {
  const { actions, nowMillis, state } = decision
  if (deliveryReport.expiresAtMillis <= nowMillis) return
  for (const { consumedAtMillis, inbox: address } of deliveryReport.deliveries) {
    if (consumedAtMillis !== undefined) continue
    const inbox = inboxOf(state, address)
    const { memberId, session } = address
    if (inbox === undefined) {
      // Its session was forgotten before there was anything to move.
      const isMember = state.membersById.has(memberId)
      if (isMember && session !== undefined) actions.push(moveToMember(state, memberId, session, "all"))
      continue
    }
    const isAway = inbox.session !== undefined && !inbox.session.live && inbox.session.connection === undefined
    if (isAway && inbox.mayBeMovedLate(nowMillis)) {
      actions.push(moveToMember(state, memberId, inbox.session.sessionId, "groups"))
    }
    if (inbox.comeBy(deliveryReport.priority, deliveryReport.seq)) pump(decision, inbox)
  }
}
