/** What a person brings into a mesh, and what they are told once they are in it. */
import { existsSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { systemHome } from "@claudemesh/client/local/Home"
import type { DisplayName } from "@claudemesh/domain/Ids"
import { Option } from "effect"
import { runIn } from "../install/Places.ts"
import { command, quoted } from "../Launch.ts"
import * as joiningWords from "../words/joining.ts"

/** Where a name was asked for that is another one's than what was begun with. */
export const nameNote = (asked: Option.Option<DisplayName>, displayName: DisplayName): ReadonlyArray<string> =>
  Option.isSome(asked) && asked.value !== displayName ? [joiningWords.thatIsTheNameThatItWas] : []

/** Where the keys are, and the one command by which an agent comes to use them, unless that was done before. */
export const nextSteps = (configPath: string): ReadonlyArray<string> => {
  const home = dirname(resolve(configPath))
  const usual = home === join(systemHome(), ".claudemesh")
  return [
    joiningWords.yourKeysAreInKeepThatFile(resolve(configPath)),
    ...(existsSync(runIn(home))
      ? []
      : [joiningWords.nextConnectClaudeCode, `  ${usual ? "" : `CLAUDEMESH_HOME=${quoted(home)} `}${command} install`]),
  ]
}
