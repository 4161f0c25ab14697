/** Wakes an actor at the time that its state asks for. One fiber sleeps at most, and it ends with the scope. */
import { Effect, Exit, FiberHandle } from "effect"

export const makeAlarm = Effect.fnUntraced(function* (ring: () => void) {
  const sleep = yield* FiberHandle.makeRuntime<never>()
  let setForMillis: number | undefined
  return {
    /** An alarm that is set for an earlier time stays: whoever is woken looks when to be woken next. */
    arm: (wakeAtMillis: number | undefined, nowMillis: number): void => {
      if (wakeAtMillis === undefined || (setForMillis !== undefined && setForMillis <= wakeAtMillis)) return
      setForMillis = wakeAtMillis
      // Whoever is woken may set it again, which is no business of a fiber that has still to end.
      sleep(Effect.sleep(Math.max(0, wakeAtMillis - nowMillis))).addObserver((exit) => {
        if (Exit.isFailure(exit)) return
        setForMillis = undefined
        ring()
      })
    },
  }
})
