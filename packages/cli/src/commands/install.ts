/** `install`: this program into an agent's host, as a plugin, or in the host's settings. */
import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/unstable/cli"
import { failed, Misused } from "../Failed.ts"
import { hosts } from "../install/Hosts.ts"

export const settings = Flag.Literals("settings", ["user", "project"]).pipe(
  Flag.withDescription("Without a plugin: server and hooks in the settings of Claude Code, yours or this folder's"),
  Flag.optional,
)

export const host = Flag.Literals("for", hosts).pipe(
  Flag.withDescription("Another host than Claude Code"),
  Flag.optional,
)

export const dryRun = Flag.Boolean("dry-run").pipe(
  Flag.withDescription("Only show the difference"),
  Flag.withDefault(false),
)

export const bothGiven = new Misused({
  reason: "--settings is for Claude Code, and --for is for another host: give one of them",
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
  Command.withDescription("Connect Claude Code, or another host of agents, to your meshes"),
  Command.withExamples([
    { command: "claudemesh install", description: "As a plugin of Claude Code" },
    {
      command: "claudemesh install --settings user --dry-run",
      description: "Show what would be written without a plugin",
    },
  ]),
)
