/** A passphrase, from `CLAUDEMESH_PASSPHRASE` or typed at the terminal; never an argument, which others can see. */
import { PassphraseTooShort } from "@claudemesh/client/keys/IdentityExport"
import { passphraseCharactersMin } from "@claudemesh/client/Limits"
import { Config, Effect, Option, Redacted, Stdio, Terminal } from "effect"
import { Prompt } from "effect/unstable/cli"
import { Failed } from "../Failed.ts"

const variable = "CLAUDEMESH_PASSPHRASE"

/** `twice`: it is a new one, and a slip of the finger would lock its owner out. */
export const passphrase = Effect.fnUntraced(function* (twice: boolean) {
  const given = yield* Effect.orDie(Config.option(Config.Redacted(variable)))
  if (Option.isSome(given)) return given.value
  if (!(yield* (yield* Stdio.Stdio).stdinIsTerminal)) {
    return yield* new Failed({ reason: `a passphrase is needed: run this in a terminal, or set ${variable}` })
  }
  if (!twice) return yield* asked("The file's passphrase")
  const typed = yield* asked("A passphrase for the file", longEnough)
  const again = yield* asked("The same again")
  return Redacted.value(typed) === Redacted.value(again)
    ? typed
    : yield* new Failed({ reason: "the two passphrases differ; nothing was written" })
})

const longEnough = (text: string) =>
  Array.from(text).length < passphraseCharactersMin
    ? Effect.fail(new PassphraseTooShort().message)
    : Effect.succeed(text)

/** On stderr: stdout is for data alone, and may be a file. */
const asked = (message: string, validate?: (text: string) => Effect.Effect<string, string>) =>
  Prompt.Password({ message, ...(validate !== undefined && { validate }) }).pipe(
    Effect.updateService(Terminal.Terminal, (terminal) => ({
      ...terminal,
      display: (text: string) => Effect.sync(() => void process.stderr.write(text)),
    })),
    Effect.catchTag("QuitError", () => Effect.interrupt),
  )
