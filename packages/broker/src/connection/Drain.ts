/**
 * The end of all connections, when the broker stops. They are not closed in one turn: their clients come back at once, and
 * whoever takes over would have all of their hellos to verify in the same moment. Until its turn comes a connection is
 * served as ever.
 */
import { Effect } from "effect"
import type { BrokerLimits } from "../Limits.ts"

/** A socket of which nothing more is to be read: its connection ends when it has handled what came. */
export interface Drained {
  readonly drain: () => void
}

/** Waits until all have `ended`, but no longer than a drain may take; half of that is for the turns. */
export const drainConnections = (
  sockets: ReadonlySet<Drained>,
  ended: Effect.Effect<void>,
  { drainBatchMillis, drainBatchSockets, drainTimeoutMillis }: BrokerLimits,
): Effect.Effect<void> => {
  const batchesMax = Math.max(1, Math.floor(drainTimeoutMillis / 2 / drainBatchMillis))
  const inTurns = Effect.gen(function* () {
    const all = [...sockets]
    const batch = Math.max(drainBatchSockets, Math.ceil(all.length / batchesMax))
    for (let from = 0; from < all.length; from += batch) {
      if (from > 0) yield* Effect.sleep(drainBatchMillis)
      for (const socket of all.slice(from, from + batch)) socket.drain()
    }
    yield* ended
  })
  return Effect.asVoid(Effect.timeoutOption(inTurns, drainTimeoutMillis))
}
