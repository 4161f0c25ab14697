/**
 * The lease of a session that is away, which is another thing than that of a message (`MessageLease.ts`): how long it
 * is expected back, and what becomes of its inbox when it is not (I2, I4). Also what a new owner of the mesh finds
 * unfinished.
 */
import { type SessionRecord, Write } from "../store/MessageStore.ts"
import { moveToMember } from "../delivery/InboxMove.ts"
import { beginRoster, touch } from "../presence/Roster.ts"
import { type Decision, decisionOf, type Sockets } from "../state/Decision.ts"
import { Action } from "../state/MeshCommand.ts"
import { type LoadedMesh, type MeshState, type Session, wakeBy } from "../state/MeshState.ts"

export const detached = (state: MeshState, { member, sessionId }: Session, nowMillis: number): Action =>
  recordDetached(state, { memberId: member.record.memberId, session: sessionId }, nowMillis)

/**
 * It said goodbye. It is written down as away for a whole lease already: a broker that begins again does not expect it back.
 */
export const left = (state: MeshState, { member, sessionId }: Session, nowMillis: number): Action =>
  recordDetached(
    state,
    { memberId: member.record.memberId, session: sessionId },
    nowMillis,
    Math.max(0, nowMillis - state.rules.limits.sessionLeaseMillis),
  )

const recordDetached = (
  state: MeshState,
  { memberId, session }: Pick<SessionRecord, "memberId" | "session">,
  atMillis: number,
  sinceMillis = atMillis,
): Action =>
  Action.Write({
    write: Write.SessionDetached({ meshId: state.mesh.meshId, memberId, session, atMillis, sinceMillis }),
    next: undefined,
  })

/** It is expected back, and live all the while (I4). */
export const expectBack = (state: MeshState, session: Session, fromMillis: number): void => {
  session.liveUntilMillis = fromMillis + state.rules.limits.sessionLeaseMillis
  state.expectedBack.add(session)
  touch(state, session)
  wakeBy(state, session.liveUntilMillis)
}

export const dropSessionLease = (state: MeshState, session: Session): void => {
  session.liveUntilMillis = undefined
  state.expectedBack.delete(session)
  touch(state, session)
}

/**
 * It did not come back, or said goodbye: what was said to a group it was in is its member's now, so that it dies with
 * none of the member's sessions. What was addressed to this very session waits for it. A connection it gets meanwhile is not
 * ready before this is committed, so nothing is moved away under it.
 */
export const endSessionLease = (decision: Decision, session: Session): void => {
  const { actions, state } = decision
  dropSessionLease(state, session)
  actions.push(moveToMember(state, session.member.record.memberId, session.sessionId, "groups"))
}

/** What the last owner could not finish: sessions it never saw leave, leases, inboxes nobody will come back for. */
export const takeOver = (loaded: LoadedMesh, nowMillis: number, sockets: Sockets): ReadonlyArray<Action> => {
  const { away, ended, orphans, state, stranded } = loaded
  const decision = decisionOf(state, nowMillis, sockets)
  const { actions } = decision
  actions.push(...ended.map((session) => recordDetached(state, session, nowMillis)))
  for (const session of orphans) {
    session.seenAtMillis = nowMillis
    expectBack(state, session, nowMillis)
    actions.push(detached(state, session, nowMillis))
  }
  for (const session of away) {
    if (session.seenAtMillis + state.rules.limits.sessionLeaseMillis > nowMillis) {
      expectBack(state, session, session.seenAtMillis)
    } else if (session.inbox.mayHold) endSessionLease(decision, session)
  }
  for (const { memberId, session } of stranded) actions.push(moveToMember(state, memberId, session, "all"))
  beginRoster(state, nowMillis)
  return actions
}
