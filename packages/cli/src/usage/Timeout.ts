/** `--timeout`: how long any command waits for a broker. */
import { BrokerPatience } from "@claudemesh/client/connection/Patience"
import { Config, Effect, Layer, Option } from "effect"
import { Flag, GlobalFlag } from "effect/unstable/cli"
import { wrongTime } from "./WrongTime.ts"
import * as lineWords from "../words/usage.ts"

const unitMillis: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 }
const longestMillis = 3_600_000
/** Longer than a hosted broker that sleeps takes to wake up. */
const usualMillis = 30_000

export const parseTimeout = (text: string): Option.Option<number> => {
  const [, count = "", unit = "s"] = /^(\d{1,7})(ms|s|m)?$/.exec(text) ?? []
  const millis = count === "" ? Number.NaN : Number(count) * (unitMillis[unit] ?? Number.NaN)
  return millis > 0 && millis <= longestMillis ? Option.some(millis) : Option.none()
}

const wrongTimeout = (text: string): string =>
  wrongTime(text, { units: Object.keys(unitMillis), longest: "an hour", examples: "5s or 2m" })

const variable = "CLAUDEMESH_TIMEOUT"
/** Which of the two said it: what is wrong with it names the one that is to be mended. */
const byVariable = `${variable}=`

export const Timeout = GlobalFlag.Setting("timeout")({
  flag: Flag.String("timeout").pipe(
    Flag.withDescription(lineWords.howLongToWaitForABroker2),
    Flag.withMetavar("<time>"),
    Flag.withFallbackConfig(Config.map(Config.String(variable), (text) => `${byVariable}${text}`)),
    Flag.filterMap(
      (given) => parseTimeout(given.replace(byVariable, "")),
      (given) =>
        given.startsWith(byVariable)
          ? `${variable}: ${wrongTimeout(given.slice(byVariable.length))}`
          : wrongTimeout(given),
    ),
    Flag.withDefault(usualMillis),
  ),
})

/** Where the line was not read, such as in a test, what is usual. */
export const patience = Layer.effect(
  BrokerPatience,
  Effect.map(Effect.serviceOption(Timeout), (given) => ({ millis: Option.getOrElse(given, () => usualMillis) })),
)
