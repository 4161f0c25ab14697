/**
 * Hosts beside Claude Code, by the files that they read: measured with Codex CLI 0.171.0, Gemini CLI 0.61.0 and opencode 1.18.33,
 * whose own commands list what is written here; of Cursor by its documentation. Codex and Gemini CLI have hooks that are commands, and
 * these are written with the server. Cursor's hooks give a model nothing, and opencode's are programs that it loads.
 */
import { accountHome, expanded } from "@claudemesh/client/local/Home"
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"
import { Config, Effect, Option } from "effect"
import { isHookHost } from "../host/OtherHost.ts"
import { command } from "../Launch.ts"
import type { Target } from "./ClaudeCode.ts"
import type { Host } from "./Hosts.ts"
import { commandHooksOfMachine, type Machine, placeProgram, serverOfMachine } from "./Machine.ts"
import { hookEntries, isOurServer, type ServerEntry } from "./OurEntries.ts"
import { carryOut, preview, registering, unregistering } from "./Registering.ts"
import { differencesOf, pathsWritten } from "./Shown.ts"
import * as installWords from "../words/install.ts"

export const hostNames: Readonly<Record<Host, string>> = {
  codex: "Codex CLI",
  gemini: "Gemini CLI",
  cursor: "Cursor",
  opencode: "opencode",
}

const folderNamed = (variable: string, usual: string) =>
  Effect.map(Effect.all([Config.option(Config.NonEmptyString(variable)), accountHome]), ([found, account]) =>
    Option.match(found, { onNone: () => usual, onSome: (path) => expanded(path, account) }),
  )

/** The file of the user: what is there counts for every project. */
export const hostFile = Effect.fnUntraced(function* (host: Host, { user }: Pick<Machine, "user">) {
  switch (host) {
    case "codex":
      return join(yield* folderNamed("CODEX_HOME", join(user, ".codex")), "config.toml")
    case "gemini":
      return join(yield* folderNamed("GEMINI_CLI_HOME", user), ".gemini/settings.json")
    case "cursor":
      return join(user, ".cursor/mcp.json")
    case "opencode": {
      const folder = join(yield* folderNamed("XDG_CONFIG_HOME", join(user, ".config")), "opencode")
      const names = ["opencode.jsonc", "opencode.json"]
      return join(folder, names.find((name) => existsSync(join(folder, name))) ?? "opencode.json")
    }
  }
})

const entryOf = (host: Host, server: ServerEntry) => {
  const isOurs = isOurServer
  switch (host) {
    case "codex":
      return { kind: "property", path: ["mcp_servers", "claudemesh"], value: server, isOurs } as const
    case "gemini":
    case "cursor":
      return { kind: "property", path: ["mcpServers", "claudemesh"], value: server, isOurs } as const
    case "opencode": {
      const { args, command, env } = server
      const value = {
        type: "local",
        command: [command, ...args],
        enabled: true,
        ...(env !== undefined && { environment: env }),
      }
      return { kind: "property", path: ["mcp", "claudemesh"], value, isOurs } as const
    }
  }
}

/** The server, and the hooks where the host has some. */
export const hostTargets = Effect.fnUntraced(function* (host: Host, machine: Machine) {
  const path = yield* hostFile(host, machine)
  const server = { path, entries: [entryOf(host, serverOfMachine(machine, isHookHost(host) ? host : undefined))] }
  if (!isHookHost(host)) return [server] satisfies ReadonlyArray<Target>
  const hooks = hookEntries(commandHooksOfMachine(machine, host))
  // Codex takes them from its TOML, too, and from both at once with a warning: a file of its own is undone by removing it.
  return host === "codex"
    ? [server, { path: join(dirname(path), "hooks.json"), entries: hooks }]
    : [{ path, entries: [...server.entries, ...hooks] }]
})

export const installFor = Effect.fnUntraced(function* (machine: Machine, host: Host, dryRun: boolean) {
  const targets = yield* hostTargets(host, machine)
  // All of them are looked at before the first is written.
  const would = yield* Effect.forEach(targets, (target) => preview(machine.home, target.path, registering(target)))
  const isThere = would.every(({ after, before }) => after === before)
  if (dryRun) return isThere ? [installWords.nothingWouldBeChanged] : differencesOf(would)
  yield* placeProgram(machine)
  const changes = yield* Effect.forEach(targets, (target) => carryOut(machine.home, target.path, registering(target)))
  const what = isHookHost(host) ? installWords.theServerAndTheHooks : "the server"
  const paths = targets.map(({ path }) => path).join(" and ")
  return [
    isThere
      ? `${hostNames[host]} has ${what} already: ${paths}`
      : installWords.hasFromItsNextStartOnWritten(hostNames[host], what, paths),
    ...(changes.some(({ replaced }) => replaced.length > 0) ? [installWords.anOlderEntryOfClaudemeshThereIs] : []),
    ...permissionOf[host],
    isHookHost(host) ? installWords.messagesComeToASessionAtEach : installWords.itTellsNobodyByItselfThatMessages,
    installWords.undoItWithUninstallFor(command, host),
  ]
})

/** In words: what an agent may do is for its owner to say. */
const permissionOf: Readonly<Record<Host, ReadonlyArray<string>>> = {
  codex: [installWords.codexRunsNoHookThatYouHave, installWords.itAsksBeforeAToolAsYour],
  gemini: [installWords.geminiCliAsksBeforeEachToolAlways],
  cursor: [installWords.turnItOnInSettingsMcpCursor],
  opencode: [installWords.seeTheServerWithOpencodeMcpList],
}

export const uninstallFor = Effect.fnUntraced(function* (machine: Machine, host: Host, dryRun: boolean) {
  const targets = yield* hostTargets(host, machine)
  const changes = yield* Effect.forEach(targets, (target) =>
    (dryRun ? preview : carryOut)(machine.home, target.path, unregistering(target)),
  )
  return dryRun ? differencesOf(changes) : pathsWritten("Removed from", changes)
})
