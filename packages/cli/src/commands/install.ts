/** `install`: this program into an agent's host, as a plugin, or in the host's settings. */
import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/unstable/cli"
import { failed, Misused } from "../Failed.ts"
import { hosts } from "../install/Hosts.ts"
import * as runWords from "../words/running.ts"
import * as does from "../words/commands.ts"

export const settings = Flag.Literals("settings", ["user", "project"]).pipe(
  Flag.withDescription(runWords.withoutAPluginServerAndHooksIn),
  Flag.optional,
)

export const host = Flag.Literals("for", hosts).pipe(
  Flag.withDescription(runWords.anotherHostThanClaudeCode),
  Flag.optional,
)

export const dryRun = Flag.Boolean("dry-run").pipe(
  Flag.withDescription(runWords.onlyShowTheDifference),
  Flag.withDefault(false),
)

export const bothGiven = new Misused({
  reason: runWords.settingsIsForClaudeCodeAndFor,
})

export const install = Command.make(
  "install",
  { settings, host, dryRun },
  Effect.fn(function* ({ dryRun, host, settings }) {
    if (Option.isSome(host) && Option.isSome(settings)) return yield* bothGiven
    // Not loaded for other commands, which are to start quickly.
    const { theMachine } = yield* Effect.promise(() => import("../install/Machine.ts"))
    const machine = yield* theMachine
    const { installFor } = yield* Effect.promise(() => import("../install/OtherHosts.ts"))
    const { installSettings } = yield* Effect.promise(() => import("../install/ClaudeSettings.ts"))
    const { installPlugin } = yield* Effect.promise(() => import("../install/ClaudePlugin.ts"))
    const lines = yield* Option.isSome(host)
      ? installFor(machine, host.value, dryRun)
      : Option.isSome(settings)
        ? installSettings(machine, settings.value, dryRun)
        : installPlugin(machine, dryRun)
    yield* Console.log(lines.join("\n"))
  }, Effect.mapError(failed)),
).pipe(
  Command.withDescription(does.connectClaudeCodeOrAnotherHostOf),
  Command.withExamples([
    { command: "claudemesh install", description: runWords.asAPluginOfClaudeCode },
    {
      command: "claudemesh install --settings user --dry-run",
      description: runWords.showWhatWouldBeWrittenWithoutA,
    },
  ]),
)
