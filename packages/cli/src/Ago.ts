/** Times as a person reads them: how long ago it was, or when on the clock of this machine. Scripts get ISO times instead. */

import { isoFromMillis } from "@claudemesh/domain/IsoTime"

const minute = 60_000
const hour = 60 * minute

const local = (options: Intl.DateTimeFormatOptions) => {
  // Made when it is needed: where the time zone is said by the environment, that is read then.
  let format: Intl.DateTimeFormat | undefined
  return (millis: number): string => (format ??= new Intl.DateTimeFormat("en-GB", options)).format(millis)
}

const clock = local({ hour: "2-digit", minute: "2-digit" })
const day = local({ day: "numeric", month: "short" })
const dayAndYear = local({ day: "numeric", month: "short", year: "numeric" })
const year = local({ year: "numeric" })

const dateOf = (millis: number, nowMillis: number): string =>
  year(millis) === year(nowMillis) ? day(millis) : dayAndYear(millis)

/** "2 min ago"; farther back by the local clock. */
export const ago = (iso: string, nowMillis: number): string => {
  const millis = Date.parse(iso)
  const passed = nowMillis - millis
  // Another machine's clock may be ahead of ours by a little.
  if (passed < -minute) return onClock(iso, nowMillis)
  if (passed < 45_000) return "just now"
  if (passed < hour) return `${Math.max(1, Math.round(passed / minute))} min ago`
  if (passed < 24 * hour && dateOf(millis, nowMillis) === dateOf(nowMillis, nowMillis)) {
    return `${Math.floor(passed / hour)} h ago`
  }
  return onClock(iso, nowMillis)
}

/** When on the local clock: with its day where that is not today. */
export const onClock = (iso: string, nowMillis: number): string => {
  const millis = Date.parse(iso)
  const date = dateOf(millis, nowMillis)
  return date === dateOf(nowMillis, nowMillis) ? clock(millis) : `${date} ${clock(millis)}`
}

/** A minute that has begun counts, so that nothing is over before it is said to be. */
const minuteAfter = (iso: string): number => Math.ceil(Date.parse(iso) / minute) * minute

/** Until when, on the local clock. */
export const untilClock = (iso: string, nowMillis: number): string => {
  const millis = minuteAfter(iso)
  const date = dateOf(millis, nowMillis)
  return date === dateOf(nowMillis, nowMillis) ? clock(millis) : `${date} ${clock(millis)}`
}

/** Until when, for a reader who may be anywhere. */
export const wholeMinute = (iso: string): string => `${isoFromMillis(minuteAfter(iso)).slice(0, 16)}Z`
