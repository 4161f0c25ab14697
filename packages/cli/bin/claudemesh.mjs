#!/usr/bin/env node
// Starts the command under Bun, which `npm ci` installed: a fresh machine has only Node. Bun obeys what lies in the folder
// it is started in: bunfig.toml, .env files, tsconfig.json, package.json. That folder may be anybody's, and this program
// holds keys. So Bun starts in the folder of this file, is told to read nothing else, and goes back by itself. The script
// `claudemesh` beside this file does the same without Node, which takes 40 ms less and, before Node 22.15, 42 MiB.
import { spawn } from "node:child_process"
import { existsSync, readdirSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { constants } from "node:os"
import { basename, delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

// Keys are kept from others by modes of files, and what stdout has taken is asked of the system: neither is done there yet.
if (process.platform === "win32") {
  console.error("claudemesh: This does not run on Windows yet. Run it in WSL, the Linux inside Windows.")
  process.exit(1)
}

const here = dirname(fileURLToPath(import.meta.url))
const isProgram = (file) => existsSync(file) && statSync(file).size > 1_000_000

/** Beside this file where `claudemesh install` has put both, else as npm has installed it: in the package of the platform
 * until install scripts have run, which npm may be told not to do. */
const findBun = () => {
  const beside = join(here, "bun")
  if (isProgram(beside)) return beside
  try {
    const npms = dirname(createRequire(import.meta.url).resolve("bun/package.json"))
    const installed = join(npms, "bin/bun.exe")
    const modules = join(npms, "../@oven")
    const platforms = existsSync(modules) ? readdirSync(modules).map((name) => join(modules, name, "bin/bun")) : []
    return [installed, ...platforms].find(isProgram) ?? installed
  } catch {
    return beside
  }
}

const bun = findBun()
const built = join(here, "claudemesh.js")
const args = [
  "--no-env-file",
  "--no-install",
  `--config=${join(here, "bunfig.toml")}`,
  `--tsconfig-override=${join(here, "tsconfig.json")}`,
  existsSync(built) ? built : join(here, "../src/start.ts"),
  ...process.argv.slice(2),
]

/** Undefined where nobody can go back to, such as a folder that was deleted: the flags have to do there. */
const startedIn = () => {
  try {
    const folder = process.cwd()
    process.chdir(folder)
    return folder
  } catch {
    return undefined
  }
}

const folder = startedIn()

/** What a person types in this folder to start this command again, for its hints. */
const startedAs = () => {
  const path = process.argv[1] ?? ""
  const bin = dirname(path)
  // Not by its name alone where npx has found it: elsewhere that name may be a stranger's.
  const byNpx = bin.endsWith(join("node_modules", ".bin"))
  if (basename(path) === "claudemesh" && !byNpx && (process.env.PATH ?? "").split(delimiter).includes(bin))
    return "claudemesh"
  return /^[\w@%+=:,./-]+$/.test(path) ? `node ${path}` : `node '${path.replaceAll("'", String.raw`'\''`)}'`
}

/** As in the script beside this file. */
const compilers = (first) => {
  if (first === "mcp")
    return { BUN_JSC_useDFGJIT: "0", BUN_JSC_useOMGJIT: "0", BUN_JSC_thresholdForJITAfterWarmUp: "4000" }
  if (first === "broker") return {}
  return { BUN_JSC_thresholdForJITAfterWarmUp: "4000", BUN_JSC_thresholdForOptimizeAfterWarmUp: "10000" }
}

const { CLAUDEMESH_STARTED_IN: _, ...inherited } = process.env
const env = {
  ...inherited,
  CLAUDEMESH_STARTED_AS: startedAs(),
  ...(folder !== undefined && { CLAUDEMESH_STARTED_IN: folder }),
  ...compilers(process.argv[2]),
  // Without a home Bun would keep what it has compiled in the folder that it is started in.
  ...((process.env.HOME ?? "") === "" && { BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" }),
}
if (folder !== undefined) process.chdir(here)

// In this process where Node can: there is no second one to pass signals through, and to wait for. A failure would end it
// without a word, so what is no program, such as what stands in for Bun until it is installed, is left to spawn.
if (isProgram(bun) && process.execve !== undefined) process.execve(bun, [bun, ...args], env)

const child = spawn(bun, args, { stdio: "inherit", env })
const signals = ["SIGINT", "SIGTERM", "SIGHUP"]
for (const signal of signals) process.on(signal, () => child.kill(signal))
child.on("error", (error) => {
  console.error(
    `claudemesh: Bun did not start (${error.message}). Install claudemesh again, optional dependencies included.`,
  )
  process.exit(1)
})
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code)
  // The same end as the program's own.
  for (const passed of signals) process.removeAllListeners(passed)
  process.exitCode = 128 + constants.signals[signal]
  process.kill(process.pid, signal)
})
