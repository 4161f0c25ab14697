/** When to look again: the one place that knows how a client learns of changes. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { Effect, Latch, Stream } from "effect"

/** Of what nobody tells: members that joined and are not connected, and how many messages wait. */
const lookEvery = "10 seconds"

/** For as long as the scope is open: an effect that waits until something may have changed since it was waited for last. */
export const awaitChange = Effect.fnUntraced(function* (client: BrokerClient) {
  const changed = Latch.makeUnsafe()
  yield* client.presence.pipe(
    Stream.runForEach(() => Effect.sync(() => changed.openUnsafe())),
    Effect.forkScoped,
  )
  return Effect.andThen(
    Effect.timeoutOption(changed.await, lookEvery),
    Effect.sync(() => changed.closeUnsafe()),
  )
})
