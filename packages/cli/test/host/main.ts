/**
 * `npm run test:host [-- words of a scenario's name]`: the scenarios with the real Claude Code, and a table of what was seen.
 * Where it is not installed, npm puts this exact version into a cache folder: it is no dependency of ours.
 */
import { mkdirSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { claudePath, hasTmux } from "./RealHost.ts"
import { type Seen, scenarios } from "./Scenarios.ts"
import { World } from "./World.ts"

const version = "2.1.332"

const installed = (): string => {
  const folder = join(
    process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
    `claudemesh-test/claude-code-${version}`,
  )
  mkdirSync(folder, { recursive: true })
  const words = [
    "npm",
    "install",
    "--prefix",
    folder,
    "--no-audit",
    "--no-fund",
    `@anthropic-ai/claude-code@${version}`,
  ]
  if (Bun.spawnSync(words, { stdio: ["ignore", "inherit", "inherit"] }).exitCode !== 0) {
    throw new Error(
      `Claude Code ${version} could not be installed. Set CLAUDEMESH_TEST_CLAUDE to the path of a claude.`,
    )
  }
  return join(folder, "node_modules/.bin/claude")
}

const claude = claudePath() ?? installed()
if (!hasTmux()) throw new Error("The interactive program needs tmux. Install it, then run this again.")
const wanted = process.argv.slice(2)
const chosen = scenarios.filter(({ name }) => wanted.every((word) => name.includes(word)))

const rows: Array<Seen> = []
const failed: Array<string> = []
for (const { name, run } of chosen) {
  const world = await World.begin(claude)
  try {
    rows.push(...(await run(world)))
    console.error(`ok      ${name}`)
  } catch (error) {
    failed.push(name)
    if (process.env["CLAUDEMESH_TEST_SCREENS"] !== undefined) console.error(world.screens())
    console.error(`FAILED  ${name}: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    await world.end()
  }
}

const width = Math.max(...rows.map(({ scenario }) => scenario.length), 8)
console.log(`\n${"scenario".padEnd(width)}  requests      ms  what stood in the request`)
for (const { millis, requests, scenario, stood } of rows) {
  console.log(
    `${scenario.padEnd(width)}  ${String(requests).padStart(8)}  ${(Number.isNaN(millis) ? "-" : String(millis)).padStart(6)}  ${stood}`,
  )
}
console.log(`\n${chosen.length - failed.length} of ${chosen.length} scenarios as promised, with ${claude}`)
process.exit(failed.length === 0 ? 0 : 1)
