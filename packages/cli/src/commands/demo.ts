/** `demo`: the whole thing on this machine in a few seconds, and what the broker has seen of it. */
import { Effect } from "effect"
import { Command } from "effect/unstable/cli"
import { Failed } from "../Failed.ts"

export const demo = Command.make(
  "demo",
  {},
  Effect.fn(function* () {
    const { runDemo } = yield* Effect.promise(() => import("../demo/Demo.ts"))
    return yield* Effect.mapError(runDemo, (error) => new Failed({ reason: error.message }))
  }),
).pipe(
  Command.withDescription("Show two peers exchanging a message through a broker of their own, then what it stored"),
  Command.withExamples([{ command: "claudemesh demo", description: "Needs nothing, leaves nothing behind" }]),
)
