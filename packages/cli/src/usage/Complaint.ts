/**
 * What goes to stderr where a command fails: one line for a person, three where it was called wrongly, and with `--json` one
 * object with `code`, `message` and `hint`, for scripts.
 */
import { ended } from "@claudemesh/domain/WithHint"
import { Cause, Effect, Option } from "effect"
import { CliError, type HelpDoc } from "effect/unstable/cli"
import { Failed, failed, Misused } from "../Failed.ts"
import { command } from "../Launch.ts"
import { aside, printable } from "../Output.ts"
import { usageOf } from "./HelpText.ts"
import { firstWrong, usageWords } from "./UsageError.ts"
import * as lineWords from "../words/usage.ts"

/** What the line asked for, as far as a failure's words depend on it. */
export interface Asked {
  readonly json: boolean
  /** The help of the command that was called. */
  readonly help: Effect.Effect<HelpDoc.HelpDoc | undefined>
}

const oneLine = (text: string): string => printable(text.replaceAll(/\s*\n\s*/g, " "))

const object = (code: string, message: string, hint: string | undefined): string =>
  JSON.stringify({
    code,
    message: oneLine(hint === undefined ? message : ended(message)),
    hint: hint === undefined ? null : oneLine(hint),
  })

/** Wrong use is exit code 2, and anything else that is said here is 1. */
export const isMisuse = (cause: Cause.Cause<unknown>): boolean =>
  Option.exists(Cause.findErrorOption(cause), (error) =>
    CliError.isCliError(error) ? error._tag !== "ShowHelp" || error.errors.length > 0 : error instanceof Misused,
  )

export const showsHelp = (cause: Cause.Cause<unknown>): boolean =>
  Option.exists(Cause.findErrorOption(cause), (error) => CliError.isCliError(error) && error._tag === "ShowHelp")

/** Nothing fails without a word. */
export const complain =
  (asked: Asked) =>
  (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
    Option.match(Cause.findErrorOption(cause), {
      onSome: (error) => {
        if (CliError.isCliError(error)) {
          const errors = error._tag === "ShowHelp" ? error.errors : [error]
          const first = firstWrong(errors)
          return first === undefined ? Effect.void : wrongUse(asked, (doc) => usageWords(first, doc))
        }
        if (error instanceof Misused) return wrongUse(asked, () => error.message)
        if (error instanceof Failed) return say(asked, error)
        return isTyped(error) ? say(asked, failed(error)) : defect(asked, error)
      },
      onNone: () => (Cause.hasInterruptsOnly(cause) ? Effect.void : defect(asked, Cause.squash(cause))),
    })

const isTyped = (error: unknown): error is { readonly _tag: string; readonly message: string } =>
  typeof error === "object" &&
  error !== null &&
  "_tag" in error &&
  typeof error._tag === "string" &&
  "message" in error &&
  typeof error.message === "string"

const say = ({ json }: Asked, error: Failed): Effect.Effect<void> =>
  aside(json ? object(error.code ?? "failed", error.reason, error.hint) : `claudemesh: ${oneLine(error.message)}`)

const wrongUse = Effect.fnUntraced(function* (
  { help, json }: Asked,
  wordsBy: (doc: HelpDoc.HelpDoc | undefined) => string,
) {
  const doc = yield* help
  const words = wordsBy(doc)
  const usage = doc === undefined ? "claudemesh <command> [flags]" : usageOf(doc)
  const [, ...path] = /^[a-z -]*[a-z]/.exec(usage)?.[0].split(" ") ?? []
  const more = [command, "help", ...path].join(" ")
  yield* json
    ? aside(object("usage", words, more))
    : aside([`claudemesh: ${oneLine(words)}`, `usage: ${usage}`, `help:  ${more}`].join("\n"))
})

/** Ours to mend: what a person can do is to say so. */
const defect = ({ json }: Asked, error: unknown): Effect.Effect<void> => {
  const what = error instanceof Error ? error.message : String(error)
  const message = lineWords.thisIsAMistakeInClaudemeshAnd(what)
  const hint = lineWords.pleaseReportItWithTheOutputOf(command)
  return aside(json ? object("internal", message, hint) : `claudemesh: ${oneLine(`${message}. ${hint}`)}`)
}
