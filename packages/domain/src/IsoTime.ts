/** Times on the wire: ISO-8601 in UTC with milliseconds. Inside, times are milliseconds since the epoch. */
import { DateTime, Schema } from "effect"

/** Every match is a number to `Date.parse`: month 13 would be `NaN`, which is neither before nor after any time. */
const utc = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/

export const IsoTime = Schema.String.check(
  Schema.isPattern(utc, { expected: "a time such as 2026-11-24T07:59:58.670Z" }),
).pipe(Schema.brand("IsoTime"))
export type IsoTime = typeof IsoTime.Type

let lastMillis = Number.NaN
let lastIso: IsoTime | undefined

/** What is said in one millisecond has one time, and making it anew costs as much as all else of a push. */
export const isoFromMillis = (millis: number): IsoTime => {
  if (lastIso !== undefined && millis === lastMillis) return lastIso
  const iso = IsoTime.make(DateTime.formatIso(DateTime.makeUnsafe(millis)))
  lastMillis = millis
  lastIso = iso
  return iso
}

/** For people of several time zones: the same for all of them. */
export const minuteOf = (iso: string): string => `${iso.slice(0, 16).replace("T", " ")} UTC`
