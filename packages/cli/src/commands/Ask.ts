/** Questions to the person at the terminal. They go to stderr: stdout is for data alone, and may be a file. */
import { withoutColours } from "@claudemesh/domain/Colours"
import { Effect, Stdio, Terminal } from "effect"
import { Prompt } from "effect/unstable/cli"
import { colouredStderr } from "../Coloured.ts"

/** Whether somebody is there to answer. */
export const canAsk = Effect.flatMap(Stdio.Stdio, ({ stdinIsTerminal }) => stdinIsTerminal)

export const asked = <A>(prompt: Prompt.Prompt<A>) =>
  Prompt.run(prompt).pipe(
    Effect.updateService(Terminal.Terminal, (terminal) => ({
      ...terminal,
      display: (text: string) =>
        Effect.sync(() => void process.stderr.write(colouredStderr ? text : withoutColours(text))),
    })),
    Effect.catchTag("QuitError", () => Effect.interrupt),
  )

export const confirmed = (message: string) => asked(Prompt.Confirm({ message, initial: false }))
