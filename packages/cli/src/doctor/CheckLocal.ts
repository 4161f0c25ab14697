/** This machine: the program, its runtime, the home with its modes, the keys, and what is kept beside them. Nothing is made. */
import { existsSync, statSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { ConfigFile, type Memberships } from "@claudemesh/client/keys/ConfigFile"
import { checkHome } from "@claudemesh/client/local/Home"
import { StateDb } from "@claudemesh/client/local/StateDb"
import { Effect, Exit } from "effect"
import manifest from "../../package.json" with { type: "json" }
import { builtIn, command } from "../Launch.ts"
import { shortKey } from "../Output.ts"
import { checkMillis } from "../install/Limits.ts"
import { failedCheck, type Finding, ok, skipped, warning, within } from "./Finding.ts"
import * as doctorWords from "../words/doctor.ts"
import * as sharedWords from "../words/shared.ts"

const megabyte = 1_048_576

export const checkLocal = Effect.gen(function* () {
  const path = resolve((yield* ConfigFile).path)
  const meshes = yield* Effect.exit((yield* ConfigFile).read)
  const findings: ReadonlyArray<Finding> = [
    ok(
      "program",
      `claudemesh ${manifest.version}, ${builtIn === undefined ? "from its sources" : `built, in ${builtIn}`}`,
    ),
    ok(
      "runtime",
      `Bun ${Bun.version} (${Math.round(statSync(process.execPath).size / megabyte)} MB) on ${process.platform} ${process.arch}`,
    ),
    yield* within("home", checkMillis, homeOf(dirname(path))),
    keysOf(path, meshes),
    yield* within("local state", checkMillis, stateOf(dirname(path))),
  ]
  return { findings, meshes: Exit.isSuccess(meshes) ? meshes.value : [] }
})

const homeOf = (home: string) =>
  Effect.map(checkHome(home), (isThere) =>
    isThere
      ? ok("home", doctorWords.forYouAloneMode(home, modeOf(home)))
      : warning("home", doctorWords.isNotThereYet(home), doctorWords.makeAMeshCreateMyTeamOr(command, command)),
  )

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8).padStart(4, "0")

const keysOf = (path: string, meshes: Exit.Exit<Memberships, { readonly message: string }>): Finding => {
  if (Exit.isFailure(meshes)) {
    const error = Exit.findErrorOption(meshes)
    return failedCheck("keys", error._tag === "Some" ? error.value.message : `${path} cannot be read`)
  }
  if (meshes.value.length === 0) {
    return warning("keys", doctorWords.noMeshIsJoined, sharedWords.makeOneCreateOrJoinOne(command, command))
  }
  const each = meshes.value.map(({ displayName, pubkey, slug }) => `${slug} as ${displayName} (${shortKey(pubkey)})`)
  return ok("keys", `${each.join(", ")} in ${path}`)
}

/** It is opened only where it is there: to look makes nothing. */
const stateOf = Effect.fnUntraced(function* (home: string) {
  const path = join(home, "state.db")
  if (!existsSync(path)) return skipped("local state", doctorWords.isNotThereYet(path))
  const answer = yield* (yield* StateDb).read((db) =>
    String(Object.values(db.query("PRAGMA quick_check(1)").get() ?? {})[0]),
  )
  return answer === "ok"
    ? ok("local state", `${path} is whole`)
    : failedCheck("local state", `${path} is damaged: ${answer}`, doctorWords.moveItAwayWhatWaitsToBe)
})
