/**
 * What Claude Code has of us in the folder that the person is in: by its own command, by the user's files, and by the project's. It is read, and
 * nothing is written.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Effect, Option, Result, Schema } from "effect"
import { claudePlaces, foldersWithServer, pluginId, projectFiles } from "../install/ClaudeCode.ts"
import { runHost } from "../install/HostCommand.ts"
import { JsonText } from "../install/JsonEdit.ts"
import { checkMillis } from "../install/Limits.ts"
import type { Machine } from "../install/Machine.ts"
import { homeOf, isOurServer } from "../install/OurEntries.ts"
import { readSettings } from "../install/SettingsFile.ts"

/** A server of ours that a host starts, beside the plugin's. */
export interface ServerSeen {
  readonly path: string
  readonly scope: "user" | "project" | "local"
  /** The folder whose keys it uses, where it says so. */
  readonly home: string | undefined
}

export interface Seen {
  /** Undefined where the host does not say. */
  readonly plugin: "enabled" | "disabled" | "absent" | undefined
  readonly folder: string | undefined
  readonly servers: ReadonlyArray<ServerSeen>
  /** Other folders for which a server of ours was added by hand. */
  readonly foldersWithServer: ReadonlyArray<string>
  /** The project's server was refused by the person. */
  readonly isRefused: boolean
  readonly hooksIn: string | undefined
  readonly hooksOffIn: string | undefined
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

/** Undefined where there is none, or none that is understood. */
const jsonAt = (path: string) =>
  readSettings(path).pipe(
    Effect.map((text = "") => Option.getOrUndefined(Result.getSuccess(JsonText.parse(text.replace(/^\uFEFF/, ""))))),
    Effect.orElseSucceed(() => undefined),
  )

/** `project`: the folder that the person is in. */
export const whatClaudeHas = Effect.fnUntraced(function* (
  { user }: Machine,
  claude: string | undefined,
  project: string,
) {
  const places = yield* claudePlaces
  const ofProject = projectFiles(project)
  const servers = yield* jsonAt(places.userServers)
  const list =
    claude === undefined
      ? undefined
      : Option.getOrUndefined(
          decodeList(
            (yield* runHost(claude, ["plugin", "list", "--json"], existsSync(user) ? user : "/", checkMillis)).stdout,
          ),
        )
  const plugin = list?.find(({ id }) => id === pluginId)
  const local = ["projects", project, "mcpServers", "claudemesh"]
  const refused = servers?.valueAt(["projects", project, "disabledMcpjsonServers"])
  const settings = [places.userSettings, ofProject.settings, join(project, ".claude/settings.local.json")]
  const read = yield* Effect.forEach(settings, (path) => Effect.map(jsonAt(path), (json) => ({ path, json })))
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
    servers: [
      ...seenAt("user", places.userServers, servers?.valueAt(["mcpServers", "claudemesh"])),
      ...seenAt(
        "project",
        ofProject.servers,
        (yield* jsonAt(ofProject.servers))?.valueAt(["mcpServers", "claudemesh"]),
      ),
      ...seenAt("local", places.userServers, servers?.valueAt(local)),
    ],
    foldersWithServer: foldersWithServer(servers?.text ?? "").filter((folder) => folder !== project),
    isRefused: Array.isArray(refused) && refused.includes("claudemesh"),
    hooksIn: read.find(({ json }) => hasOurHooks(json))?.path,
    hooksOffIn: read.find(({ json }) => json?.valueAt(["disableAllHooks"]) === true)?.path,
  } satisfies Seen
})

const seenAt = (scope: ServerSeen["scope"], path: string, value: unknown): ReadonlyArray<ServerSeen> =>
  isOurServer(value) ? [{ scope, path, home: homeOf(value) }] : []

const hasOurHooks = (json: JsonText | undefined): boolean =>
  /"server":\s*"claudemesh"/.test(JSON.stringify(json?.valueAt(["hooks"]) ?? {}))
