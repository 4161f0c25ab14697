/**
 * Messages that must not go out any more. The sender's time is sealed in: one that waited for a day is not sent without its sender,
 * and one that was sealed by a clock far ahead would arrive and not be readable.
 */
import { type BrokerClock, clockWords } from "../connection/BrokerClock.ts"
import { clockSkewRefusedMillis, outboxMillis } from "../Limits.ts"
import { type OutboxEntry, SendRefused } from "./OutboxEntry.ts"

const hours = outboxMillis / (60 * 60_000)

export const tooLate =
  (clock: BrokerClock) =>
  (
    { frame, sealedAtMillis }: Pick<OutboxEntry, "frame" | "sealedAtMillis">,
    nowMillis: number,
  ): SendRefused | undefined => {
    const brokerMillis = clock.brokerMillis(nowMillis)
    const aheadMillis = sealedAtMillis - brokerMillis
    if (clock.skewMillis !== undefined && aheadMillis > clockSkewRefusedMillis) {
      return new SendRefused({
        code: "clock",
        explanation: `${clockWords(aheadMillis)} It was sealed with that time and could not be read. Set the clock, then send it again.`,
        candidates: [],
      })
    }
    if (frame.ttlSeconds !== undefined && nowMillis - sealedAtMillis > frame.ttlSeconds * 1_000) {
      return new SendRefused({
        code: "expired",
        explanation: "It could not be sent within the time that it was to wait for. Send it again if it still matters.",
        candidates: [],
      })
    }
    // By whichever clock it is older: no copy may be shown later than a day and what the broker holds it.
    if (Math.max(nowMillis, brokerMillis) - sealedAtMillis <= outboxMillis) return undefined
    return new SendRefused({
      code: "expired",
      explanation: `It waited here for ${hours} hours, and the broker was not reached. Send it again if it still matters.`,
      candidates: [],
    })
  }
