/**
 * Claude Code for tests of `install`: the real one, where its package is installed here or `CLAUDEMESH_TEST_CLAUDE` names it. Else a
 * small script that does to its files what 2.1.332 was seen to do: it writes its settings anew, in a formatting of its own.
 */
import { chmod, writeFile } from "node:fs/promises"
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"

const installed = [
  process.env["CLAUDEMESH_TEST_CLAUDE"] ?? "",
  join(import.meta.dirname, "../../../../node_modules/.bin/claude"),
].find((path) => path !== "" && existsSync(path))

export const isRealClaude = installed !== undefined

const script = `
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
const folder = join(process.env.HOME, ".claude")
mkdirSync(folder, { recursive: true })
const path = join(folder, "settings.json")
const read = () => existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {}
const write = (settings) => writeFileSync(path, JSON.stringify(settings, undefined, 2) + "\\n")
const [what, verb, ...rest] = process.argv.slice(2)
const settings = read()
const id = "claudemesh@claudemesh"
if (what === "--version") console.log("2.1.332 (Claude Code)")
else if (verb === "list") {
  const source = settings.extraKnownMarketplaces?.claudemesh?.source.path
  const plugin = { id, enabled: settings.enabledPlugins?.[id] === true, readFromFolder: source }
  console.log(JSON.stringify(settings.enabledPlugins?.[id] === undefined ? [] : [plugin]))
} else if (verb === "marketplace" && rest[0] === "add") {
  write({ ...settings, extraKnownMarketplaces: { ...settings.extraKnownMarketplaces, claudemesh: { source: { source: "directory", path: rest[1] } } } })
} else if (verb === "marketplace") {
  if (settings.extraKnownMarketplaces?.claudemesh === undefined) process.exit(1)
  delete settings.extraKnownMarketplaces.claudemesh
  write(settings)
} else if (verb === "install" && settings.noPlugins) process.exit(1)
else if (verb === "install") write({ ...settings, enabledPlugins: { ...settings.enabledPlugins, [rest[0]]: true } })
else if (verb === "uninstall") {
  if (settings.enabledPlugins?.[id] === undefined) process.exit(1)
  delete settings.enabledPlugins[id]
  write(settings)
}
`

/** A folder for the PATH, with `claude` in it. */
export const claudeIn = async (folder: string): Promise<string> => {
  if (installed !== undefined) return dirname(installed)
  await writeFile(join(folder, "claude.mjs"), script)
  await writeFile(join(folder, "claude"), `#!/bin/sh\nexec '${process.execPath}' '${folder}/claude.mjs' "$@"\n`)
  await chmod(join(folder, "claude"), 0o755)
  return folder
}
