/**
 * Whether a session may be disturbed. The status follows from what was reported, by whom, when and for how long (I10); the
 * gate says which priorities a status lets through. Pure: the caller brings the time.
 *
 * Who is believed, the first that applies:
 *   1. by hand `dnd`, until its time, or until something else is said by hand;
 *   2. a hook, for `hookFreshMillis` after its report;
 *   3. the newest of hook and hand, for `workingTtlMillis` after it;
 *   4. the newest of all, inference too.
 * Whoever is believed, a `working` ends `workingTtlMillis` after its report.
 */
import { Schema } from "effect"

export const Status = Schema.Literals(["idle", "working", "dnd"])
export type Status = typeof Status.Type

export const Priority = Schema.Literals(["now", "next", "low"])
export type Priority = typeof Priority.Type

/** What the host's hooks saw, what the agent or person said, what was read in a transcript. */
export const StatusSource = Schema.Literals(["manual", "hook", "inference"])
export type StatusSource = typeof StatusSource.Type

export interface StatusReport {
  readonly status: Status
  readonly source: StatusSource
  readonly atMillis: number
  /** Of `dnd`: when it ends by itself. */
  readonly untilMillis?: number | undefined
}

/** The last report of each source, by the time at which it was made. */
export type StatusReports = { readonly [Source in StatusSource]?: StatusReport }

export interface StatusRules {
  /** How long a "working" stands without being renewed. */
  readonly workingTtlMillis: number
  /** How long a hook's report beats the other sources. */
  readonly hookFreshMillis: number
}

/** Only a hand may ask not to be disturbed: a hook or an inference would end it as well. */
export const maySay = (source: StatusSource, status: Status): boolean => status !== "dnd" || source === "manual"

/** A report that comes late does not turn time back, and two that are made at once count the same in either order. */
export const withReport = (reports: StatusReports, report: StatusReport): StatusReports => {
  const last = reports[report.source]
  return last !== undefined && !isAfter(report, last) ? reports : { ...reports, [report.source]: report }
}

const rank: Readonly<Record<Status, number>> = { idle: 0, working: 1, dnd: 2 }

const isAfter = (report: StatusReport, last: StatusReport): boolean => {
  if (report.atMillis !== last.atMillis) return report.atMillis > last.atMillis
  if (report.status !== last.status) return rank[report.status] > rank[last.status]
  return (report.untilMillis ?? Number.POSITIVE_INFINITY) > (last.untilMillis ?? Number.POSITIVE_INFINITY)
}

/** What comes in order is later than what its source said before, also in the same millisecond: so far ahead of the clock is no wonder. */
const orderMillis = 1_000

/** Times that a clock showed before it was set back count as now. */
export const asOf = (reports: StatusReports, nowMillis: number): StatusReports => {
  const past = (report: StatusReport | undefined): StatusReport | undefined =>
    report !== undefined && report.atMillis - nowMillis > orderMillis ? { ...report, atMillis: nowMillis } : report
  const [hook, inference, manual] = [reports.hook, reports.inference, reports.manual].map(past)
  return { ...(hook && { hook }), ...(inference && { inference }), ...(manual && { manual }) }
}

/** A report that is made now, behind all that its source has said. */
export const withReportNow = (
  reports: StatusReports,
  { forMillis, source, status }: Pick<StatusReport, "source" | "status"> & { readonly forMillis?: number | undefined },
  nowMillis: number,
): StatusReports => {
  const past = asOf(reports, nowMillis)
  const atMillis = Math.max(nowMillis, (past[source]?.atMillis ?? nowMillis - 1) + 1)
  const untilMillis = forMillis === undefined ? undefined : nowMillis + forMillis
  return { ...past, [source]: { source, status, atMillis, untilMillis } }
}

export interface EffectiveStatus {
  readonly status: Status
  /** Whose report it follows from, if it follows from one. */
  readonly source: StatusSource | undefined
  /** When `dnd` ends by itself, if it does. */
  readonly dndUntilMillis: number | undefined
  /** When status or source change by themselves, if they do. */
  readonly untilMillis: number | undefined
}

export const effectiveStatus = (reports: StatusReports, nowMillis: number, rules: StatusRules): EffectiveStatus => {
  const now = statusAt(reports, nowMillis, rules)
  const untilMillis = momentsOf(reports, rules)
    .filter((millis) => millis > nowMillis)
    .sort((left, right) => left - right)
    .find((millis) => {
      const then = statusAt(reports, millis, rules)
      return then.status !== now.status || then.source !== now.source
    })
  return { ...now, untilMillis }
}

export type StatusNow = Omit<EffectiveStatus, "untilMillis">

const nobodySays: StatusNow = { status: "idle", source: undefined, dndUntilMillis: undefined }

/** What a status is now, for who does not ask for how long. */
export const statusAt = (reports: StatusReports, nowMillis: number, rules: StatusRules): StatusNow => {
  const ruling = rulingAt(reports, nowMillis, rules)
  if (ruling === undefined) return nobodySays
  const { atMillis, source, status, untilMillis } = ruling
  if (status === "dnd") return { status, source, dndUntilMillis: untilMillis }
  if (status === "working" && nowMillis >= atMillis + rules.workingTtlMillis) return nobodySays
  return { status, source, dndUntilMillis: undefined }
}

const rulingAt = (
  { hook, inference, manual }: StatusReports,
  nowMillis: number,
  { hookFreshMillis, workingTtlMillis }: StatusRules,
): StatusReport | undefined => {
  const byHand = manual && endedAt(manual, nowMillis)
  if (byHand?.status === "dnd") return byHand
  if (hook !== undefined && nowMillis < hook.atMillis + hookFreshMillis) return hook
  const said = newest([hook, byHand])
  if (said !== undefined && nowMillis < said.atMillis + workingTtlMillis) return said
  return newest([said, inference])
}

/** A `dnd` whose time is over is as if the hand had said `idle` then. */
const endedAt = (report: StatusReport, nowMillis: number): StatusReport => {
  const { source, status, untilMillis } = report
  return status === "dnd" && untilMillis !== undefined && untilMillis <= nowMillis
    ? { source, status: "idle", atMillis: untilMillis }
    : report
}

const newest = (reports: ReadonlyArray<StatusReport | undefined>): StatusReport | undefined =>
  reports.reduce(
    (best, report) => (best === undefined || (report !== undefined && report.atMillis > best.atMillis) ? report : best),
    undefined,
  )

/** Everywhere that something of it may end. */
const momentsOf = (
  { hook, inference, manual }: StatusReports,
  { hookFreshMillis, workingTtlMillis }: StatusRules,
): ReadonlyArray<number> => {
  const moments: Array<number> = []
  for (const report of [hook, inference, manual]) {
    if (report === undefined) continue
    moments.push(report.atMillis + workingTtlMillis)
    if (report.untilMillis !== undefined) moments.push(report.untilMillis, report.untilMillis + workingTtlMillis)
  }
  if (hook !== undefined) moments.push(hook.atMillis + hookFreshMillis)
  return moments
}

/** `low` is never pushed by the gate: it is pulled. A connection that cannot pull is the caller's exception. */
export const gateAdmits = (status: Status, priority: Priority): boolean =>
  isAlwaysAdmitted(priority) || (priority === "next" && status === "idle")

/** Whatever the status is. */
export const isAlwaysAdmitted = (priority: Priority): boolean => priority === "now"
