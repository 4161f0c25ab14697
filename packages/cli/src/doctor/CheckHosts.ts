/** What Claude Code and other hosts have of us, as they see it: by their own command and by their files. Nothing is written. */
import { accessSync, constants, existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { Processes } from "@claudemesh/client/local/Processes"
import { Effect, Option, Result, Schema } from "effect"
import { claudePlaces, foldersWithServer, pluginId } from "../install/ClaudeCode.ts"
import { hostCommand, runHost } from "../install/HostCommand.ts"
import { hosts } from "../install/Hosts.ts"
import { JsonText } from "../install/JsonEdit.ts"
import { checkMillis } from "../install/Limits.ts"
import type { Machine } from "../install/Machine.ts"
import { hostFile, hostNames, hostTargets } from "../install/OtherHosts.ts"
import { isOurServer } from "../install/OurEntries.ts"
import { pluginIn, runIn } from "../install/Places.ts"
import { preview, registering } from "../install/Registering.ts"
import { readSettings } from "../install/SettingsFile.ts"
import { command } from "../Launch.ts"
import { counted, type Finding, failedCheck, ok, skipped, warning, within } from "./Finding.ts"
import { serverAnswers } from "./ServerAnswers.ts"

export const checkHosts = Effect.fnUntraced(function* (machine: Machine) {
  const claude = yield* hostCommand("claude")
  const seen = yield* Effect.orElseSucceed(whatClaudeHas(machine, claude), () => undefined)
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
  if (claude === undefined) return skipped("Claude Code", "there is no command claude on the PATH")
  const { stdout } = yield* runHost(claude, ["--version"], existsSync(user) ? user : "/", checkMillis)
  const [version = ""] = /\d+\.\d+\.\d+/.exec(stdout) ?? []
  const parts = version.split(".").map(Number)
  const differs = monitorsSince.findIndex((number, place) => parts[place] !== number)
  const isOlder = differs !== -1 && (parts[differs] ?? 0) < (monitorsSince[differs] ?? 0)
  return isOlder
    ? warning(
        "Claude Code",
        `${version}, which runs no monitors of plugins: an idle session is not woken`,
        "Update it: claude update",
      )
    : ok("Claude Code", `${version}, ${claude}`)
})

interface Seen {
  /** Undefined where the host does not say. */
  readonly plugin: "enabled" | "disabled" | "absent" | undefined
  readonly folder: string | undefined
  readonly userServer: unknown
  readonly foldersWithServer: ReadonlyArray<string>
  readonly hooksInSettings: boolean
  readonly hooksOff: boolean
  readonly userSettings: string
  readonly userServers: string
}

const PluginList = Schema.Array(
  Schema.Struct({
    id: Schema.String,
    enabled: Schema.optional(Schema.Boolean),
    readFromFolder: Schema.optional(Schema.String),
    installPath: Schema.optional(Schema.String),
  }),
)
const decodeList = Schema.decodeUnknownOption(Schema.fromJsonString(PluginList))

const jsonAt = (path: string) =>
  Effect.map(readSettings(path), (text = "") =>
    Option.getOrUndefined(Result.getSuccess(JsonText.parse(text.replace(/^\uFEFF/, "")))),
  )

const whatClaudeHas = Effect.fnUntraced(function* ({ user }: Machine, claude: string | undefined) {
  const places = yield* claudePlaces
  const settings = yield* Effect.orElseSucceed(jsonAt(places.userSettings), () => undefined)
  const servers = yield* Effect.orElseSucceed(jsonAt(places.userServers), () => undefined)
  const folder = existsSync(user) ? user : "/"
  const list =
    claude === undefined
      ? undefined
      : Option.getOrUndefined(
          decodeList((yield* runHost(claude, ["plugin", "list", "--json"], folder, checkMillis)).stdout),
        )
  const plugin = list?.find(({ id }) => id === pluginId)
  return {
    plugin:
      list === undefined
        ? undefined
        : plugin === undefined
          ? "absent"
          : plugin.enabled === false
            ? "disabled"
            : "enabled",
    folder: plugin?.readFromFolder ?? plugin?.installPath,
    userServer: servers?.valueAt(["mcpServers", "claudemesh"]),
    foldersWithServer: foldersWithServer(servers?.text ?? ""),
    hooksInSettings: /"server":\s*"claudemesh"/.test(JSON.stringify(settings?.valueAt(["hooks"]) ?? {})),
    hooksOff: settings?.valueAt(["disableAllHooks"]) === true,
    ...places,
  } satisfies Seen
})

const installIt = `Run: ${command} install`

const pluginFinding = ({ home }: Machine, claude: string | undefined, seen: Seen | undefined): Finding => {
  if (seen === undefined || claude === undefined || seen.plugin === undefined)
    return skipped("plugin", "Claude Code was not asked")
  if (seen.plugin === "disabled")
    return failedCheck("plugin", "it is installed and switched off", `Run: claude plugin enable ${pluginId}`)
  if (seen.plugin === "absent") {
    return isOurServer(seen.userServer)
      ? skipped("plugin", "not used: server and hooks are in the settings")
      : warning("plugin", "Claude Code has no plugin of claudemesh", installIt)
  }
  if (seen.folder !== undefined && !existsSync(join(seen.folder, ".claude-plugin/plugin.json"))) {
    return failedCheck("plugin", `it is enabled, and its folder ${seen.folder} is gone`, installIt)
  }
  return seen.folder === pluginIn(home)
    ? ok("plugin", `enabled, read from ${seen.folder}`)
    : warning("plugin", `enabled, and read from ${seen.folder ?? "elsewhere"} instead of ${pluginIn(home)}`, installIt)
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
  const inSettings = isOurServer(seen?.userServer)
  if (!hasPlugin && !inSettings) return skipped("server", "no host was found that starts it")
  if (hasPlugin && inSettings) {
    return failedCheck(
      "server",
      `it is there twice: by the plugin, and in ${seen.userServers}`,
      "Run: claude mcp remove claudemesh --scope user",
    )
  }
  const [twice] = seen?.foldersWithServer ?? []
  if (hasPlugin && twice !== undefined) {
    return warning(
      "server",
      `in ${twice} it is there twice: by the plugin, and added by hand`,
      "Run there: claude mcp remove claudemesh --scope local",
    )
  }
  if (!isExecutable(join(runIn(home), "bun"))) {
    return failedCheck("server", `its runtime ${join(runIn(home), "bun")} is gone or cannot be run`, installIt)
  }
  return yield* serverAnswers("server", home)
})

