/**
 * How long to wait before the next try, as schedules: what both ends do after a failure. A delay grows by doubling, is spread
 * by a fifth either way so that those who failed together do not try together, and is never longer than its bound.
 */
import { Clock, Duration, Effect, Schedule } from "effect"

/** `Schedule.jittered` multiplies a delay by a number from 1 minus this to 1 plus this. */
const spread = 0.2

/** The longest delay before it is spread, so that the bound holds after that. */
const longest = (maxMillis: number): Duration.Duration => Duration.millis(maxMillis / (1 + spread))

/** In whole milliseconds, as clocks count. */
const spreadOut = <Output>(schedule: Schedule.Schedule<Output>): Schedule.Schedule<Output> =>
  Schedule.modifyDelay(Schedule.jittered(schedule), ({ duration }) =>
    Effect.succeed(Duration.millis(Math.round(Duration.toMillis(duration)))),
  )

/** `firstMillis`, doubling, spread, and at most `maxMillis`. */
export const backOff = (firstMillis: number, maxMillis: number): Schedule.Schedule<Duration.Duration> =>
  spreadOut(Schedule.min([Schedule.exponential(firstMillis), Schedule.spaced(longest(maxMillis))]))

/** The longest delays of that schedule, from the first one on. */
export const longDelays = (maxMillis: number): Schedule.Schedule<number> =>
  spreadOut(Schedule.spaced(longest(maxMillis)))

/** Begins again once what is tried has gone well for so long: the time between a delay's end and the next failure. */
export const resetAfter =
  (stableMillis: number) =>
  <Output, Input, Error, Env>(
    schedule: Schedule.Schedule<Output, Input, Error, Env>,
  ): Schedule.Schedule<Output, Input, Error, Env> =>
    Schedule.fromStep(
      Effect.map(Effect.context<Env>(), (context) => {
        const begin = Effect.provide(Schedule.toStep(schedule), context)
        let step: Effect.Success<typeof begin> | undefined
        let triedAtMillis = 0
        return Effect.fnUntraced(function* (nowMillis: number, input: Input) {
          if (step === undefined || nowMillis - triedAtMillis >= stableMillis) step = yield* begin
          const [output, delay] = yield* step(nowMillis, input)
          triedAtMillis = nowMillis + Duration.toMillis(delay)
          return [output, delay] satisfies [Output, Duration.Duration]
        })
      }),
    )

/** A schedule that never ends, for a loop which does more than sleep between two tries: gives the next delay in milliseconds. */
export const delaysOf = <Output, Input>(
  schedule: Schedule.Schedule<Output, Input>,
): Effect.Effect<(input: Input) => Effect.Effect<number>> =>
  Effect.map(Schedule.toStep(schedule), (step) =>
    Effect.fnUntraced(function* (input: Input) {
      const [, delay] = yield* Effect.orDie(step(yield* Clock.currentTimeMillis, input))
      return Duration.toMillis(delay)
    }),
  )
