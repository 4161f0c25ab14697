/**
 * How long a command waits for a broker, and that its person is told what it waits for. A program that nobody watches says
 * nothing, and waits as long as it always does.
 */
import { Context, Effect } from "effect"
import { httpTimeoutMillis, waitNoticeMillis } from "../Limits.ts"

export const BrokerPatience = Context.Reference<{ readonly millis: number }>(
  "@claudemesh/client/connection/Patience/BrokerPatience",
  { defaultValue: () => ({ millis: httpTimeoutMillis }) },
)

export type Tell = (words: string) => Effect.Effect<void>

/** What tells the person; undefined where there is none. */
export const WaitNotice = Context.Reference<Tell | undefined>("@claudemesh/client/connection/Patience/WaitNotice", {
  defaultValue: () => undefined,
})

/** Whoever waits longer than a moment is told for what. */
export const noticed =
  (words: string) =>
  <A, E, R>(wait: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(WaitNotice, (tell) =>
      tell === undefined
        ? wait
        : Effect.raceFirst(
            wait,
            Effect.sleep(waitNoticeMillis).pipe(Effect.andThen(tell(words)), Effect.andThen(Effect.never)),
          ),
    )
