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

/** What is told of a connection. */
export interface Told {
  readonly lost: (text: string) => Effect.Effect<void>
  /** At every connection; with words where it was said to be lost. */
  readonly back: (text: string | undefined) => Effect.Effect<void>
}

const watched = (client: BrokerClient) => {
  const say = (text: string) => aside(printable(`claudemesh: ${client.membership.slug}: ${text}`))
  return saidOfConnection(client, {
    lost: say,
    // What is held back for others, or was pushed to another session, is asked for as well.
    back: (text) =>
      Effect.andThen(text === undefined ? Effect.void : say(text), Effect.forkChild(Effect.ignore(client.pull()))),
  })
}

/** Says what becomes of the connection; ends with what it is over by. */
export const saidOfConnection = Effect.fnUntraced(function* (client: BrokerClient, { back, lost }: Told) {
  let before: ConnectionState["_tag"] | "Lost" = "Connecting"
  const over = yield* SubscriptionRef.changes(client.states).pipe(
    Stream.filterEffect((state) =>
      Effect.gen(function* () {
        if (state._tag === "Waiting" && before !== "Lost") {
          const what = before === "Connected" ? "The connection is lost" : "Not connected"
          yield* lost(`${what}: ${state.lastError}. It is tried again.`)
        }
        if (state._tag === "Connected") yield* back(before === "Lost" ? "Connected again." : undefined)
        if (state._tag === "Waiting") before = "Lost"
        else if (state._tag !== "Connecting") before = state._tag
        return state._tag === "Stopped"
      }),
    ),
    Stream.runHead,
  )
  const stopped = over._tag === "Some" && over.value._tag === "Stopped" ? over.value : undefined
  const error = failed(new ClientStopped({ reason: stopped?.reason ?? "ended", code: stopped?.code }))
  yield* lost(error.reason)
  return error
})
