/**
 * The plugin where it stays: `plugin` beside the config file, and `run` with the program and its runtime. Claude Code reads it in
 * place and copies it into a cache besides, so the runtime is linked into it: a copy of it would be 100 MB more.
 */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { dirname, join, relative } from "node:path"
import { makeHome } from "@claudemesh/client/local/Home"
import { Effect, Result } from "effect"
import { Failed, failed } from "../Failed.ts"
import { builtIn } from "../Launch.ts"
import { JsonText } from "./JsonEdit.ts"
import { pluginIn, runIn } from "./Places.ts"
import { usualHome, withinQuotes } from "./WakeHooks.ts"
import * as installWords from "../words/install.ts"

/** As it comes with this program: beside the built one, or in the sources. */
export const pluginSource = (): string => {
  const places =
    builtIn === undefined
      ? [join(import.meta.dirname, "../../../plugin")]
      : [join(builtIn, "plugin"), join(builtIn, "../plugin"), join(builtIn, "../packages/plugin")]
  return places.find((place) => existsSync(join(place, ".claude-plugin/plugin.json"))) ?? places[0] ?? ""
}

/** `environment` is for the server: a home that is not the usual one. */
export const placePlugin = Effect.fnUntraced(function* (home: string, environment: Readonly<Record<string, string>>) {
  yield* Effect.mapError(makeHome(home), failed)
  const from = pluginSource()
  const to = pluginIn(home)
  return yield* Effect.try({
    try: () => {
      const names = filesUnder(from).map((path) => relative(from, path))
      for (const name of names)
        put(join(to, name), contentOf(join(from, name), name, environment), modeOf(join(from, name)))
      // What an earlier version had, and this one has not.
      const stale = filesUnder(to).filter((path) => !names.includes(relative(to, path)))
      for (const path of stale) rmSync(path)
      link(join(to, "run"), "../run")
      return to
    },
    catch: (error) => new Failed({ reason: installWords.thePluginCannotBePutThere(to, String(error)) }),
  })
})

export const removePlugin = (home: string): void => {
  for (const folder of [pluginIn(home), runIn(home)]) rmSync(folder, { recursive: true, force: true })
  rmSync(join(home, "wake/last.json"), { force: true })
  for (const folder of ["wake", "hooks"]) removeIfEmpty(join(home, folder))
}

/** A session that is open has something there. */
const removeIfEmpty = (folder: string): void => {
  try {
    rmdirSync(folder)
  } catch {
    // It stays.
  }
}

/** Without following links, and without the runtime. */
const filesUnder = (folder: string): ReadonlyArray<string> =>
  !existsSync(folder)
    ? []
    : readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name)
        if (entry.isDirectory()) return filesUnder(path)
        return entry.isFile() && entry.name !== "package.json" ? [path] : []
      })

const modeOf = (path: string): number => statSync(path).mode & 0o777

/** What names the home is written for this one, where it is not the usual one. */
const contentOf = (path: string, name: string, environment: Readonly<Record<string, string>>): Uint8Array => {
  const bytes = readFileSync(path)
  if (name === ".mcp.json") return Buffer.from(withEnvironment(bytes.toString(), environment))
  const home = environment["CLAUDEMESH_HOME"]
  return name === "monitors/monitors.json" && home !== undefined
    ? Buffer.from(bytes.toString().replaceAll(usualHome, () => JSON.stringify(withinQuotes(home)).slice(1, -1)))
    : bytes
}

const withEnvironment = (text: string, environment: Readonly<Record<string, string>>): string => {
  const json = Result.getOrThrow(JsonText.parse(text))
  for (const [name, value] of Object.entries(environment)) json.set(["mcpServers", "claudemesh", "env", name], value)
  return Result.getOrThrow(json.changed).text
}

/** Renamed into its place: a session may be reading. */
const put = (path: string, bytes: Uint8Array, mode: number): void => {
  if (existsSync(path) && Buffer.compare(readFileSync(path), bytes) === 0) return
  mkdirSync(dirname(path), { recursive: true })
  const beside = `${path}.${process.pid}.tmp`
  writeFileSync(beside, bytes)
  chmodSync(beside, mode)
  renameSync(beside, path)
}

const link = (path: string, to: string): void => {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found?.isSymbolicLink() === true && readlinkSync(path) === to) return
  if (found !== undefined) rmSync(path, { recursive: true, force: true })
  symlinkSync(to, path)
}
