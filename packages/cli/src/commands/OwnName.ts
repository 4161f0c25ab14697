/**
 * What a person is called in a new mesh, where `--as` does not say it: what git calls them, else what they answer. The
 * account's name is taken only where nobody can be asked, and `root` never: others could not tell who that is.
 */
import { readFileSync, statSync } from "node:fs"
import { userInfo } from "node:os"
import { join, resolve } from "node:path"
import { accountHome, expanded } from "@claudemesh/client/local/Home"
import type { DisplayName } from "@claudemesh/domain/Ids"
import { MemberName, spelledName } from "@claudemesh/domain/trust/MemberName"
import { Config, Effect, Option } from "effect"
import { Prompt } from "effect/unstable/cli"
import { Failed } from "../Failed.ts"
import { asked, canAsk } from "./Ask.ts"
import { memberNameIn } from "./Flags.ts"
import { wrongName } from "./WrongName.ts"
import * as joiningWords from "../words/joining.ts"

/** Accounts that many machines have, and that are nobody's name. */
const shared =
  /^(root|admin|administrator|user|nobody|daemon|ubuntu|debian|fedora|centos|ec2-user|azureuser|vagrant|pi|runner|ci|build|docker|node|app|vscode|codespace|gitpod|unknown)$/i

export const nameFrom = Effect.fnUntraced(function* (given: Option.Option<DisplayName>) {
  if (Option.isSome(given)) return given.value
  const byGit = yield* gitName
  if (Option.isSome(byGit)) return byGit.value
  const account = accountName()
  if (yield* canAsk) return yield* askedName(account)
  if (Option.isSome(account)) return account.value
  return yield* new Failed({
    reason: joiningWords.itIsNotKnownWhatYouAre,
    code: "no_name",
    hint: joiningWords.giveYourNameWithAs,
  })
})

const askedName = (account: Option.Option<DisplayName>) =>
  asked(
    Prompt.String({
      message: joiningWords.whatAreYouCalledInTheMesh,
      ...(Option.isSome(account) && { default: account.value }),
      validate: (text) =>
        Option.isSome(memberNameIn(text)) ? Effect.succeed(spelledName(text)) : Effect.fail(wrongName(text)),
    }),
  ).pipe(Effect.map((text) => MemberName.make(text)))

const accountName = (): Option.Option<DisplayName> =>
  personName(Option.getOrElse(Option.liftThrowable(() => userInfo().username)(), () => "root"))

/** As a certificate takes it: git and accounts know other spellings of one name, and any number of spaces. */
export const personName = (account: string): Option.Option<DisplayName> => {
  const name = spelledName(account)
  return shared.test(name) ? Option.none() : memberNameIn(name)
}

/** A person's own settings and the machine's. Not those of the folder that they are in, which may be a stranger's. */
export const gitName = Effect.gen(function* () {
  const setting = (name: string, otherwise: string) =>
    Effect.orDie(Config.String(name).pipe(Config.withDefault(otherwise)))
  const home = yield* Effect.orDie(accountHome)
  const global = yield* setting("GIT_CONFIG_GLOBAL", "")
  const ownFolder = yield* setting("XDG_CONFIG_HOME", join(home, ".config"))
  const files = global === "" ? [join(home, ".gitconfig"), join(ownFolder, "git/config")] : [expanded(global, home)]
  const names = [...files, "/etc/gitconfig"].map((path) => nameIn(path, home, 1))
  return Option.firstSomeOf(names)
})

const bytesMax = 65_536

/** Such as `name = Ann Bell` below `[user]`; the last one counts. `includes`: how deep other files are looked into. */
const nameIn = (path: string, home: string, includes: number): Option.Option<DisplayName> => {
  const text = textOf(path)
  let section = ""
  let found = Option.none<DisplayName>()
  // A backslash at its end carries a line on.
  for (const line of text.replaceAll(/\\\r?\n/g, "").split(/\r?\n/)) {
    section = /^\s*\[\s*([^\]"]*?)\s*(?:".*")?\s*\]/.exec(line)?.[1]?.toLowerCase() ?? section
    const [, key = "", value = ""] = /^\s*(?:\[[^\]]*\])?\s*([a-z]+)\s*=\s*(.*?)\s*$/i.exec(line) ?? []
    if (section === "user" && key.toLowerCase() === "name") found = personName(valueOf(value))
    if (section === "include" && key.toLowerCase() === "path" && includes > 0) {
      const included = nameIn(resolve(path, "..", expanded(valueOf(value), home)), home, includes - 1)
      found = Option.orElse(included, () => found)
    }
  }
  return found
}

/** Without quotes, and without the comment behind it. */
const valueOf = (value: string): string => {
  const [, quoted] = /^"((?:[^"\\]|\\.)*)"/.exec(value) ?? []
  return (quoted ?? value.replace(/\s*[#;].*$/, "")).replaceAll(/\\(["\\])/g, "$1")
}

const textOf = (path: string): string => {
  try {
    const { size } = statSync(path)
    return statSync(path).isFile() && size <= bytesMax ? readFileSync(path, "utf8") : ""
  } catch {
    return ""
  }
}
