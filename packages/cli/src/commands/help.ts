/** `help`: the list of all commands, or one of them in full. The line is read as `--help` before this is called. */
import { Effect } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import * as runWords from "../words/running.ts"
import * as does from "../words/commands.ts"

export const help = Command.make(
  "help",
  {
    about: Argument.String("command").pipe(Argument.withDescription(runWords.theCommandToExplain), Argument.variadic()),
  },
  () => Effect.void,
).pipe(
  Command.withDescription(does.showHowACommandIsCalledWith),
  Command.withExamples([{ command: "claudemesh help send", description: runWords.theSameAsClaudemeshSendHelp }]),
)
