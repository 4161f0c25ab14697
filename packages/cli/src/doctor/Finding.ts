/** One thing that `doctor` looked at: how it is, in one line, and what to do where something is wrong. No secret is in it. */
import { Effect, type Duration } from "effect"
import { printable } from "../Output.ts"
import * as sharedWords from "../words/shared.ts"
import * as doctorWords from "../words/doctor.ts"

export interface Finding {
  readonly check: string
  /** `skipped`: something before it failed, or it does not apply. */
  readonly state: "ok" | "warning" | "failed" | "skipped"
  readonly text: string
  readonly todo?: string
}

const finding =
  (state: Finding["state"]) =>
  (check: string, text: string, todo?: string): Finding => ({
    check,
    state,
    text: clean(text),
    ...(todo !== undefined && { todo: clean(todo) }),
  })

export const ok = finding("ok")
export const warning = finding("warning")
export const failedCheck = finding("failed")
export const skipped = finding("skipped")

/** One line, and without what a URL may have before its host: that is a name and a password. */
const clean = (text: string): string =>
  printable(text.replaceAll(/\s*\n\s*/g, " ")).replaceAll(/(\w:\/\/)[^/\s@]*@/g, "$1")

export const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`

/** Whatever it does, it has said something by then. */
export const within = <R>(
  check: string,
  duration: Duration.Input,
  look: Effect.Effect<Finding, { readonly message: string }, R>,
): Effect.Effect<Finding, never, R> =>
  look.pipe(
    Effect.catch(({ message }) => Effect.succeed(failedCheck(check, message))),
    Effect.catchDefect((defect) =>
      Effect.succeed(failedCheck(check, defect instanceof Error ? defect.message : String(defect))),
    ),
    Effect.timeoutOrElse({
      duration,
      orElse: () => Effect.succeed(failedCheck(check, sharedWords.noAnswerInTime, doctorWords.tryAgainAndLookAtWhatIs)),
    }),
  )
