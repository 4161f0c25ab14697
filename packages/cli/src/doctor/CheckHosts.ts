/** What Claude Code and other hosts have of us, as they see it: by their own command and by their files. Nothing is written. */
import { accessSync, constants, existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { Processes } from "@claudemesh/client/local/Processes"
import { Clock, Effect } from "effect"
import { readWakeOutcome } from "../host/WakeOutcome.ts"
import { pluginId } from "../install/ClaudeCode.ts"
import { hostCommand, runHost } from "../install/HostCommand.ts"
import { hosts } from "../install/Hosts.ts"
import { checkMillis } from "../install/Limits.ts"
import type { Machine } from "../install/Machine.ts"
import { hostFile, hostNames, hostTargets } from "../install/OtherHosts.ts"
import { pluginIn, runIn } from "../install/Places.ts"
import { preview, registering } from "../install/Registering.ts"
import { readSettings } from "../install/SettingsFile.ts"
import { command, quoted, startedIn } from "../Launch.ts"
import { counted, type Finding, failedCheck, ok, skipped, warning, within } from "./Finding.ts"
import { serverAnswers } from "./ServerAnswers.ts"
import { type Seen, whatClaudeHas } from "./WhatClaudeHas.ts"
import * as doctorWords from "../words/doctor.ts"

export const checkHosts = Effect.fnUntraced(function* (machine: Machine) {
  const claude = yield* hostCommand("claude")
  const seen = yield* Effect.orElseSucceed(whatClaudeHas(machine, claude, startedIn ?? "/"), () => undefined)
  const found: Array<Finding> = [
    yield* within("Claude Code", checkMillis, versionOf(machine, claude)),
    yield* within("plugin", checkMillis, Effect.succeed(pluginFinding(machine, claude, seen))),
    yield* within("server", checkMillis, serverFinding(machine, seen)),
    yield* within("hooks", checkMillis, Effect.succeed(hooksFinding(machine, seen))),
    yield* within("wake", checkMillis, wakeFinding(machine, seen)),
  ]
  const others = yield* Effect.forEach(hosts, (host) => within(hostNames[host], checkMillis, otherHost(machine, host)))
  return [...found, ...others.filter(({ state }) => state !== "skipped")]
})

/** Monitors of plugins are ignored before this. */
const monitorsSince = [2, 1, 212] as const

const versionOf = Effect.fnUntraced(function* ({ user }: Machine, claude: string | undefined) {
  if (claude === undefined) return skipped("Claude Code", doctorWords.thereIsNoCommandClaudeOnThe)
  const { stdout } = yield* runHost(claude, ["--version"], existsSync(user) ? user : "/", checkMillis)
  const [version = ""] = /\d+\.\d+\.\d+/.exec(stdout) ?? []
  const parts = version.split(".").map(Number)
  const differs = monitorsSince.findIndex((number, place) => parts[place] !== number)
  const isOlder = differs !== -1 && (parts[differs] ?? 0) < (monitorsSince[differs] ?? 0)
  return isOlder
    ? warning("Claude Code", doctorWords.whichRunsNoMonitorsOfPluginsAn(version), doctorWords.updateItClaudeUpdate)
    : ok("Claude Code", `${version}, ${claude}`)
})

const installIt = `Run: ${command} install`

const pluginFinding = ({ home }: Machine, claude: string | undefined, seen: Seen | undefined): Finding => {
  if (seen === undefined || claude === undefined || seen.plugin === undefined)
    return skipped("plugin", doctorWords.claudeCodeWasNotAsked)
  if (seen.plugin === "disabled")
    return failedCheck("plugin", doctorWords.itIsInstalledAndSwitchedOff, doctorWords.runClaudePluginEnable(pluginId))
  if (seen.plugin === "absent") {
    const [server] = seen.servers
    return server === undefined
      ? warning("plugin", doctorWords.claudeCodeHasNoPluginOfClaudemesh, installIt)
      : skipped("plugin", doctorWords.notUsedTheServerIsIn(server.path))
  }
  if (seen.folder !== undefined && !existsSync(join(seen.folder, ".claude-plugin/plugin.json"))) {
    return failedCheck("plugin", doctorWords.itIsEnabledAndItsFolderIs(seen.folder), installIt)
  }
  return seen.folder === pluginIn(home)
    ? ok("plugin", `enabled, read from ${seen.folder}`)
    : warning("plugin", doctorWords.enabledAndReadFromInsteadOf(seen.folder ?? "elsewhere", pluginIn(home)), installIt)
}

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const serverFinding = Effect.fnUntraced(function* ({ home }: Machine, seen: Seen | undefined) {
  const hasPlugin = seen?.plugin === "enabled"
  const servers = seen?.servers ?? []
  const other = servers.find((server) => server.home !== undefined && server.home !== home)
  if (other?.home !== undefined) {
    return failedCheck(
      "server",
      doctorWords.theOneInUsesTheKeysIn(other.path, other.home, home),
      doctorWords.toLookAtThoseClaudemeshHomeDoctor(quoted(other.home), command, other.scope),
    )
  }
  const [first, second] = servers
  if (first === undefined && !hasPlugin) return skipped("server", doctorWords.noHostWasFoundThatStartsIt)
  const twice = hasPlugin ? first : second
  if (twice !== undefined) {
    const beside = hasPlugin ? "by the plugin" : `in ${first?.path ?? ""}`
    return failedCheck(
      "server",
      doctorWords.itIsThereTwiceAndIn(beside, twice.path),
      doctorWords.runClaudeMcpRemoveClaudemeshScope(twice.scope),
    )
  }
  const [elsewhere] = seen?.foldersWithServer ?? []
  if (hasPlugin && elsewhere !== undefined) {
    return warning(
      "server",
      doctorWords.inItIsThereTwiceByThe(elsewhere),
      doctorWords.runThereClaudeMcpRemoveClaudemeshScope,
    )
  }
  if (first?.scope === "project" && seen?.isRefused === true) {
    return failedCheck(
      "server",
      doctorWords.youHaveToldClaudeCodeNotTo(first.path),
      doctorWords.runClaudeMcpResetProjectChoices,
    )
  }
  if (!isExecutable(join(runIn(home), "bun"))) {
    return failedCheck("server", doctorWords.itsRuntimeIsGoneOrCannotBe(join(runIn(home), "bun")), installIt)
  }
  return yield* serverAnswers("server", home)
})

const hooksFinding = ({ home }: Machine, seen: Seen | undefined): Finding => {
  if (seen?.hooksOffIn !== undefined) {
    return failedCheck("hooks", doctorWords.disableAllHooksIsSetInMessagesAreShown(seen.hooksOffIn), "Remove it there")
  }
  if (seen?.plugin === "enabled") {
    return existsSync(join(pluginIn(home), "hooks/hooks.json"))
      ? ok("hooks", doctorWords.ofThePluginMessagesComeAtThe)
      : failedCheck("hooks", doctorWords.thePluginHasNone, installIt)
  }
  if (seen?.hooksIn !== undefined) return ok("hooks", `in ${seen.hooksIn}`)
  return (seen?.servers.length ?? 0) > 0
    ? warning("hooks", doctorWords.noneMessagesAreShownOnlyWhenThe, installIt)
    : skipped("hooks", doctorWords.noHostWasFoundThatHasThem)
}

/** Each live session of a host has a file that is named by its process. Whether its monitor runs is seen by what follows a wake. */
const wakeFinding = Effect.fnUntraced(function* ({ home }: Machine, seen: Seen | undefined) {
  const folder = join(home, "wake")
  const { hasEnded, own } = yield* Processes
  const pids = existsSync(folder) ? readdirSync(folder).filter((name) => /^\d+$/.test(name)) : []
  const live = pids.filter((pid) => !hasEnded({ pid: Number(pid), host: own.host }))
  const sessions =
    live.length === 0
      ? doctorWords.noSessionIsOpenNow
      : `${counted(live.length, "session")} ${live.length === 1 ? "is" : "are"} open now`
  const by =
    seen?.plugin === "enabled" && existsSync(join(pluginIn(home), "monitors/monitors.json"))
      ? doctorWords.byThePluginsMonitor
      : seen?.hooksIn !== undefined
        ? `by hooks in ${seen.hooksIn}`
        : undefined
  if (by === undefined) return skipped("wake", doctorWords.nothingWakesAnIdleSession)
  const outcome = readWakeOutcome(home)
  if (outcome === undefined) return ok("wake", doctorWords.noneWasWokenYet(by, sessions))
  const nowMillis = yield* Clock.currentTimeMillis
  const woken = agoWords(nowMillis - outcome.wokenAtMillis)
  if (outcome.followedAtMillis === outcome.wokenAtMillis) {
    return ok("wake", doctorWords.theLastOneBeganATurn(by, sessions, woken))
  }
  const ever =
    outcome.followedAtMillis === null
      ? "none ever did"
      : doctorWords.theLastThatDidWas(agoWords(nowMillis - outcome.followedAtMillis))
  return warning(
    "wake",
    doctorWords.theLastOneBeganNoTurnAnd(by, sessions, woken, ever),
    doctorWords.startTheSessionsAnewThatWereOpen,
  )
})

const agoWords = (millis: number): string => {
  const minutes = Math.max(0, Math.round(millis / 60_000))
  if (minutes < 120) return `${counted(minutes, "minute")} ago`
  return minutes < 2_880
    ? `${counted(Math.round(minutes / 60), "hour")} ago`
    : `${counted(Math.round(minutes / 1_440), "day")} ago`
}

const otherHost = Effect.fnUntraced(function* (machine: Machine, host: (typeof hosts)[number]) {
  const path = yield* hostFile(host, machine)
  const name = hostNames[host]
  const text = yield* readSettings(path)
  if (text === undefined || !text.includes("claudemesh")) return skipped(name, doctorWords.doesNotNameClaudemesh(path))
  const would = yield* Effect.forEach(yield* hostTargets(host, machine), (target) =>
    preview(machine.home, target.path, registering(target)),
  )
  if (would.some(({ after, before }) => after !== before))
    return warning(name, doctorWords.whatItHasOfClaudemeshIsOf, `Run: ${command} install --for ${host}`)
  return isExecutable(join(runIn(machine.home), "bun"))
    ? ok(name, `${path} starts ${join(runIn(machine.home), "bun")}`)
    : failedCheck(
        name,
        doctorWords.startsWhichIsGone(path, join(runIn(machine.home), "bun")),
        `Run: ${command} install --for ${host}`,
      )
})
