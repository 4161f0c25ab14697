/** Staying with the meshes: what comes is shown, and stderr says when a connection is lost, back, or over. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { ClientStopped, type ConnectionState } from "@claudemesh/client/connection/ConnectionState"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Effect, Stream, SubscriptionRef } from "effect"
import { failed } from "../Failed.ts"
import { aside, printable } from "../Output.ts"

/** Until every mesh is over, which is a failure. `showAll` shows what can be had now. */
export const followed = <E, R>(manager: MeshManager, showAll: Effect.Effect<number, E, R>) =>
  Effect.raceFirst(
    Effect.forever(Effect.andThen(Effect.tap(showAll, idle), manager.awaitAvailable)),
    Effect.flatMap(
      Effect.forEach(manager.all, watched, { concurrency: "unbounded" }),
      ([first]) => first ?? Effect.never,
    ),
  )

/** What waits and may not be shown yet, such as until the clock is right, is not looked at all the time. */
const idle = (shown: number) => (shown === 0 ? Effect.sleep("500 millis") : Effect.void)

/** Says what becomes of the connection; ends with what it is over by. */
const watched = Effect.fnUntraced(function* (client: BrokerClient) {
  const { slug } = client.membership
  const say = (text: string) => aside(printable(`claudemesh: ${slug}: ${text}`))
  let before: ConnectionState["_tag"] | "Lost" = "Connecting"
  const over = yield* SubscriptionRef.changes(client.states).pipe(
    Stream.filterEffect((state) =>
      Effect.gen(function* () {
        if (state._tag === "Waiting" && before !== "Lost") {
          yield* say(
            `${before === "Connected" ? "The connection is lost" : "Not connected"}: ${state.lastError}. It is tried again.`,
          )
        }
        if (state._tag === "Connected") {
          if (before === "Lost") yield* say("Connected again.")
          // What is held back for others, or was pushed to another session, is asked for as well.
          yield* Effect.forkChild(Effect.ignore(client.pull()))
        }
        if (state._tag === "Waiting") before = "Lost"
        else if (state._tag !== "Connecting") before = state._tag
        return state._tag === "Stopped"
      }),
    ),
    Stream.runHead,
  )
  const stopped = over._tag === "Some" && over.value._tag === "Stopped" ? over.value : undefined
  const error = failed(new ClientStopped({ reason: stopped?.reason ?? "ended", code: stopped?.code }))
  yield* say(error.reason)
  return error
})
