/** What cannot be taken back is done once the person has read what it does, and said yes: at the terminal, or by `--yes`. */
import { Effect } from "effect"
import { Failed } from "../Failed.ts"
import { aside } from "../Output.ts"
import { canAsk, confirmed } from "./Ask.ts"
import * as joiningWords from "../words/joining.ts"

export const agreed = Effect.fnUntraced(function* (yes: boolean, question: string, effects: ReadonlyArray<string>) {
  if (yes) return
  if (!(yield* canAsk)) {
    return yield* new Failed({
      reason: joiningWords.nothingWasDoneNobodyIsAtA(question, effects.join(" ")),
      code: "not_agreed",
      hint: joiningWords.addYesIfYouMeanIt,
    })
  }
  yield* aside(effects.map((effect) => `  ${effect}`).join("\n"))
  if (!(yield* confirmed(question))) return yield* new Failed({ reason: "Nothing was done." })
})
