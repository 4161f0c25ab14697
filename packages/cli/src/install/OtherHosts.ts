/**
 * Hosts beside Claude Code, by the files that they read: measured with Codex CLI 0.171.0, Gemini CLI 0.61.0 and opencode 1.18.33,
 * whose own commands list what is written here; of Cursor by its documentation.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Config, Effect, Option } from "effect"
import { command } from "../Launch.ts"
import type { Target } from "./ClaudeCode.ts"
import type { Host } from "./Hosts.ts"
import { type Machine, placeProgram, serverOfMachine } from "./Machine.ts"
import { isOurServer, type ServerEntry } from "./OurEntries.ts"
import { carryOut, preview, registering, unregistering } from "./Registering.ts"
import { differencesOf, pathsWritten } from "./Shown.ts"

export const hostNames: Readonly<Record<Host, string>> = {
  codex: "Codex CLI",
  gemini: "Gemini CLI",
  cursor: "Cursor",
  opencode: "opencode",
}

const folderNamed = (variable: string, usual: string) =>
  Effect.map(Config.option(Config.NonEmptyString(variable)), (found) => Option.getOrElse(found, () => usual))

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

export const hostTarget = Effect.fnUntraced(function* (host: Host, machine: Machine) {
  const path = yield* hostFile(host, machine)
  return { path, entries: [entryOf(host, serverOfMachine(machine))] } satisfies Target
})

export const installFor = Effect.fnUntraced(function* (machine: Machine, host: Host, dryRun: boolean) {
  const target = yield* hostTarget(host, machine)
  const would = yield* preview(machine.home, target.path, registering(target))
  if (dryRun) return would.after === would.before ? ["Nothing would be changed."] : differencesOf([would])
  yield* placeProgram(machine)
  const { replaced } = yield* carryOut(machine.home, target.path, registering(target))
  return [
    would.after === would.before
      ? `${hostNames[host]} has the server already: ${target.path}`
      : `${hostNames[host]} has the server from its next start on: it is written into ${target.path}.`,
    ...(replaced.length > 0 ? ["An older entry of claudemesh there is replaced."] : []),
    ...permissionOf[host],
    "It tells nobody by itself that messages wait: let the agent call check_messages now and then.",
    `Undo it with: ${command} uninstall --for ${host}`,
  ]
})

/** In words: what an agent may do is for its owner to say. */
const permissionOf: Readonly<Record<Host, ReadonlyArray<string>>> = {
  codex: ["Codex asks as your approval policy says. See the server with: codex mcp list"],
  gemini: [
    'Gemini CLI asks before each tool; "Always allow" in its question is for all of this server. It starts servers in trusted folders only.',
  ],
  cursor: ["Turn it on in Settings, MCP; Cursor asks before each tool unless you allow it there."],
  opencode: ["See the server with: opencode mcp list"],
}

export const uninstallFor = Effect.fnUntraced(function* (machine: Machine, host: Host, dryRun: boolean) {
  const target = yield* hostTarget(host, machine)
  const change = yield* (dryRun ? preview : carryOut)(machine.home, target.path, unregistering(target))
  return dryRun ? differencesOf([change]) : pathsWritten("Removed from", [change])
})
