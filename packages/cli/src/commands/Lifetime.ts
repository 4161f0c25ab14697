/** How long something is good, as a person writes it. */
import { Option } from "effect"
import { Flag } from "effect/unstable/cli"
import { wrongTime } from "../usage/WrongTime.ts"
import * as joiningWords from "../words/joining.ts"

const unitMillis: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }
const dayMillis = 86_400_000
const yearDays = 365

/** In milliseconds; none for what is no such time, or longer than that. */
export const parseLifetime = (text: string, longestDays = yearDays): Option.Option<number> => {
  const [, count = "", unit = ""] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? []
  const millis = Number(count) * (unitMillis[unit] ?? Number.NaN)
  return millis <= longestDays * dayMillis ? Option.some(millis) : Option.none()
}

export const lifetimeFlag = (name: string) => flagUpTo(name, yearDays, "a year")

/** How long a message waits at most at a broker whose operator set nothing, and as long as an operator can set. */
const brokerDays = 7
const brokerDaysMax = 30

/** No broker keeps a message for longer, and none says how long it does. */
export const messageLifetimeFlag = (name: string) =>
  flagUpTo(name, brokerDaysMax, joiningWords.daysTheLongestThatABrokerKeeps(brokerDaysMax))

/** What the sender has to know of such a time; nothing where every broker has it so. */
export const keptShorter = (ttlSeconds: number): string | undefined =>
  ttlSeconds * 1_000 > brokerDays * dayMillis ? joiningWords.theBrokerKeepsAMessageForDays(brokerDays) : undefined

const flagUpTo = (name: string, longestDays: number, longest: string) =>
  Flag.String(name).pipe(
    Flag.filterMap(
      (text) => parseLifetime(text, longestDays),
      (text) => wrongTime(text, { units: Object.keys(unitMillis), longest, examples: joiningWords.such30m12hOr7d }),
    ),
  )
