/**
 * How many sessions a mesh and a member may have, and which one makes room for another (I13). A transient session is
 * not remembered, and takes no place from those that are.
 */
import type { SessionId } from "@claudemesh/domain/Ids"
import type { HelloRefusal } from "../trust/HelloProof.ts"
import { Write } from "../store/MessageStore.ts"
import type { Decision } from "../state/Decision.ts"
import { Action } from "../state/MeshCommand.ts"
import { type Member, type MeshState, Session } from "../state/MeshState.ts"
import { touch } from "../presence/Roster.ts"
import { moveToMember } from "../delivery/InboxMove.ts"

const remembered = ({ sessions }: Member): ReadonlyArray<Session> =>
  [...sessions.values()].filter(({ connection }) => connection?.transient !== true)

/** Nobody is attached there or expected back. */
const isIdle = (session: Session): boolean => session.connection === undefined && !session.live

/** Why the member may not have another session, if it may not. */
export const placeRefusal = (state: MeshState, member: Member): HelloRefusal | undefined => {
  const { liveSessionsPerMemberMax, sessionsPerMemberMax, sessionsPerMeshMax } = state.rules.limits
  const sessions = [...member.sessions.values()]
  if (sessions.filter((session) => !isIdle(session)).length >= liveSessionsPerMemberMax) {
    return { code: "capacity", message: `this member has ${liveSessionsPerMemberMax} live sessions; end some of them` }
  }
  const makesRoom = remembered(member).length >= sessionsPerMemberMax && sessions.some(isIdle)
  return state.sessionCount >= sessionsPerMeshMax && !makesRoom
    ? { code: "capacity", message: "this mesh remembers no more sessions" }
    : undefined
}

/** The sessions that are away longest are forgotten, and what waits for them is their member's. Live ones stay. */
export const makeRoom = (decision: Decision, member: Member): void => {
  const { state } = decision
  const places = remembered(member)
  const tooMany = places.length + 1 - state.rules.limits.sessionsPerMemberMax
  if (tooMany <= 0) return
  const oldest = places.filter(isIdle).sort((left, right) => left.seenAtMillis - right.seenAtMillis)
  for (const session of oldest.slice(0, tooMany)) forgetForGood(decision, session)
}

/** What waits for it is its member's, also when nothing waits that is known of: it may be on its way into the store. */
const forgetForGood = ({ actions, state }: Decision, session: Session): void => {
  forget(state, session)
  const { memberId } = session.member.record
  const where = { meshId: state.mesh.meshId, memberId, session: session.sessionId }
  actions.push(moveToMember(state, memberId, session.sessionId, "all"))
  actions.push(Action.Write({ write: Write.SessionForgotten(where), next: undefined }))
}

export const newSession = (state: MeshState, member: Member, sessionId: SessionId, nowMillis: number): Session => {
  const session = new Session(member, sessionId, nowMillis, false)
  member.sessions.set(sessionId, session)
  state.sessionCount += 1
  return session
}

/** Those whose rows are retired: see `sessionRetentionMillis`. */
export const forgetOldSessions = (decision: Decision, member: Member): void => {
  const { nowMillis, state } = decision
  for (const session of member.sessions.values()) {
    const old = session.seenAtMillis <= nowMillis - state.rules.limits.sessionRetentionMillis
    if (old && isIdle(session)) forgetForGood(decision, session)
  }
}

export const forget = (state: MeshState, session: Session): void => {
  session.member.sessions.delete(session.sessionId)
  touch(state, session)
  if (session.channels.size > 0) session.member.channelsChanged()
  state.sessionCount -= 1
}
