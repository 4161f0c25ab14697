/** `broker` alone: runs the service in this process, as `npm start` does. Its settings are its environment. */
import { serve } from "@claudemesh/broker/serve"
import { Console, Effect } from "effect"
import { Failed } from "../Failed.ts"
import { command } from "../Launch.ts"

export const runBroker = serve(command).pipe(
  Effect.mapError((error) => new Failed({ reason: error.message })),
  // A service whose stdout is closed goes on: what it prints there is a greeting.
  Effect.provideService(Console.Console, console),
)