const hooksFinding = ({ home }: Machine, seen: Seen | undefined): Finding => {
  if (seen?.hooksOff === true) {
    return failedCheck(
      "hooks",
      `disableAllHooks is set in ${seen.userSettings}: messages are shown by check_messages alone`,
      "Remove it there",
    )
  }
  if (seen?.plugin === "enabled") {
    return existsSync(join(pluginIn(home), "hooks/hooks.json"))
      ? ok("hooks", "of the plugin: messages come at the next step, and at the end of a turn")
      : failedCheck("hooks", "the plugin has none", installIt)
  }
  if (seen?.hooksInSettings === true) return ok("hooks", `in ${seen.userSettings}`)
  return isOurServer(seen?.userServer)
    ? warning("hooks", "none: messages are shown only when the agent calls check_messages", installIt)
    : skipped("hooks", "no host was found that has them")
}

/** Each live session of a host has a file that is named by its process. */
const wakeFinding = Effect.fnUntraced(function* ({ home }: Machine, seen: Seen | undefined) {
  const folder = join(home, "wake")
  const { hasEnded, own } = yield* Processes
  const pids = existsSync(folder) ? readdirSync(folder).filter((name) => /^\d+$/.test(name)) : []
  const live = pids.filter((pid) => !hasEnded({ pid: Number(pid), host: own.host }))
  const sessions =
    live.length === 0
      ? "no session is open now"
      : `${counted(live.length, "session")} ${live.length === 1 ? "is" : "are"} open now`
  if (seen?.plugin === "enabled" && existsSync(join(pluginIn(home), "monitors/monitors.json"))) {
    return ok("wake", `by the plugin's monitor; ${sessions}`)
  }
  if (seen?.hooksInSettings === true) return ok("wake", `by hooks in the settings; ${sessions}`)
  return skipped("wake", "nothing wakes an idle session")
})

const otherHost = Effect.fnUntraced(function* (machine: Machine, host: (typeof hosts)[number]) {
  const path = yield* hostFile(host, machine)
  const name = hostNames[host]
  const text = yield* readSettings(path)
  if (text === undefined || !text.includes("claudemesh")) return skipped(name, `${path} does not name claudemesh`)
  const would = yield* Effect.forEach(yield* hostTargets(host, machine), (target) =>
    preview(machine.home, target.path, registering(target)),
  )
  if (would.some(({ after, before }) => after !== before))
    return warning(
      name,
      `what it has of claudemesh is of an older version, or not whole`,
      `Run: ${command} install --for ${host}`,
    )
  return isExecutable(join(runIn(machine.home), "bun"))
    ? ok(name, `${path} starts ${join(runIn(machine.home), "bun")}`)
    : failedCheck(
        name,
        `${path} starts ${join(runIn(machine.home), "bun")}, which is gone`,
        `Run: ${command} install --for ${host}`,
      )
})
