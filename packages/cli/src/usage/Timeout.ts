/** `--timeout`: how long any command waits for a broker. */
import { BrokerPatience } from "@claudemesh/client/connection/Patience"
import { Config, Effect, Layer, Option } from "effect"
import { Flag, GlobalFlag } from "effect/unstable/cli"

const unitMillis: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 }
const longestMillis = 3_600_000
/** Longer than a hosted broker that sleeps takes to wake up. */
const usualMillis = 30_000

export const parseTimeout = (text: string): Option.Option<number> => {
  const [, count = "", unit = "s"] = /^(\d{1,7})(ms|s|m)?$/.exec(text) ?? []
  const millis = count === "" ? Number.NaN : Number(count) * (unitMillis[unit] ?? Number.NaN)
  return millis > 0 && millis <= longestMillis ? Option.some(millis) : Option.none()
}

export const Timeout = GlobalFlag.Setting("timeout")({
  flag: Flag.String("timeout").pipe(
    Flag.withDescription("How long to wait for a broker that does not answer: 5s, 2m (default 30s)"),
    Flag.withMetavar("<time>"),
    Flag.withFallbackConfig(Config.String("CLAUDEMESH_TIMEOUT")),
    Flag.filterMap(parseTimeout, (text) => `${text} is not a time of up to an hour; write it like 5s or 2m`),
    Flag.withDefault(usualMillis),
  ),
})

/** Where the line was not read, such as in a test, what is usual. */
export const patience = Layer.effect(
  BrokerPatience,
  Effect.map(Effect.serviceOption(Timeout), (given) => ({ millis: Option.getOrElse(given, () => usualMillis) })),
)
