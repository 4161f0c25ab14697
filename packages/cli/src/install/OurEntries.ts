/** What of ours a host is told: how the server is started, and the hooks. And how to know again what we wrote, of any version. */
import { Option, Schema } from "effect"
import type { HookHost } from "../host/OtherHost.ts"
import type { Runnable } from "../Runnable.ts"
import type { Entry } from "./Registration.ts"
import { Group, Handler, type PluginHooks } from "./PluginHooks.ts"
import { isCommandHook } from "./CommandHooks.ts"
import { isWakeHook } from "./WakeHooks.ts"

export interface ServerEntry {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
}

/**
 * `home`: only where it is not the usual one, so that a host's own environment may still name another. `host`: one whose hooks are
 * commands, which the server has to hear.
 */
export const serverOf = (runnable: Runnable, home: string | undefined, host?: HookHost): ServerEntry => ({
  command: runnable.bun,
  args: [...runnable.flags, runnable.entry, "mcp"],
  env: {
    ...runnable.environment,
    ...(home !== undefined && { CLAUDEMESH_HOME: home }),
    ...(host !== undefined && { CLAUDEMESH_HOST: host }),
  },
})

/** `alwaysLoad`: the tools are in each request, instead of only their names. */
export const serverEntry = (server: ServerEntry) => ({ ...server, alwaysLoad: true })

const Environment = Schema.optional(Schema.Record(Schema.String, Schema.String))
const Server = Schema.Struct({
  /** opencode has one list of both. */
  command: Schema.Union([Schema.String, Schema.Array(Schema.String)]),
  args: Schema.optional(Schema.Array(Schema.String)),
  env: Environment,
  environment: Environment,
})
const decodeServer = Schema.decodeUnknownOption(Server)

/** Empty for what is no server. */
const wordsOf = (value: unknown): ReadonlyArray<string> =>
  Option.match(decodeServer(value), {
    onNone: () => [],
    onSome: ({ args = [], command }) => [...(typeof command === "string" ? [command] : command), ...args],
  })

const isOurProgram = (word: string): boolean => /(^|[/\\])claudemesh(\.mjs|\.js)?$|cli\/src\/main\.ts$/.test(word)

/** It starts this program as an MCP server, by the launcher, by the sources, or as installed. */
export const isOurServer = (value: unknown): boolean => {
  const words = wordsOf(value)
  return words.includes("mcp") && words.some(isOurProgram)
}

/** Where it keeps its keys, if it says so. */
export const homeOf = (value: unknown): string | undefined => {
  const server = Option.getOrUndefined(decodeServer(value))
  return (server?.env ?? server?.environment)?.["CLAUDEMESH_HOME"]
}

/** What it was told beside `mcp`, such as `--tag reviewer`. */
export const flagsOf = (value: unknown): ReadonlyArray<string> => {
  const words = wordsOf(value)
  return words.slice(words.indexOf("mcp") + 1)
}

const decodeGroup = Schema.decodeUnknownOption(Group)

/** The server's name as hooks of the plugin have it, and without a plugin. */
const serverNames: ReadonlySet<unknown> = new Set(["plugin:claudemesh:claudemesh", "claudemesh"])

const isOurHandler = ({ command, server, type }: typeof Handler.Type): boolean =>
  type === "mcp_tool" ? serverNames.has(server) : isWakeHook(command) || isCommandHook(command)

const isOurGroup = (value: unknown): boolean =>
  Option.exists(decodeGroup(value), ({ hooks }) => hooks.length > 0 && hooks.every(isOurHandler))

/** For the settings: the server has another name there. */
export const hookEntries = ({ hooks }: PluginHooks): ReadonlyArray<Entry> => [
  { kind: "sweep", path: ["hooks"], value: Object.keys(hooks), isOurs: isOurGroup },
  ...Object.entries(hooks).map(([event, groups]): Entry => ({
    kind: "elements",
    path: ["hooks", event],
    value: groups.map((group) => ({ ...group, hooks: group.hooks.map(outsideOfPlugin) })),
    isOurs: isOurGroup,
  })),
]

/**
 * Whatever may have been installed in a settings file of any host, to take it out: servers that are started from that folder. One
 * that was made by hand stays.
 */
export const installedEntries = (folder: string): ReadonlyArray<Entry> => [
  ...["mcpServers", "mcp", "mcp_servers"].map((servers): Entry => ({
    kind: "property",
    path: [servers, "claudemesh"],
    value: undefined,
    isOurs: (value) => isOurServer(value) && wordsOf(value).some((word) => word.startsWith(`${folder}/`)),
  })),
  { kind: "sweep", path: ["hooks"], value: [], isOurs: isOurGroup },
]

const outsideOfPlugin = (handler: typeof Handler.Type) =>
  handler.type === "mcp_tool" && serverNames.has(handler["server"]) ? { ...handler, server: "claudemesh" } : handler
