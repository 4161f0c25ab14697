/** `help`: the list of all commands, or one of them in full. The line is read as `--help` before this is called. */
import { Effect } from "effect"
import { Argument, Command } from "effect/unstable/cli"

export const help = Command.make(
  "help",
  {
    about: Argument.String("command").pipe(Argument.withDescription("The command to explain"), Argument.variadic()),
  },
  () => Effect.void,
).pipe(
  Command.withDescription("Show how a command is called, with examples"),
  Command.withExamples([{ command: "claudemesh help send", description: "The same as claudemesh send --help" }]),
)
