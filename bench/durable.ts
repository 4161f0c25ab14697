/**
 * How fast the broker is with everything it promises, beside the least program that keeps the same promise, in
 * turn in one run. 10 senders with 16 sends in flight each to 10 receivers, 700-byte ciphertexts, protocol v2; or,
 * with `--fan-out 200`, one sender with 4 in flight to 200 live sessions at once; or, with `--among 100`, so many users
 * who each send to the others, 4 in flight; or one sender with one in flight to one, with `--one-by-one`; or, with `--waiting 10`,
 * so many receivers who were away and come back at once to what waits for them. Beside them, what a user might pick instead
 * (`rivals.ts`), where a message is to one and its server is on the path.
 *
 *   npm run bench [-- --rounds 5 --messages 100000 --only sqlite|postgres|redis-server|rabbitmq-server|nats-server --write]
 *   npm run bench:fanout     npm run bench:users     npm run bench:latency     npm run bench:drain
 *
 * With `--write` the table and the chart in docs/performance.md are those of this run. With `--profile FILE` and `--only`, it is told where the broker's
 * time goes (`Profile.ts`).
 */
import { hash } from "node:crypto"
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { cpus, loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { type Bar, chartOf } from "./chart.ts"
import { Profiling } from "./Profile.ts"
import { type Rival, rivals, startRival } from "./rivals.ts"
import type { RivalJob } from "./RivalLoad.ts"
import {
  answers,
  freePort,
  launch,
  type LoadFigures,
  makeMesh,
  memoryMiB,
  person,
  processorSeconds,
  runDrain,
  runLoad,
  startPostgres,
} from "./Server.ts"
import { median } from "./startup.ts"

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    messages: { type: "string", default: "100000" },
    only: { type: "string" },
    "fan-out": { type: "string" },
    among: { type: "string" },
    "one-by-one": { type: "boolean", default: false },
    waiting: { type: "string" },
    write: { type: "boolean", default: false },
    profile: { type: "string" },
  },
})
const rounds = Number(values.rounds)
const profiling = new Profiling(values.profile)
const isWanted = (what: string) => values.only === undefined || values.only === what

interface Workload {
  /** Its place in docs/performance.md. */
  readonly name: "direct" | "fan-out" | "users" | "latency" | "waiting" | "waiting-one"
  readonly senders: number
  readonly receivers: number
  readonly inFlight: number
  /** Sessions of each receiver: a mesh is made with a hundred members at most. */
  readonly sessionsEach: number
  /** Those to whom each message goes. */
  readonly recipients: number
}

const workloadOf = (): Workload => {
  const one = { sessionsEach: 1, recipients: 1 }
  if (values["one-by-one"]) return { ...one, name: "latency", senders: 1, receivers: 1, inFlight: 1 }
  if (values.waiting !== undefined) {
    const receivers = Number(values.waiting)
    return { ...one, name: receivers === 1 ? "waiting-one" : "waiting", senders: 10, receivers, inFlight: 16 }
  }
  if (values.among !== undefined) {
    const users = Number(values.among)
    return { ...one, name: "users", senders: users, receivers: users, inFlight: 4 }
  }
  if (values["fan-out"] === undefined) return { ...one, name: "direct", senders: 10, receivers: 10, inFlight: 16 }
  const recipients = Number(values["fan-out"])
  const sessionsEach = Math.ceil(recipients / 50)
  return { name: "fan-out", senders: 1, receivers: recipients / sessionsEach, inFlight: 4, sessionsEach, recipients }
}

const workload = workloadOf()
/** Deliveries are what is counted, so a fan-out sends fewer messages. */
const messages = Math.ceil(Number(values.messages) / workload.recipients)
const deliveries = messages * workload.recipients
/** Whoever receives is there, and alone is meant. */
const isToOne = workload.recipients === 1 && values.waiting === undefined
const here = import.meta.dirname

interface Figures {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  /** Microseconds of the server's processor time for each delivery. */
  readonly cpu: number
  /** Of the server, after the load, in MiB. */
  readonly memory: number
  /** Of a processor, what the load took. */
  readonly busy: number
}

