/**
 * What Claude Code reads, measured with 2.1.332: servers of a user in `~/.claude.json`, hooks in `~/.claude/settings.json`; of a
 * project in `.mcp.json` and `.claude/settings.json`. `CLAUDE_CONFIG_DIR` moves the first two. Here is what of ours goes where,
 * as a plugin and without one.
 */
import { join } from "node:path"
import { accountHome, expanded } from "@claudemesh/client/local/Home"
import { Config, Effect, Schema } from "effect"
import { hookEntries, isOurServer, serverEntry, type ServerEntry } from "./OurEntries.ts"
import type { PluginHooks } from "./PluginHooks.ts"
import type { Entry } from "./Registration.ts"

export interface Target {
  readonly path: string
  readonly entries: ReadonlyArray<Entry>
}

export interface ClaudePlaces {
  readonly userSettings: string
  readonly userServers: string
}

export const userHome = accountHome

export const claudePlaces = Effect.gen(function* () {
  const user = yield* userHome
  const moved = yield* Config.option(Config.NonEmptyString("CLAUDE_CONFIG_DIR"))
  if (moved._tag === "Some") {
    const folder = expanded(moved.value, user)
    return { userSettings: join(folder, "settings.json"), userServers: join(folder, ".claude.json") }
  }
  return { userSettings: join(user, ".claude/settings.json"), userServers: join(user, ".claude.json") }
})

export const pluginName = "claudemesh"
export const pluginId = `${pluginName}@${pluginName}`

const serverPath = ["mcpServers", "claudemesh"]

/** Without a plugin: the server where servers are, the hooks in the settings. */
export const settingsTargets = (
  files: { readonly servers: string; readonly settings: string },
  server: ServerEntry,
  hooks: PluginHooks,
): ReadonlyArray<Target> => [
  {
    path: files.servers,
    entries: [{ kind: "property", path: serverPath, value: serverEntry(server), isOurs: isOurServer }],
  },
  { path: files.settings, entries: hookEntries(hooks) },
]

export const projectFiles = (folder: string) => ({
  servers: join(folder, ".mcp.json"),
  settings: join(folder, ".claude/settings.json"),
})

/** What `claude plugin marketplace add` and `install` write. It is written by us once more, since they lose the formatting. */
export const pluginTarget = (places: ClaudePlaces, directory: string): Target => ({
  path: places.userSettings,
  entries: [
    {
      kind: "property",
      path: ["extraKnownMarketplaces", pluginName],
      value: { source: { source: "directory", path: directory } },
      isOurs: () => true,
    },
    { kind: "property", path: ["enabledPlugins", pluginId], value: true, isOurs: () => true },
  ],
})

/** Beside a plugin a server of ours would be there twice. */
export const olderServer = (places: ClaudePlaces): Target => ({
  path: places.userServers,
  entries: [{ kind: "absence", path: serverPath, value: undefined, isOurs: isOurServer }],
})

const Projects = Schema.Struct({
  projects: Schema.Record(
    Schema.String,
    Schema.Struct({ mcpServers: Schema.optional(Schema.Record(Schema.String, Schema.Unknown)) }),
  ),
})
const decodeProjects = Schema.decodeUnknownOption(Schema.fromJsonString(Projects))

/** Folders for which a server of ours was added by hand, which is what `claude mcp add` does without `--scope`. */
export const foldersWithServer = (text: string): ReadonlyArray<string> => {
  const found = decodeProjects(text.replace(/^\uFEFF/, ""))
  if (found._tag === "None") return []
  return Object.entries(found.value.projects)
    .filter(([, { mcpServers }]) => isOurServer(mcpServers?.["claudemesh"]))
    .map(([folder]) => folder)
}
