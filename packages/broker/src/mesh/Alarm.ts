/** Wakes an actor at the time that its state asks for. One fiber sleeps at most, and it ends with the scope. */
import { Effect, FiberHandle } from "effect"

export const makeAlarm = Effect.fnUntraced(function* (ring: () => void) {
  const sleeper = yield* FiberHandle.make<void>()
  let setForMillis: number | undefined
  return {
    /** An alarm that is set for an earlier time stays: whoever is woken looks when to be woken next. */
    arm: (wakeAtMillis: number | undefined, nowMillis: number): Effect.Effect<unknown> =>
      Effect.suspend(() => {
        if (wakeAtMillis === undefined || (setForMillis !== undefined && setForMillis <= wakeAtMillis)) {
          return Effect.void
        }
        setForMillis = wakeAtMillis
        const sleep = Effect.sleep(Math.max(0, wakeAtMillis - nowMillis)).pipe(
          Effect.map(() => {
            setForMillis = undefined
            ring()
          }),
        )
        return FiberHandle.run(sleeper, sleep)
      }),
  }
})