const measure = async (
  command: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>,
  port: number,
  isBroker: boolean,
): Promise<Figures> => {
  const server = launch(command, { ...environment, ...(isBroker && profiling.environment) })
  try {
    await answers(port)
    const senders = Array.from({ length: workload.senders }, person)
    const isAmong = workload.name === "users"
    const receivers = isAmong ? senders : Array.from({ length: workload.receivers }, person)
    const meshId = isBroker ? await makeMesh(port, isAmong ? senders : [...senders, ...receivers]) : "none"
    const load = {
      url: `ws://127.0.0.1:${port}/ws`,
      meshId,
      senders,
      receivers,
      inFlight: workload.inFlight,
      messages,
      ciphertextBytes: 700,
      sessionsEach: workload.sessionsEach,
      toEveryone: workload.name === "fan-out",
    }
    const drains = values.waiting !== undefined
    // The runtime compiles what is hot while it runs: a server that has just started is another one.
    const warmUp = { ...load, messages: Math.ceil(messages / 5), receiversAway: drains }
    await runLoad(warmUp)
    if (drains) {
      await runDrain(warmUp, () => {})
      await runLoad({ ...load, receiversAway: true })
    }
    const before = processorSeconds(server.pid)
    let [after, memory] = [before, 0]
    const measured = () => {
      after = processorSeconds(server.pid)
      memory = memoryMiB(server.pid)
    }
    const counted = () => (drains ? runDrain(load, measured) : runLoad(load))
    const figures = await (isBroker ? profiling.of(server, counted) : counted())
    if (!drains) measured()
    return { ...figures, cpu: ((after - before) / deliveries) * 1e6, memory }
  } finally {
    server.kill("SIGKILL")
    await server.exited
  }
}

/** Of another server, under the same load by its own protocol. */
const measureRival = async (rival: Rival): Promise<Figures> => {
  const server = await startRival(rival, join(folder, `rival-${++number}`))
  const { inFlight, receivers, senders } = workload
  const isAmong = workload.name === "users"
  const load = async (count: number): Promise<LoadFigures> => {
    const job: RivalJob = {
      port: server.port,
      senders,
      receivers,
      inFlight,
      messages: count,
      ciphertextBytes: 700,
      isAmong,
    }
    const child = Bun.spawn([process.execPath, ...process.execArgv, join(here, rival.load), JSON.stringify(job)], {
      stdout: "pipe",
      stderr: "inherit",
    })
    const line = await new Response(child.stdout).text()
    if ((await child.exited) !== 0) throw new Error("its load failed")
    return JSON.parse(line)
  }
  const sumOf = (ofOne: (pid: number) => number) => server.processes().reduce((sum, pid) => sum + ofOne(pid), 0)
  try {
    await load(Math.ceil(messages / 5))
    const before = sumOf(processorSeconds)
    const figures = await load(messages)
    return { ...figures, cpu: ((sumOf(processorSeconds) - before) / deliveries) * 1e6, memory: sumOf(memoryMiB) }
  } finally {
    await server.stop()
  }
}

/** Beyond it a round says what the load generator can do. */
const loadIsLimit = 0.85

/** For docs/performance.md. */
const table: Array<string> = []

const bars: Array<Bar> = []

const of = (all: ReadonlyArray<Figures>, key: keyof Figures) => median(all.map((figures) => figures[key]))

const reportOne = (store: string, who: string, all: ReadonlyArray<Figures>) => {
  const isLimit = of(all, "busy") > loadIsLimit
  const load = `load ${of(all, "busy").toFixed(2)} of a processor${isLimit ? ": it was the limit" : ""}`
  console.log(
    `${`${store} ${who}`.trim().padEnd(17)} ${of(all, "perSecond").toFixed(0).padStart(8)}/s   p50 ${of(all, "p50").toFixed(1).padStart(6)} ms   p99 ${of(all, "p99").toFixed(1).padStart(6)} ms   ${of(all, "cpu").toFixed(0).padStart(5)} µs/delivery   ${of(all, "memory").toFixed(0).padStart(4)} MiB   ${load}`,
  )
  const name = store === "" ? who : `${store}, ${who}`
  bars.push({ name, perSecond: of(all, "perSecond") })
  const cells = [of(all, "perSecond"), of(all, "cpu"), of(all, "p50"), of(all, "p99"), of(all, "memory")]
  const mark = isLimit ? " (the load was the limit)" : ""
  table.push(`| ${name}${mark} | ${cells.map((cell) => cell.toFixed(cell < 100 ? 1 : 0)).join(" | ")} |`)
}

const report = (name: string, broker: ReadonlyArray<Figures>, bare: ReadonlyArray<Figures>) => {
  reportOne(name, "broker", broker)
  reportOne(name, "relay", bare)
  const costs = broker.map((figures, round) => (bare[round]?.cpu ?? Number.NaN) / figures.cpu)
  const ratios = broker.map((figures, round) => figures.perSecond / (bare[round]?.perSecond ?? Number.NaN))
  const late = broker.map(({ p50 }, round) => p50 / (bare[round]?.p50 ?? Number.NaN))
  table.push(
    `| ${name}, ratio | ${median(ratios).toFixed(2)} | ${median(costs).toFixed(2)} | ${median(late).toFixed(2)} | | |`,
  )
  console.log(
    `${`${name} ratio`.padEnd(17)} ${ratios.map((ratio) => ratio.toFixed(2)).join("  ")}   median ${median(ratios).toFixed(2)}   by processor time ${median(costs).toFixed(2)}   p50 ${median(late).toFixed(2)}\n`,
  )
}

