/**
 * `npm run bench:commands [-- --runs N --only NAME --work]`: what each command takes beside an empty script of the same runtime and its round
 * trips to the broker, which are measured as bare exchanges with that broker. Exit code 1 where one takes longer than 1.5 × the
 * empty script + 120 ms beyond them. All commands in turn, so that a busy moment of the machine meets them all.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Effect } from "effect"
import { installRunnable } from "../packages/cli/src/Runnable.ts"
import { freePort } from "./Server.ts"
import { median, untilEnd, workUntilEnd } from "./startup.ts"

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "9" },
    only: { type: "string" },
    work: { type: "boolean", default: false },
  },
})
const runs = Number(values.runs)
/** On a machine that others use as well, what the processors do says more than the clock. */
const measure = values.work ? workUntilEnd : untilEnd
const [ratio, moreMillis] = [1.5, 120]

const folder = mkdtempSync(join(tmpdir(), "claudemesh-bench-"))
const built = await Effect.runPromise(installRunnable(join(folder, "run")))
const empty = join(folder, "empty.js")
writeFileSync(empty, "")
const port = await freePort()
const base = {
  HOME: folder,
  CLAUDEMESH_BROKER: `ws://127.0.0.1:${port}/ws`,
  CLAUDEMESH_PASSPHRASE: "four words of a bench",
}

const homeOf = (name: string) => {
  const home = join(folder, name)
  mkdirSync(home, { recursive: true, mode: 0o700 })
  return { ...base, CLAUDEMESH_HOME: home }
}
const start = (home: string, args: ReadonlyArray<string>) => ({
  command: [built.launcher, ...args],
  environment: homeOf(home),
})

const printed = async (home: string, args: ReadonlyArray<string>): Promise<string> => {
  const { command, environment } = start(home, args)
  const child = Bun.spawn(command, {
    env: { PATH: process.env["PATH"] ?? "", ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  })
  const text = await child.stdout.text()
  if ((await child.exited) !== 0) throw new Error(`it failed: ${args.join(" ")}`)
  return text.trim()
}

const broker = Bun.spawn([built.launcher, "broker"], {
  env: { PATH: process.env["PATH"] ?? "", ...base, BROKER_PORT: String(port), BROKER_DATA_DIR: join(folder, "data") },
  stdin: "ignore",
  stdout: "pipe",
  stderr: "inherit",
})
await broker.stdout.getReader().read()

/** A connection of its own, a question and its answer. */
const exchange = async () => {
  const begun = performance.now()
  await (await fetch(`http://127.0.0.1:${port}/health`, { headers: { connection: "close" } })).text()
  return performance.now() - begun
}

interface Measured {
  readonly name: string
  readonly args: (run: number) => ReadonlyArray<string> | Promise<ReadonlyArray<string>>
  readonly home?: (run: number) => string
  /** With the broker: connection, hello, and what it asks. */
  readonly trips: number
}

/** Each run joins as somebody of its own, whom the command under test then takes out. */
const somebody = (name: string, link: string) => async (run: number) => {
  await printed(`${name}-${run}`, ["join", link, "--as", `${name}-${run}`, "--yes"])
  return `${name}-${run}`
}

const measuredWith = (link: string, messageId: string): ReadonlyArray<Measured> => [
  ...[
    ["--version"],
    ["--help"],
    ["help", "send"],
    ["list"],
    ["whoami"],
    ["outbox"],
    ["privacy"],
    ["completion", "bash"],
  ].map((args) => ({ name: args.join(" "), args: () => args, trips: 0 })),
  ...["status", "peers", "channels", "inbox", "inbox --peek", "invites"].map((line) => ({
    name: line,
    args: () => line.split(" "),
    trips: 4,
  })),
  { name: "inbox --history", args: () => ["inbox", "--history"], trips: 0 },
  {
    name: "create",
    args: (run) => ["create", `made-${run}`, "--as", "alice"],
    home: (run) => `maker-${run}`,
    trips: 3,
  },
  { name: "invite", args: () => ["invite"], trips: 2 },
  {
    name: "join",
    args: (run) => ["join", link, "--as", `joins-${run}`, "--yes"],
    home: (run) => `joins-${run}`,
    trips: 4,
  },
  { name: "send", args: () => ["send", "bob", "the build is green"], trips: 5 },
  { name: "reply", args: () => ["reply", messageId, "yes"], trips: 5 },
  { name: "message-status", args: () => ["message-status", messageId], home: () => "bob", trips: 4 },
  { name: "verify", args: () => ["verify", "bob"], trips: 4 },
  { name: "rename", args: (run) => ["rename", "bob", `Robert ${run}`], trips: 4 },
  {
    name: "revoke",
    args: async (run) => ["revoke", await somebody("out", link)(run), "--yes"],
    trips: 5,
  },
  {
    name: "leave",
    args: async (run) => {
      await somebody("goes", link)(run)
      return ["leave", "bench", "--yes"]
    },
    home: (run) => `goes-${run}`,
    trips: 5,
  },
  { name: "export", args: (run) => ["export", join(folder, `export-${run}.json`)], trips: 0 },
]

/** A passphrase is stretched on purpose, so that guessing costs as much. */
const slowOnPurpose = new Set(["export"])

try {
  await printed("alice", ["create", "bench", "--as", "alice"])
  const link = await printed("alice", ["invite", "--uses", "1000"])
  await printed("bob", ["join", link, "--as", "bob", "--yes"])
  const { messageId } = JSON.parse(await printed("bob", ["send", "alice", "hello", "--json"]))
  await printed("alice", ["inbox"])
  const measured = measuredWith(link, messageId).filter(({ name }) => values.only === undefined || name === values.only)

  const found = new Map<string, Array<number>>()
  const add = (name: string, millis: number) => found.set(name, [...(found.get(name) ?? []), millis])
  for (let run = 0; run < runs; run += 1) {
    add("", await measure({ command: [built.bun, ...built.flags, empty], environment: base }))
    add("exchange", await exchange())
    for (const { args, home = () => "alice", name } of measured) {
      const line = await args(run)
      add(name, await measure(start(home(run), line)))
    }
  }
  const of = (name: string) => median(found.get(name) ?? [])
  const emptyMillis = of("")
  const tripMillis = of("exchange")
  const bound = ratio * emptyMillis + moreMillis
  console.log(`an empty script ${emptyMillis.toFixed(0)} ms, a bare exchange ${tripMillis.toFixed(1)} ms, ${runs} runs`)
  console.log(`bound ${ratio} × empty + ${moreMillis} ms = ${bound.toFixed(0)} ms beyond the round trips\n`)
  console.log("command             ms  trips ms  beyond  × empty  within")
  let over = 0
  for (const { name, trips } of measured) {
    const all = of(name)
    const beyond = all - trips * tripMillis
    const isWithin = beyond <= bound || slowOnPurpose.has(name)
    if (!isWithin) over += 1
    const cells = [
      all.toFixed(0),
      (trips * tripMillis).toFixed(1),
      beyond.toFixed(0),
      (beyond / emptyMillis).toFixed(2),
    ]
    const verdict = beyond <= bound ? "yes" : isWithin ? "on purpose" : "NO"
    console.log(`${name.padEnd(16)} ${cells.map((cell) => cell.padStart(7)).join(" ")}   ${verdict}`)
  }
  process.exitCode = over === 0 ? 0 : 1
} finally {
  broker.kill("SIGKILL")
  await broker.exited
  rmSync(folder, { recursive: true, force: true })
}
