/**
 * A first client has a new session id at every connect, and does not say its status again: `dnd` would be over with
 * the first cut. So a session of the same process takes over what the one before it had reported, for as long as any
 * other session is expected back.
 */
import type { HelloV1 } from "@claudemesh/domain/wire/ClientFrame"
import type { MeshState, Session } from "../state/MeshState.ts"

export const keepStatus = (state: MeshState, { member, process, reports }: Session, nowMillis: number): void => {
  if (process === undefined || reports.manual === undefined) return
  const { leftStatuses } = member
  for (const [key, { untilMillis }] of leftStatuses) if (untilMillis <= nowMillis) leftStatuses.delete(key)
  const { sessionLeaseMillis, sessionsPerMemberMax } = state.rules.limits
  leftStatuses.set(process, { reports, untilMillis: nowMillis + sessionLeaseMillis })
  const [oldest] = leftStatuses.keys()
  if (leftStatuses.size > sessionsPerMemberMax && oldest !== undefined) leftStatuses.delete(oldest)
}

/** Also of a connection that is still there: the broker may not have heard of its end. */
export const restoreStatus = (session: Session, hello: HelloV1, nowMillis: number): void => {
  const { member } = session
  const process = processOf(hello)
  const before = [...member.connections].findLast(
    (other) => other.session !== session && other.session.process === process,
  )
  const left = member.leftStatuses.get(process)
  member.leftStatuses.delete(process)
  session.process = process
  session.workplace = { cwd: hello.cwd, pid: hello.pid }
  if (left !== undefined && left.untilMillis > nowMillis) session.reports = left.reports
  else if (before !== undefined) {
    session.reports = before.session.reports
    before.session.process = undefined
  }
}

/** Its session ids begin with the process, too. */
const processOf = ({ cwd, pid, sessionId }: HelloV1): string => `${sessionId.split("-", 1).join("")} ${pid} ${cwd}`
