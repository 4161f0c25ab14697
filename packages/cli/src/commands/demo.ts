/** `demo`: the whole thing on this machine in a few seconds, and what the broker has seen of it. */
import { Effect } from "effect"
import { Command } from "effect/unstable/cli"
import { Failed } from "../Failed.ts"
import * as does from "../words/commands.ts"
import * as runWords from "../words/running.ts"

export const demo = Command.make(
  "demo",
  {},
  Effect.fn(function* () {
    const { runDemo } = yield* Effect.promise(() => import("../demo/Demo.ts"))
    return yield* Effect.mapError(runDemo, (error) => new Failed({ reason: error.message }))
  }),
).pipe(
  Command.withDescription(does.showTwoPeersExchangingAMessageThrough),
  Command.withExamples([{ command: "claudemesh demo", description: runWords.needsNothingLeavesNothingBehind }]),
)
