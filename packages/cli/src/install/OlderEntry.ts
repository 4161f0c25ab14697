/** An entry of ours that was made by hand, or by an earlier version: it is replaced, and that is said. */
import { quoted } from "@claudemesh/client/local/SecretFile"
import { Effect, Option, Result } from "effect"
import { Failed } from "../Failed.ts"
import { command } from "../Launch.ts"
import { JsonText } from "./JsonEdit.ts"
import type { Machine } from "./Machine.ts"
import { flagsOf, homeOf, isOurServer } from "./OurEntries.ts"
import type { Replaced } from "./Registration.ts"
import { readSettings } from "./SettingsFile.ts"
import * as installWords from "../words/install.ts"

/** With another home it is another person in the mesh. Whose entry that is, is not for us to decide. */
export const refuseOtherHome = Effect.fnUntraced(function* ({ home }: Machine, path: string) {
  const text = ((yield* readSettings(path)) ?? "").replace(/^\uFEFF/, "")
  const json = Option.getOrUndefined(Result.getSuccess(JsonText.parse(text)))
  const found = json?.valueAt(["mcpServers", "claudemesh"])
  const other = isOurServer(found) ? homeOf(found) : undefined
  if (other === undefined || other === home) return
  return yield* new Failed({
    reason: installWords.hasAServerClaudemeshThatUsesThe(path, other, home, quoted(other), command),
  })
})

export const replacedWords =
  (path: string) =>
  ({ value }: Replaced): ReadonlyArray<string> => {
    if (!isOurServer(value)) return []
    const flags = flagsOf(value)
    return [
      installWords.anOlderEntryOfClaudemeshInIs(path),
      ...(flags.length > 0 ? [installWords.itWasStartedWithAndThisOne(flags.join(" "))] : []),
    ]
  }
