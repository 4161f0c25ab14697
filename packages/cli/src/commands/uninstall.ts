/** `uninstall`: out of the hosts again, with their files as they were found. Keys and messages stay. */
import { Console, Effect, Option } from "effect"
import { Command } from "effect/unstable/cli"
import { failed } from "../Failed.ts"
import { bothGiven, dryRun, host, settings } from "./install.ts"
import * as does from "../words/commands.ts"
import * as runWords from "../words/running.ts"

export const uninstall = Command.make(
  "uninstall",
  { settings, host, dryRun },
  Effect.fn(function* ({ dryRun, host, settings }) {
    if (Option.isSome(host) && Option.isSome(settings)) return yield* bothGiven
    // Not loaded for other commands, which are to start quickly.
    const { theMachine } = yield* Effect.promise(() => import("../install/Machine.ts"))
    const machine = yield* theMachine
    const { uninstallAll, uninstallSome } = yield* Effect.promise(() => import("../install/Uninstall.ts"))
    const some = Option.orElse(settings, () => host)
    const lines = yield* Option.isSome(some)
      ? uninstallSome(machine, some.value, dryRun)
      : uninstallAll(machine, dryRun)
    yield* Console.log(lines.join("\n"))
  }, Effect.mapError(failed)),
).pipe(
  Command.withDescription(does.removeWhatInstallHasPutIntoAgents),
  Command.withExamples([{ command: "claudemesh uninstall --dry-run", description: runWords.showWhatWouldBeRemoved }]),
)
