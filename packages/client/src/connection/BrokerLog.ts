/**
 * What a broker does unasked, in our log: cut, cleaned, and a few lines a minute, since it can do so without end. What was
 * left out is counted in the next line.
 */
import { Clock, Effect } from "effect"
import { brokerLogLinesMax, brokerLogMillis } from "../Limits.ts"
import { brokerWords } from "./BrokerWords.ts"

export type BrokerLog = (
  what: string,
  /** In its own words. */
  said?: Readonly<Record<string, string>>,
) => Effect.Effect<void>

export const makeBrokerLog = (slug: string): BrokerLog => {
  let sinceMillis = Number.NEGATIVE_INFINITY
  let lines = 0
  let leftOut = 0
  return (what, said = {}) =>
    Effect.flatMap(Clock.currentTimeMillis, (nowMillis) => {
      if (nowMillis - sinceMillis >= brokerLogMillis) {
        sinceMillis = nowMillis
        lines = 0
      }
      if (lines >= brokerLogLinesMax) {
        leftOut += 1
        return Effect.void
      }
      lines += 1
      const words = Object.entries(said).map(([name, text]) => [name, brokerWords(text)] as const)
      const counted = leftOut === 0 ? {} : { leftOut }
      leftOut = 0
      return Effect.logWarning(what, { slug, ...Object.fromEntries(words), ...counted })
    })
}
