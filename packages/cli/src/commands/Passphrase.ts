/** A passphrase, from `CLAUDEMESH_PASSPHRASE` or typed at the terminal; never an argument, which others can see. */
import { PassphraseTooShort } from "@claudemesh/client/keys/IdentityExport"
import { passphraseCharactersMin } from "@claudemesh/client/Limits"
import { Config, Effect, Option, Redacted } from "effect"
import { Prompt } from "effect/unstable/cli"
import { Failed } from "../Failed.ts"
import { asked, canAsk } from "./Ask.ts"
import * as identityWords from "../words/identity.ts"

const variable = "CLAUDEMESH_PASSPHRASE"

/** `twice`: it is a new one, and a slip of the finger would lock its owner out. */
export const passphrase = Effect.fnUntraced(function* (twice: boolean) {
  const given = yield* Effect.orDie(Config.option(Config.Redacted(variable)))
  if (Option.isSome(given)) return given.value
  if (!(yield* canAsk)) {
    return yield* new Failed({
      reason: identityWords.aPassphraseIsNeeded,
      code: "no_passphrase",
      hint: identityWords.runThisInATerminalOrSet(variable),
    })
  }
  if (!twice) return yield* typed("The file's passphrase")
  const first = yield* typed(identityWords.aPassphraseForTheFile, longEnough)
  const again = yield* typed("The same again")
  return Redacted.value(first) === Redacted.value(again)
    ? first
    : yield* new Failed({ reason: identityWords.theTwoPassphrasesDifferNothingWasWritten })
})

const longEnough = (text: string) =>
  Array.from(text).length < passphraseCharactersMin
    ? Effect.fail(new PassphraseTooShort().message)
    : Effect.succeed(text)

const typed = (message: string, validate?: (text: string) => Effect.Effect<string, string>) =>
  asked(Prompt.Password({ message, ...(validate !== undefined && { validate }) }))
