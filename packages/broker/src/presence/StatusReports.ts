/**
 * What is reported of a session: over its own connection, or by a hook over HTTP, which names the session and may come late,
 * or before the session has said hello (I11). What follows from the reports is the domain's to say (I10).
 */
import type { PublicKey } from "@claudemesh/domain/Ids"
import { asOf, maySay, type StatusReport, withReport, withReportNow } from "@claudemesh/domain/routing/Status"
import type { SetStatus } from "@claudemesh/domain/wire/ClientFrame"
import { pump } from "../delivery/Deliver.ts"
import type { Decision } from "../state/Decision.ts"
import { errorFrame } from "../state/ErrorReply.ts"
import { Action, Answer, type Command, type ReportAnswer, type ReportedSession } from "../state/MeshCommand.ts"
import { type Connection, type EarlyReport, inboxesOf, type MeshState, type Session } from "../state/MeshState.ts"
import { touch, watchStatus } from "./Roster.ts"

export const setStatus = (
  decision: Decision,
  connection: Connection,
  { forSeconds, id, source = "manual", status }: SetStatus,
): void => {
  const { actions, nowMillis } = decision
  const { peer, protocol, session } = connection
  connection.lastActiveMillis = nowMillis
  if (!maySay(source, status) || (forSeconds !== undefined && status !== "dnd")) {
    const message = "only dnd has an end, and only a hand sets it"
    if (id !== undefined) actions.push(Action.Send({ peer, frame: errorFrame(protocol, "malformed", message, id) }))
    return
  }
  const forMillis = forSeconds === undefined ? undefined : forSeconds * 1_000
  session.reports = withReportNow(session.reports, { source, status, forMillis }, nowMillis)
  if (id !== undefined) actions.push(Action.Send({ peer, frame: { type: "ok", id } }))
  changed(decision, session)
}

/** A hook's. Who signed may speak for the sessions of that member alone. */
export const report = (
  decision: Decision,
  { atMillis, replyTo, status, whose }: Extract<Command, { readonly _tag: "Report" }>,
): void => {
  const { actions, nowMillis, state } = decision
  const answer = answerTo(state, whose)
  actions.push(Action.Reply({ to: replyTo, answer: Answer.Report({ answer }) }))
  if (answer !== "taken") return
  // What is signed by a clock ahead of ours is of now: else nothing would be newer for a while.
  const made: StatusReport = { source: "hook", status, atMillis: Math.min(atMillis, nowMillis) }
  const session = whose.by === undefined ? firstClientOf(state, whose) : sessionOf(state, whose)
  if (session === undefined) return keepEarly(state, whose, made, nowMillis)
  session.reports = withReport(asOf(session.reports, nowMillis), made)
  changed(decision, session)
}

const answerTo = ({ members, register }: MeshState, { by }: ReportedSession): ReportAnswer => {
  if (by === undefined || members.has(by)) return "taken"
  return register.isRevoked(by) ? "revoked" : "unknown_mesh"
}

const sessionOf = ({ members }: MeshState, { by, sessionId }: ReportedSession): Session | undefined =>
  by === undefined || sessionId === undefined ? undefined : members.get(by)?.sessions.get(sessionId)

/** Of those in a folder it is the one of that process, or the only one: a report is never for two. */
const firstClientOf = ({ connections }: MeshState, { cwd, pid, sessionId }: ReportedSession): Session | undefined => {
  const sessions = [...connections.values()].flatMap(({ protocol, session }) => (protocol === 1 ? [session] : []))
  const named = sessions.find((session) => session.sessionId === sessionId)
  if (named !== undefined || cwd === undefined) return named
  const inFolder = sessions.filter(({ workplace }) => workplace?.cwd === cwd)
  const [only, ...others] = inFolder
  return inFolder.find(({ workplace }) => workplace?.pid === pid) ?? (others.length === 0 ? only : undefined)
}

const changed = (decision: Decision, session: Session): void => {
  const { nowMillis, state } = decision
  touch(state, session)
  watchStatus(state, session, nowMillis)
  const { connection } = session
  if (connection === undefined) return
  for (const inbox of inboxesOf(connection)) pump(decision, inbox)
}

const keepEarly = (state: MeshState, whose: ReportedSession, made: StatusReport, nowMillis: number): void => {
  const { earlyReportMillis, earlyReportsMax } = state.rules.limits
  forgetEarly(state, nowMillis)
  if (state.earlyReports.length >= earlyReportsMax) dropOneOf(state.earlyReports)
  state.earlyReports.push({ whose, report: made, untilMillis: nowMillis + earlyReportMillis })
}

/** The oldest of the key that has most, so that no member's flood pushes out what another reported. */
const dropOneOf = (reports: Array<EarlyReport>): void => {
  const counts = new Map<PublicKey | undefined, number>()
  for (const { whose } of reports) counts.set(whose.by, (counts.get(whose.by) ?? 0) + 1)
  const most = Math.max(...counts.values())
  const index = reports.findIndex(({ whose }) => counts.get(whose.by) === most)
  reports.splice(index, 1)
}

const forgetEarly = ({ earlyReports, rules }: MeshState, nowMillis: number): void => {
  const isOver = (untilMillis: number) =>
    untilMillis <= nowMillis || untilMillis - nowMillis > rules.limits.earlyReportMillis
  const kept = earlyReports.filter(({ untilMillis }) => !isOver(untilMillis))
  earlyReports.splice(0, earlyReports.length, ...kept)
}

/** What was reported of a session shortly before it said hello. */
export const takeEarlyReports = (state: MeshState, session: Session, nowMillis: number): void => {
  if (state.earlyReports.length === 0) return
  forgetEarly(state, nowMillis)
  const isFor = ({ by, cwd, pid, sessionId }: ReportedSession): boolean => {
    if (by !== undefined) return by === session.member.key && sessionId === session.sessionId
    const { workplace } = session
    if (workplace === undefined) return false
    // A folder says nothing of which process it is, where the report says that it is another.
    const isThere = cwd === workplace.cwd && (pid === undefined || pid === workplace.pid)
    return sessionId === session.sessionId || isThere
  }
  const others = state.earlyReports.filter(({ report, whose }) => {
    if (!isFor(whose)) return true
    session.reports = withReport(asOf(session.reports, nowMillis), report)
    return false
  })
  state.earlyReports.splice(0, state.earlyReports.length, ...others)
}
