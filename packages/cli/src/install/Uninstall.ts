/** Takes everything out again: of one host, or of all. The program goes last, once no host starts it any more. */
import { existsSync } from "node:fs"
import { Effect } from "effect"
import { claudePlaces } from "./ClaudeCode.ts"
import { uninstallPlugin } from "./ClaudePlugin.ts"
import { type Scope, uninstallSettings } from "./ClaudeSettings.ts"
import { type Host, hosts } from "./Hosts.ts"
import { readRecord } from "./InstallRecord.ts"
import type { Machine } from "./Machine.ts"
import { uninstallFor } from "./OtherHosts.ts"
import { installedEntries } from "./OurEntries.ts"
import { pluginIn, runIn } from "./Places.ts"
import { removePlugin } from "./PluginFolder.ts"
import { carryOut, preview, unregistering } from "./Registering.ts"
import { differencesOf, pathsWritten } from "./Shown.ts"
import * as installWords from "../words/install.ts"

export const uninstallSome = Effect.fnUntraced(function* (machine: Machine, from: Scope | Host, dryRun: boolean) {
  const lines = yield* isHost(from) ? uninstallFor(machine, from, dryRun) : uninstallSettings(machine, from, dryRun)
  const isUsed = existsSync(pluginIn(machine.home))
  return orNothing([...lines, ...(isUsed ? [] : yield* removeProgram(machine, dryRun))])
})

export const uninstallAll = Effect.fnUntraced(function* (machine: Machine, dryRun: boolean) {
  const { home } = machine
  const lines = yield* uninstallPlugin(machine, dryRun)
  // That was about the files of Claude Code, whether they are in the record or not.
  const done = Object.values(yield* claudePlaces)
  const others = Object.keys(yield* readRecord(home)).filter((path) => !done.includes(path))
  const changes = yield* Effect.forEach(others, (path) =>
    (dryRun ? preview : carryOut)(home, path, unregistering({ path, entries: installedEntries(runIn(home)) })),
  )
  const more = dryRun ? differencesOf(changes) : pathsWritten("Removed from", changes)
  return orNothing([...lines, ...more, ...(yield* removeProgram(machine, dryRun))])
})

const isHost = (from: Scope | Host): from is Host => hosts.some((host) => host === from)

const orNothing = (lines: ReadonlyArray<string>) =>
  lines.length === 0 ? [installWords.thereWasNothingToRemove] : lines

/** Unless a host still starts it. */
const removeProgram = Effect.fnUntraced(function* (machine: Machine, dryRun: boolean) {
  const { home } = machine
  const folders = [pluginIn(home), runIn(home)].filter((folder) => existsSync(folder))
  if (folders.length === 0) return []
  if (dryRun) return [`Would remove ${folders.join(" and ")}.`]
  if (Object.keys(yield* readRecord(home)).length > 0) return []
  removePlugin(home)
  return [installWords.removedKeysAndMessagesStayIn(folders.join(" and "), home)]
})
