/**
 * Whether a session may be disturbed. The status is computed from what was reported, by whom and how long ago
 * (I10); the gate says which priorities a status lets through. Pure: the caller brings the time.
 */
import { Schema } from "effect"

export const Status = Schema.Literals(["idle", "working", "dnd"])
export type Status = typeof Status.Type

export const Priority = Schema.Literals(["now", "next", "low"])
export type Priority = typeof Priority.Type

/** Most trusted first, while fresh: what the host's hooks saw, what the agent or person said, what was inferred. */
export type StatusSource = "hook" | "manual" | "inference"

export interface StatusReport {
  readonly status: Status
  readonly source: StatusSource
  readonly atMillis: number
}

/** The last report of each source. */
export type StatusReports = { readonly [Source in StatusSource]?: StatusReport }

export interface StatusRules {
  /** How long a "working" stands without being renewed. */
  readonly workingTtlMillis: number
  /** How long a hook's report beats the other sources. */
  readonly hookFreshMillis: number
}

export const withReport = (reports: StatusReports, report: StatusReport): StatusReports => ({
  ...reports,
  [report.source]: report,
})

/** `untilMillis` is when the status changes by itself, if it does. */
export interface EffectiveStatus {
  readonly status: Status
  readonly untilMillis: number | undefined
}

const idle: EffectiveStatus = { status: "idle", untilMillis: undefined }

const newest = (reports: ReadonlyArray<StatusReport>): StatusReport | undefined =>
  reports.reduce<StatusReport | undefined>(
    (best, report) => (best === undefined || report.atMillis > best.atMillis ? report : best),
    undefined,
  )

export const effectiveStatus = (reports: StatusReports, nowMillis: number, rules: StatusRules): EffectiveStatus => {
  const { hook, inference, manual } = reports
  // dnd is set by hand and leaves only by hand: no hook and no age ends it.
  if (manual?.status === "dnd") return { status: "dnd", untilMillis: undefined }

  const hookFresh = hook !== undefined && nowMillis - hook.atMillis < rules.hookFreshMillis
  const ruling = hookFresh ? hook : (newest([hook, manual].filter((report) => report !== undefined)) ?? inference)
  if (ruling === undefined || ruling.status === "idle") return idle
  if (ruling.status === "dnd") return { status: "dnd", untilMillis: undefined }
  const workingUntil = ruling.atMillis + rules.workingTtlMillis
  return nowMillis < workingUntil ? { status: "working", untilMillis: workingUntil } : idle
}

/** `low` is never pushed by the gate: it is pulled. A connection that cannot pull is the caller's exception. */
export const gateAdmits = (status: Status, priority: Priority): boolean =>
  priority === "now" || (priority === "next" && status === "idle")
