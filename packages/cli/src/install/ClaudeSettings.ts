/** Server and hooks in the settings of Claude Code, for whoever wants no plugin, or has an older version. */
import { Effect } from "effect"
import { Failed } from "../Failed.ts"
import { command, startedIn } from "../Launch.ts"
import { claudePlaces, pluginId, projectFiles, settingsTargets } from "./ClaudeCode.ts"
import { type Machine, placeProgram, pluginHooks, serverOfMachine } from "./Machine.ts"
import { refuseOtherHome, replacedWords } from "./OlderEntry.ts"
import { carryOut, preview, registering, unregistering } from "./Registering.ts"
import { readSettings } from "./SettingsFile.ts"
import { differencesOf, pathsWritten } from "./Shown.ts"
import { wakeHooks } from "./WakeHooks.ts"
import * as installWords from "../words/install.ts"

export type Scope = "user" | "project"

/** Of a project: the file is shared by people who each have their own home. */
export const settingsTargetsOf = Effect.fnUntraced(function* (machine: Machine, scope: Scope) {
  const ofPlugin = (yield* pluginHooks).hooks
  const ofWake = wakeHooks(machine.unusualHome).hooks
  const events = [...new Set([...Object.keys(ofPlugin), ...Object.keys(ofWake)])]
  const hooks = {
    hooks: Object.fromEntries(events.map((event) => [event, [...(ofPlugin[event] ?? []), ...(ofWake[event] ?? [])]])),
  }
  const server = serverOfMachine(machine)
  if (scope === "project") {
    const own = (word: string) => (machine.unusualHome === undefined ? word.replace(machine.user, "${HOME}") : word)
    const shared = { ...server, command: own(server.command), args: server.args.map(own) }
    if (startedIn === undefined) return yield* new Failed({ reason: installWords.theFolderThatThisWasStartedIn })
    return settingsTargets(projectFiles(startedIn), shared, hooks)
  }
  const places = yield* claudePlaces
  return settingsTargets({ servers: places.userServers, settings: places.userSettings }, server, hooks)
})

export const installSettings = Effect.fnUntraced(function* (machine: Machine, scope: Scope, dryRun: boolean) {
  const targets = yield* settingsTargetsOf(machine, scope)
  const [servers] = targets
  yield* refusePlugin
  if (scope === "user" && servers !== undefined) yield* refuseOtherHome(machine, servers.path)
  // All of them are looked at before the first is written.
  const would = yield* Effect.forEach(targets, (target) => preview(machine.home, target.path, registering(target)))
  if (dryRun)
    return would.some(({ after, before }) => after !== before)
      ? differencesOf(would)
      : [installWords.nothingWouldBeChanged]
  yield* placeProgram(machine)
  const changes = yield* Effect.forEach(targets, (target) => carryOut(machine.home, target.path, registering(target)))
  const written = changes.filter(({ after, before }) => after !== before).map(({ path }) => path)
  const undo = `${command} uninstall --settings ${scope}`
  return [
    written.length === 0
      ? installWords.serverAndHooksAreInTheSettings(changes.map(({ path }) => path).join(", "))
      : installWords.serverAndHooksAreWrittenIntoThey(written.join(" and ")),
    ...changes.flatMap(({ path, replaced }) => replaced.flatMap(replacedWords(path))),
    ...(scope === "project"
      ? [
          installWords.claudeCodeAsksEachPersonOfThis,
          ...(machine.unusualHome === undefined ? [] : [installWords.theFilesNameTheyAreOfUse(machine.home)]),
        ]
      : []),
    installWords.claudeCodeAsksBeforeItUsesA2,
    installWords.checkItWithDoctorUndoItWith2(command, undo),
  ]
})

export const uninstallSettings = Effect.fnUntraced(function* (machine: Machine, scope: Scope, dryRun: boolean) {
  const targets = yield* settingsTargetsOf(machine, scope)
  const changes = yield* Effect.forEach(targets, (target) =>
    (dryRun ? preview : carryOut)(machine.home, target.path, unregistering(target)),
  )
  return dryRun ? differencesOf(changes) : pathsWritten("Removed from", changes)
})

/** Both would be two servers, and each message would be shown by one of them. */
const refusePlugin = Effect.gen(function* () {
  const { userSettings } = yield* claudePlaces
  const text = (yield* readSettings(userSettings)) ?? ""
  if (!new RegExp(`"${pluginId}"\\s*:\\s*true`).test(text)) return
  return yield* new Failed({
    reason: installWords.claudeCodeHasThePluginAlreadyAnd(command),
  })
})
