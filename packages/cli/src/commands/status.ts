/** `status`: for each joined mesh, whether its broker is reached, what waits, and one's own sessions there. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { Console, Effect, Option } from "effect"
import { Command } from "effect/unstable/cli"
import { Failed, failed } from "../Failed.ts"
import { chosenMeshes, clientLayer, connect } from "../Meshes.ts"
import { green, printJson, table, yellow } from "../Output.ts"
import * as Flags from "./Flags.ts"

const connectWaitMillis = 5_000

export const status = Command.make(
  "status",
  { mesh: Flags.mesh, json: Flags.json },
  Effect.fn(
    function* ({ json, mesh }) {
      const { all } = yield* connect(yield* chosenMeshes(mesh), "command")
      const results = yield* Effect.forEach(all, statusOf, { concurrency: "unbounded" })
      const rows = results.map(({ failure: _failure, ...row }) => row)
      yield* json
        ? printJson(rows)
        : Console.log(
            table(
              ["MESH", "BROKER", "WAITING", "YOUR SESSIONS"],
              rows.map(({ connected, mesh, problem, sessions, waiting }) => [
                mesh,
                connected ? green("connected") : yellow(problem ?? "not connected"),
                String(waiting ?? "-"),
                sessions
                  .map(({ attached, sessionId, status }) => `${attached ? status : "away"} ${sessionId}`)
                  .join(", ") || "-",
              ]),
            ),
          )
      const away = results.flatMap(({ failure, mesh }) => (failure === undefined ? [] : [`${mesh}: ${failure.reason}`]))
      if (away.length > 0) return yield* new Failed({ reason: away.join("; ") })
    },
    Effect.scoped,
    Effect.provide(clientLayer),
  ),
).pipe(
  Command.withDescription("Show whether your meshes are reached, and what waits for you"),
  Command.withExamples([
    { command: "claudemesh status --json", description: "For a script; exit code 1 if one is away" },
  ]),
)

const statusOf = (client: BrokerClient) => {
  const { displayName, pubkey, slug } = client.membership
  return client.awaitConnected(connectWaitMillis).pipe(
    Effect.andThen(Effect.all([client.pull(), client.peers], { concurrency: 2 })),
    Effect.map(([{ remaining: waiting }, peers]) => ({
      mesh: slug,
      displayName,
      connected: true,
      problem: Option.getOrNull(Option.none<string>()),
      waiting: Option.getOrNull(Option.some(waiting)),
      sessions: peers
        .filter((peer) => peer.pubkey === pubkey)
        // Not attached: cut off, and expected back.
        .map(({ attached, sessionId, status }) => ({ sessionId, attached, status })),
      failure: Option.getOrUndefined(Option.none<Failed>()),
    })),
    Effect.catch((error) =>
      Effect.succeed({
        mesh: slug,
        displayName,
        connected: false,
        problem: error.message,
        waiting: null,
        sessions: [],
        failure: failed(error),
      }),
    ),
  )
}
