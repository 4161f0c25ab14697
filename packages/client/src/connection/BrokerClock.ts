/**
 * How far this machine's clock is from its broker's. Messages carry the sender's time, sealed, and the receiver compares it with
 * the time at which the broker took them: from a clock that is far off a message would arrive and not be readable. Which of the
 * two clocks is wrong cannot be known here, so what it means is said, and nothing is corrected in secret.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import { Schema } from "effect"
import { clockSetMillis, clockSkewNoticeMillis, clockSkewRefusedMillis } from "../Limits.ts"

export class BrokerClock {
  #skewMillis: number | undefined
  /** The time of this machine when it was learnt, less how long the machine has been running. */
  #offsetMillis = 0

  /** `asked` and `answered`: when this machine asked and had the answer, by its own clock. The broker said it half way. */
  learn(brokerMillis: number, asked: number, answered: number, runningNanos: bigint): void {
    this.#skewMillis = Math.round((asked + answered) / 2 - brokerMillis)
    this.#offsetMillis = answered - millisOf(runningNanos)
  }

  /** What was learnt may not hold any more: this machine's clock was set, or it slept. */
  wasSet(nowMillis: number, runningNanos: bigint): boolean {
    if (this.#skewMillis === undefined) return false
    return Math.abs(nowMillis - millisOf(runningNanos) - this.#offsetMillis) > clockSetMillis
  }

  /** Above 0: this machine's clock is ahead. Undefined before the first connection. */
  get skewMillis(): number | undefined {
    return this.#skewMillis
  }

  /** What the broker's clock shows when ours shows this. */
  brokerMillis(ownMillis: number): number {
    return ownMillis - (this.#skewMillis ?? 0)
  }

  get isRefused(): boolean {
    return Math.abs(this.#skewMillis ?? 0) > clockSkewRefusedMillis
  }
}

const millisOf = (nanos: bigint): number => Number(nanos / 1_000_000n)

/** Nothing was sealed or sent: it would have been delivered, and not been readable. */
export class ClockOff extends Schema.TaggedError<ClockOff>()("ClockOff", { skewMillis: Schema.Finite }) {
  get what() {
    return `${clockWords(this.skewMillis)} Nothing was sent.`
  }
  get hint() {
    return "Set the clock, then send again."
  }
  override get message() {
    return withHint(this)
  }
}

/** What everybody is told whose clock is off by so much. */
export const clockNotice = (skewMillis: number | undefined): string | undefined =>
  skewMillis === undefined || Math.abs(skewMillis) <= clockSkewNoticeMillis ? undefined : clockWords(skewMillis)

export const clockWords = (skewMillis: number): string =>
  `This machine's clock is ${durationWords(Math.abs(skewMillis))} ${skewMillis > 0 ? "ahead of" : "behind"} the broker's.`

const units = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
] as const

/** The largest unit of which there are two, rounded. */
const durationWords = (millis: number): string => {
  const [unit, length] = units.find(([, length]) => millis >= 2 * length) ?? units[2]
  const count = Math.max(1, Math.round(millis / length))
  return count === 1 ? `1 ${unit}` : `${count} ${unit}s`
}
