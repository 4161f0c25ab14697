/**
 * `npm run bench:start [-- --runs N] [--only broker|command]`: what a start of the command and of the broker costs, beside an empty script of
 * the same runtime: from the sources and from the build, by each way of starting it. Medians, with all ways taken in turn, so that a
 * busy moment of the machine meets them all.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Effect } from "effect"
import { installRunnable } from "../packages/cli/src/Runnable.ts"
import { freePort } from "./Server.ts"
import { initialized, median, type Readied, readied, type Start, untilEnd, workUntilEnd } from "./startup.ts"

const { values } = parseArgs({ options: { runs: { type: "string", default: "15" }, only: { type: "string" } } })
const runs = Number(values.runs)

const folder = mkdtempSync(join(tmpdir(), "claudemesh-bench-"))
const built = await Effect.runPromise(installRunnable(join(folder, "run")))
const empty = join(folder, "empty.js")
writeFileSync(empty, "")

const bin = join(import.meta.dirname, "../packages/cli/bin")
const ways = {
  "the build, by Bun": [built.bun, ...built.flags, built.entry],
  "the same, with its environment": [
    "env",
    ...Object.entries(built.environment).map(([name, value]) => `${name}=${value}`),
    built.bun,
    ...built.flags,
    built.entry,
  ],
  "the build, by its launcher": [built.launcher],
  "the build, by Node": ["node", join(folder, "run/claudemesh.mjs")],
  "the sources, by their launcher": [join(bin, "claudemesh")],
  "the sources, by Node": ["node", join(bin, "claudemesh.mjs")],
} as const

const seconds = 5
const environment = { HOME: folder, CLAUDEMESH_HOME: join(folder, "none") }
const at = (command: ReadonlyArray<string>, more: Readonly<Record<string, string>> = {}): Start => ({
  command,
  environment: { ...environment, ...more },
})

/** Until it listens. */
const startBroker = async () => {
  const broker = Bun.spawn([built.launcher, "broker"], {
    env: {
      PATH: process.env["PATH"] ?? "",
      ...environment,
      BROKER_PORT: "7999",
      BROKER_DATA_DIR: join(folder, "data"),
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  })
  await broker.stdout.getReader().read()
  return broker
}

const inTurn = async <Name extends string>(measures: Readonly<Record<Name, () => Promise<number>>>, times: number) => {
  const found = new Map<string, Array<number>>()
  for (let run = 0; run < times; run += 1) {
    for (const [name, measure] of Object.entries<() => Promise<number>>(measures)) {
      const all = found.get(name) ?? []
      found.set(name, all)
      all.push(await measure())
    }
  }
  return found
}

const print = (title: string, unit: string, found: ReadonlyMap<string, ReadonlyArray<number>>) => {
  console.log(`\n${title}`)
  for (const [name, all] of found) {
    console.log(
      `  ${name.padEnd(48)} ${median(all).toFixed(0).padStart(5)} ${unit}   (least ${Math.min(...all).toFixed(0)})`,
    )
  }
}

const eachWay = (measure: (command: ReadonlyArray<string>) => Promise<number>) =>
  Object.fromEntries(Object.entries(ways).map(([name, command]) => [name, () => measure(command)]))

const nothing = { "an empty script, by Bun": () => untilEnd(at([built.bun, ...built.flags, empty])) }

const benchCommand = async () => {
  const broker = await startBroker()
  try {
    const homes = join(folder, "homes")
    await untilEnd(at([built.launcher, "seed-test-mesh", "--into", homes, "--broker", "ws://127.0.0.1:7999/ws"]))
    const member = { CLAUDEMESH_HOME: join(homes, "alice") }
    print("--help", "ms ", await inTurn({ ...nothing, ...eachWay((way) => untilEnd(at([...way, "--help"]))) }, runs))
    print(
      "list",
      "ms ",
      await inTurn({ ...nothing, ...eachWay((way) => untilEnd(at([...way, "list"], member))) }, runs),
    )
    const first = async (way: ReadonlyArray<string>) => (await initialized(at([...way, "mcp"]), 0)).millis
    print("mcp, until initialize is answered", "ms ", await inTurn({ ...nothing, ...eachWay(first) }, runs))
    const held = async (way: ReadonlyArray<string>) =>
      (await initialized(at([...way, "mcp"], member), seconds * 1_000)).megabytes
    print(`mcp, a mesh joined, after ${seconds} s`, "MiB", await inTurn(eachWay(held), 3))
  } finally {
    broker.kill("SIGKILL")
    await broker.exited
  }
}

const brokerWays = {
  "the build, by Bun": [...ways["the build, by Bun"], "broker"],
  "the build, by its launcher": [built.launcher, "broker"],
  "the sources, as by npm start": [built.bun, ...built.flags, join(bin, "../../broker/src/main.ts")],
} as const

const benchBroker = async () => {
  const port = await freePort()
  let starts = 0
  const beginning = (dataDir: () => string) => {
    const measure = (command: ReadonlyArray<string>) => () => readied(at(command, { BROKER_DATA_DIR: dataDir() }), port)
    return Object.entries(brokerWays).map(([way, command]) => [way, measure(command)] as const)
  }
  const cases: ReadonlyArray<readonly [string, () => Promise<Readied>]> = [
    ...beginning(() => join(folder, `fresh-${(starts += 1)}`)).map(
      ([way, run]) => [`${way}, nothing stored`, run] as const,
    ),
    ...beginning(() => join(folder, "data")).map(([way, run]) => [`${way}, its folder is there`, run] as const),
  ]
  // The folder that is there is made by the first, and what Bun keeps of what it has compiled is there for all that are measured.
  for (const [, run] of cases) await run()
  const emptyStart = at([built.bun, ...built.flags, empty])
  const [millis, work] = [new Map<string, Array<number>>(), new Map<string, Array<number>>()]
  const add = (name: string, figures: Readied) => {
    millis.set(name, [...(millis.get(name) ?? []), figures.millis])
    work.set(name, [...(work.get(name) ?? []), figures.work])
  }
  for (let run = 0; run < runs; run += 1) {
    add("an empty script, by Bun", { millis: await untilEnd(emptyStart), work: await workUntilEnd(emptyStart) })
    for (const [name, measure] of cases) add(name, await measure())
  }
  print("broker, until it is ready", "ms ", millis)
  print("broker, what the processors do until it is ready", "ms ", work)
}

try {
  if (values.only !== "broker") await benchCommand()
  if (values.only !== "command") await benchBroker()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
