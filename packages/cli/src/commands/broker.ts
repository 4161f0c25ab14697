/** `broker`: runs the service in this process, as `npm start` does. Its settings are its environment. */
import { Console, Effect } from "effect"
import { Command } from "effect/unstable/cli"
import { Failed } from "../Failed.ts"
import { command } from "../Launch.ts"
import * as does from "../words/commands.ts"
import * as runWords from "../words/running.ts"

export const broker = Command.make(
  "broker",
  {},
  Effect.fn(function* () {
    const { serve } = yield* Effect.promise(() => import("@claudemesh/broker/serve"))
    return yield* serve(command).pipe(
      Effect.mapError((error) => new Failed({ reason: error.message })),
      // A service whose stdout is closed goes on: what it prints there is a greeting.
      Effect.provideService(Console.Console, console),
    )
  }),
).pipe(
  Command.withDescription(does.runTheBrokerItsSettingsAreEnvironment),
  Command.withExamples([
    { command: "claudemesh broker", description: runWords.on1270017900With },
    { command: "BROKER_PORT=8080 claudemesh broker", description: "On another port" },
  ]),
)
