/** How long something is good, as a person writes it. */
import { Option } from "effect"
import { Flag } from "effect/unstable/cli"

const unitMillis: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }
const longestMillis = 365 * 86_400_000

/** In milliseconds; none for what is no such time, or more than a year. */
export const parseLifetime = (text: string): Option.Option<number> => {
  const [, count = "", unit = ""] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? []
  const millis = Number(count) * (unitMillis[unit] ?? Number.NaN)
  return millis <= longestMillis ? Option.some(millis) : Option.none()
}

export const lifetimeFlag = (name: string) =>
  Flag.String(name).pipe(
    Flag.filterMap(parseLifetime, (text) => `${text} is not a time of up to a year; write it like 30m, 12h or 7d`),
  )
