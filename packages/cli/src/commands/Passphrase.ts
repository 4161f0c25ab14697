/** A passphrase, from `CLAUDEMESH_PASSPHRASE` or typed at the terminal; never an argument, which others can see. */
import { Config, Effect, Option, Redacted, Stdio } from "effect"
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
  const typed = yield* Prompt.Password({ message: twice ? "A passphrase for the file" : "The file's passphrase" })
  if (!twice) return typed
  const again = yield* Prompt.Password({ message: "The same again" })
  return Redacted.value(typed) === Redacted.value(again)
    ? typed
    : yield* new Failed({ reason: "the two passphrases differ; nothing was written" })
})