const inTurn = async (name: string, one: () => Promise<Figures>, other: () => Promise<Figures>) => {
  const [broker, bare]: [Array<Figures>, Array<Figures>] = [[], []]
  for (let round = 1; round <= rounds; round++) {
    process.stderr.write(`${name}: round ${round} of ${rounds}\n`)
    broker.push(await one())
    bare.push(await other())
  }
  report(name, broker, bare)
}

const folder = await mkdtemp(join(tmpdir(), "claudemesh-bench-"))
const brokerMain = join(here, "broker.ts")
const relay = join(here, "bareRelay.ts")
let number = 0
/** What the machine can do at this moment, beside whatever else it does. */
const machine = () => {
  const file = openSync(join(folder, "fsync"), "w")
  const writes = perSecond(() => {
    writeSync(file, "x".repeat(4_096))
    fsyncSync(file)
  })
  closeSync(file)
  const text = "x".repeat(1_024)
  return `${cpus().length} processors, ${writes} fsyncs of 4 KiB a second, ${perSecond(() => hash("sha256", text))} hashes (SHA-256) of 1 KiB a second, load ${loadavg()[0]?.toFixed(1)}`
}
const perSecond = (act: () => void): number => {
  const [begun, millis] = [performance.now(), 500]
  let count = 0
  for (; performance.now() - begun < millis; count += 1) act()
  return Math.round((count * 1_000) / millis)
}

/** In the place of the table that the same workload gave before. */
const writeDown = async (about: string) => {
  const page = join(here, "../docs/performance.md")
  const [begin, end] = [workload.name, "end"].map((name) => `<!-- bench ${name} -->`)
  const text = await readFile(page, "utf8")
  const from = text.indexOf(begin ?? "") + (begin?.length ?? 0)
  const what = `${deliveries} deliveries, median of ${rounds} rounds; ${about}.`
  const head = "| | deliveries/s | µs of processor | p50 ms | p99 ms | MiB |\n| --- | --- | --- | --- | --- | --- |"
  const chart = `performance-${workload.name}.svg`
  await writeFile(join(here, "../docs", chart), chartOf("deliveries a second", bars))
  const lines = `\n${what}\n\n${head}\n${table.join("\n")}\n\n![deliveries a second](${chart})\n`
  await writeFile(page, text.slice(0, from) + lines + text.slice(text.indexOf(end ?? "", from)))
}

const about = machine()
console.log(about)
console.log(`${rounds} rounds of ${deliveries} deliveries, ${workload.name}\n`)
try {
  if (isWanted("sqlite")) {
    await inTurn(
      "SQLite",
      async () => {
        const port = await freePort()
        const data = join(folder, `data-${++number}`)
        return measure([brokerMain], { BROKER_DATA_DIR: data, BROKER_PORT: String(port) }, port, true)
      },
      async () => {
        const port = await freePort()
        return measure([relay, "sqlite", join(folder, `bare-${++number}.sqlite`), String(port)], {}, port, false)
      },
    )
  }
  if (isWanted("postgres")) {
    const postgres = await startPostgres(folder)
    await inTurn(
      "Postgres",
      async () => {
        const port = await freePort()
        const environment = {
          DATABASE_URL: await postgres.database(),
          BROKER_HOST: "127.0.0.1",
          BROKER_PORT: String(port),
        }
        return measure([brokerMain], environment, port, true)
      },
      async () => {
        const port = await freePort()
        return measure([relay, "postgres", await postgres.database(), String(port)], {}, port, false)
      },
    )
    await postgres.stop()
  }
  for (const rival of isToOne ? rivals.filter(({ server }) => isWanted(server)) : []) {
    if (Bun.which(rival.server) === null) {
      console.log(`${rival.name}: ${rival.server} is not on the path`)
      continue
    }
    const all: Array<Figures> = []
    try {
      for (let round = 1; round <= rounds; round++) {
        process.stderr.write(`${rival.name}: round ${round} of ${rounds}\n`)
        all.push(await measureRival(rival))
      }
      reportOne("", rival.name, all)
    } catch (error) {
      // What was measured of the others is still told.
      console.log(`${rival.name}: ${String(error)}`)
    }
  }
  if (values.write) await writeDown(about)
  profiling.report()
} finally {
  await rm(folder, { recursive: true, force: true })
}
process.exit(0)
