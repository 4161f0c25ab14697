/**
 * Whether an idle host is woken now, as a function of what waits, what the host does, and what was done before. A message
 * wakes at most once: `now` at once, `next` when the host is idle, `low` never, nothing while it wants not to be disturbed.
 * Where a wake was not followed by a look, only something new and urgent wakes again.
 */
import type { Priority } from "@claudemesh/domain/routing/Status"
import { hourMillis, stepMillis } from "./Limits.ts"

export interface WakeState {
  /** Arrivals up to here have woken, or had their chance. */
  readonly wokenFor: number
  /** How often somebody had looked when it was woken last. */
  readonly looksThen: number | undefined
  /** When it was woken within the last hour. */
  readonly atMillis: ReadonlyArray<number>
  /** Since when something urgent waits for the next step of a busy host. */
  readonly urgentSinceMillis: number | undefined
}

export const neverWoken: WakeState = {
  wokenFor: 0,
  looksThen: undefined,
  atMillis: [],
  urgentSinceMillis: undefined,
}

export interface Situation {
  readonly waiting: ReadonlyArray<{ readonly arrival: number; readonly priority: Priority }>
  readonly isBusy: boolean
  /** Its next step hands over what is urgent. */
  readonly hooksWork: boolean
  readonly isDnd: boolean
  readonly looks: number
  readonly nowMillis: number
  readonly wakesPerHour: number
}

export interface Woken {
  readonly state: WakeState
  /** What is written. Undefined: nothing. */
  readonly line: string | undefined
}

export const whenToWake = (before: WakeState, situation: Situation): Woken => {
  const { hooksWork, isBusy, isDnd, looks, nowMillis, wakesPerHour } = situation
  const waiting = situation.waiting.filter(({ priority }) => priority !== "low")
  const fresh = waiting.filter(({ arrival }) => arrival > before.wokenFor)
  const isUrgent = fresh.some(({ priority }) => priority === "now")
  const atMillis = before.atMillis.filter((then) => Math.abs(nowMillis - then) < hourMillis)
  const urgentSinceMillis = isUrgent ? (before.urgentSinceMillis ?? nowMillis) : undefined
  const state: WakeState = { ...before, atMillis, urgentSinceMillis }
  const asleep: Woken = { state, line: undefined }
  if (isDnd || fresh.length === 0 || atMillis.length >= wakesPerHour) return asleep
  if (!isUrgent && (isBusy || before.looksThen === looks)) return asleep
  const stepIsNear = urgentSinceMillis !== undefined && Math.abs(nowMillis - urgentSinceMillis) < stepMillis
  if (isBusy && hooksWork && stepIsNear) return asleep
  return {
    state: {
      wokenFor: Math.max(...fresh.map(({ arrival }) => arrival)),
      looksThen: looks,
      atMillis: [...atMillis, nowMillis],
      urgentSinceMillis: undefined,
    },
    line: wakeLine(waiting),
  }
}

/** Fixed words and numbers, and never a word of a peer. */
export const wakeLine = (waiting: ReadonlyArray<{ readonly priority: Priority }>): string => {
  const urgent = waiting.filter(({ priority }) => priority === "now").length
  const messages = waiting.length === 1 ? "1 message waits" : `${waiting.length} messages wait`
  return `${messages} on the mesh${urgent === 0 ? "" : `, ${urgent} urgent`}`
}
