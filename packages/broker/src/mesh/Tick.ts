/**
 * What happens by itself, when the actor is woken: changes are told, leases of sessions end, statuses change, and pages that
 * could not be read are tried again.
 */
import { pump } from "../delivery/Deliver.ts"
import type { Action } from "../state/MeshCommand.ts"
import { inboxesOf, type MeshState, wakeBy } from "../state/MeshState.ts"
import { tellIfDue } from "../presence/Presence.ts"
import { settlePull } from "../delivery/Remaining.ts"
import { watchStatus } from "../presence/Roster.ts"
import { endSessionLease } from "../session/SessionLease.ts"

export const tick = (state: MeshState, nowMillis: number, actions: Array<Action>): void => {
  const { wakeAtMillis } = state
  const isForTelling = tellIfDue(state, nowMillis, actions)
  if (isForTelling && (wakeAtMillis === undefined || nowMillis < wakeAtMillis)) return
  state.wakeAtMillis = undefined
  for (const session of state.expectedBack) {
    const until = session.liveUntilMillis ?? nowMillis
    if (until <= nowMillis) endSessionLease(state, session, actions)
    else {
      wakeBy(state, until)
      watchStatus(state, session, nowMillis)
    }
  }
  for (const connection of state.connections.values()) {
    watchStatus(state, connection.session, nowMillis)
    for (const inbox of inboxesOf(connection)) pump(state, inbox, nowMillis, actions)
    settlePull(state, connection, actions)
  }
}
