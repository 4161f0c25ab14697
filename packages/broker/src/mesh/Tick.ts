/**
 * What happens by itself, when the actor is woken: changes are told, leases of sessions end, statuses change, and pages that
 * could not be read are tried again.
 */
import { pump } from "../delivery/Deliver.ts"
import type { Decision } from "../state/Decision.ts"
import { inboxesOf, wakeBy } from "../state/MeshState.ts"
import { tellIfDue } from "../presence/Presence.ts"
import { settlePull } from "../delivery/Remaining.ts"
import { watchStatus } from "../presence/Roster.ts"
import { endSessionLease } from "../session/SessionLease.ts"

export const tick = (decision: Decision): void => {
  const { nowMillis, state } = decision
  const { wakeAtMillis } = state
  const isForTelling = tellIfDue(decision)
  if (isForTelling && (wakeAtMillis === undefined || nowMillis < wakeAtMillis)) return
  state.wakeAtMillis = undefined
  for (const session of state.expectedBack) {
    const until = session.liveUntilMillis ?? nowMillis
    if (until <= nowMillis) endSessionLease(decision, session)
    else {
      wakeBy(state, until)
      watchStatus(state, session, nowMillis)
    }
  }
  for (const connection of state.connections.values()) {
    watchStatus(state, connection.session, nowMillis)
    for (const inbox of inboxesOf(connection)) pump(decision, inbox)
    settlePull(decision, connection)
  }
}
