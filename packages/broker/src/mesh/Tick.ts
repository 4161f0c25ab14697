/**
 * What happens by itself, when the actor is woken: changes are told, leases of sessions end, statuses change, and pages that
 * could not be read are tried again.
 */
import { pump } from "./Deliver.ts"
import type { Effects } from "./MeshCommand.ts"
import { inboxesOf, type MeshState, wakeBy } from "./MeshState.ts"
import { tellIfDue } from "./Presence.ts"
import { settlePull } from "./Remaining.ts"
import { watchStatus } from "./Roster.ts"
import { endSessionLease } from "./SessionLease.ts"

export const tick = (state: MeshState, nowMillis: number, effects: Array<Effects>): void => {
  const { wakeAtMillis } = state
  const isForTelling = tellIfDue(state, nowMillis, effects)
  if (isForTelling && (wakeAtMillis === undefined || nowMillis < wakeAtMillis)) return
  state.wakeAtMillis = undefined
  for (const session of state.expectedBack) {
    const until = session.liveUntilMillis ?? nowMillis
    if (until <= nowMillis) endSessionLease(state, session, effects)
    else {
      wakeBy(state, until)
      watchStatus(state, session, nowMillis)
    }
  }
  for (const connection of state.connections.values()) {
    watchStatus(state, connection.session, nowMillis)
    for (const inbox of inboxesOf(connection)) pump(state, inbox, nowMillis, effects)
    settlePull(state, connection, effects)
  }
}
