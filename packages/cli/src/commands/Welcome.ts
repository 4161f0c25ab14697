/** What a person brings into a mesh, and what they are told once they are in it. */
import { homedir, hostname, userInfo } from "node:os"
import { dirname, join, resolve } from "node:path"
import type { DisplayName } from "@claudemesh/domain/Ids"
import { MemberName } from "@claudemesh/domain/trust/MemberName"
import { Option, Schema } from "effect"
import { launcher, quoted } from "../Launch.ts"

const isMemberName = Schema.is(MemberName)

/** The name of the account, else of the machine. */
export const ownName = (): DisplayName =>
  [userInfo().username, hostname()].filter((name) => name !== "unknown").filter(isMemberName)[0] ??
  MemberName.make("me")

/** A home that is not the usual one has to be told to the agent, too. */
const homeFlag = (configPath: string): string => {
  const home = dirname(resolve(configPath))
  return home === join(homedir(), ".claudemesh") ? "" : ` -e CLAUDEMESH_HOME=${quoted(home)}`
}

/** Where a name was asked for that is another one's than what was begun with. */
export const nameNote = (asked: Option.Option<DisplayName>, displayName: DisplayName): ReadonlyArray<string> =>
  Option.isSome(asked) && asked.value !== displayName ? [`That is the name that it was begun with, and it stays.`] : []

/** Where the keys are, and how an agent comes to use them. */
export const nextSteps = (configPath: string): ReadonlyArray<string> => [
  `Your keys are in ${resolve(configPath)}; keep that file to yourself.`,
  `Next, connect Claude Code:`,
  `  claude mcp add claudemesh --scope user${homeFlag(configPath)} -- ${quoted(launcher)} mcp`,
]
