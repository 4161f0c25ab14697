/**
 * One member, or one stranger, floods a broker with its limits as they are, from one address; forty others talk meanwhile, and a
 * hundred listen. For each flood: how long the others' messages took, what was refused to them, and what the broker took.
 *
 *   npm run bench:floods [-- --seconds 60 --only "sends to everyone" --only pings --postgres]
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { answers, freePort, launch, makeMesh, memoryMiB, person, processorSeconds, startPostgres } from "../Server.ts"
import { type Frame, authenticated, type Person, type Place, sendFrame } from "./Member.ts"

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    only: { type: "string", multiple: true },
    postgres: { type: "boolean", default: false },
  },
})
const seconds = Number(values.seconds)

/** Each sends to the next one, five times a second. */
const talkers = 40
const betweenSendsMillis = 200
/** Members who are there and listen. */
const listeners = 60
const bytes = 1_000

interface Heard {
  readonly latencies: Array<number>
  sent: number
  refused: number
  closed: number
}

type Postgres = Awaited<ReturnType<typeof startPostgres>> | undefined

const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

/** Those who do nothing wrong. Each has its own address. */
const talk = async (place: Place, people: ReadonlyArray<Person>) => {
  const heard: Heard = { latencies: [], sent: 0, refused: 0, closed: 0 }
  const sentAt = new Map<string, number>()
  let numbers = 0
  const onFrame = (frame: Frame, socket: WebSocket): void => {
    if (frame["type"] === "error") heard.refused += 1
    if (frame["type"] !== "push") return
    socket.send(JSON.stringify({ type: "client_ack", messageIds: [frame["messageId"]] }))
    const nonce = String(frame["nonce"])
    const begun = sentAt.get(nonce)
    if (begun === undefined) return
    sentAt.delete(nonce)
    heard.latencies.push(performance.now() - begun)
  }
  const sockets = await Promise.all(
    people.map((one, index) => authenticated(place, one, "s1", `198.51.100.${index}`, onFrame)),
  )
  for (const socket of sockets) socket.addEventListener("close", () => (heard.closed += 1))
  let stopped = false
  const keepSending = async (socket: WebSocket, index: number): Promise<void> => {
    const target = people[(index + 1) % talkers]?.publicKey ?? ""
    await Bun.sleep((index * betweenSendsMillis) / talkers)
    while (!stopped) {
      const nonce = `${(numbers += 1)}`.padStart(32, "A")
      sentAt.set(nonce, performance.now())
      heard.sent += 1
      socket.send(sendFrame(`t${numbers}`, target, nonce, bytes))
      await Bun.sleep(betweenSendsMillis)
    }
  }
  const sending = Promise.all(sockets.slice(0, talkers).map(keepSending))
  const begin = () => {
    heard.latencies.length = 0
    heard.sent = 0
  }
  const stop = async () => {
    stopped = true
    await sending
    return { ...heard, lost: sentAt.size, sorted: heard.latencies.toSorted((left, right) => left - right) }
  }
  return { begin, stop }
}

const startFlooder = (job: object) => {
  const command = [process.execPath, ...process.execArgv, join(import.meta.dirname, "flooder.ts"), JSON.stringify(job)]
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "inherit" })
  let last = ""
  const reading = (async () => {
    const decoder = new TextDecoder()
    for await (const chunk of child.stdout) last = decoder.decode(chunk).trim().split("\n").at(-1) ?? last
  })()
  const stop = async () => {
    child.kill("SIGKILL")
    await child.exited
    await reading
    return last
  }
  return { stop, text: async () => (await child.exited, await reading, last) }
}

const measure = async (flood: string, postgres: Postgres) => {
  const folder = await mkdtemp(join(tmpdir(), "claudemesh-flood-"))
  const port = await freePort()
  const broker = launch([join(import.meta.dirname, "../../packages/broker/src/main.ts")], {
    BROKER_DATA_DIR: folder,
    BROKER_PORT: String(port),
    BROKER_TRUSTED_PROXIES: "1",
    BROKER_HOST: "127.0.0.1",
    LOG_LEVEL: "error",
    ...(postgres !== undefined && { DATABASE_URL: await postgres.database() }),
  })
  try {
    await answers(port)
    const [flooder, away] = [person(), person()]
    const people = Array.from({ length: talkers + listeners }, person)
    const everyone = [flooder, away, ...people]
    const place: Place = { port, meshId: await makeMesh(port, everyone) }
    const elsewhere = await makeMesh(port, everyone)
    const others = await talk(place, people)
    await Bun.sleep(2_000)
    others.begin()
    const before = { memory: memoryMiB(broker.pid), processor: processorSeconds(broker.pid) }
    const flooding = startFlooder({ ...place, elsewhere, flood, flooder, owner: away, everyone })
    let most = before.memory
    for (let second = 0; second < seconds; second++) {
      await Bun.sleep(1_000)
      most = Math.max(most, memoryMiB(broker.pid))
    }
    const { closed, lost, refused, sent, sorted } = await others.stop()
    const said = await flooding.stop()
    console.error(`${flood}: ${said}`)
    return {
      flood,
      "sent/s": Math.round(sent / seconds),
      "p50 ms": Number(percentile(sorted, 0.5).toFixed(1)),
      "p99 ms": Number(percentile(sorted, 0.99).toFixed(1)),
      "most ms": Math.round(sorted.at(-1) ?? Number.NaN),
      "refused, closed, lost": `${refused}, ${closed}, ${lost}`,
      "broker MiB, most": Math.round(most),
      "processor %": Math.round((100 * (processorSeconds(broker.pid) - before.processor)) / seconds),
    }
  } finally {
    broker.kill("SIGKILL")
    await broker.exited
    await rm(folder, { recursive: true, force: true })
  }
}

const server = await mkdtemp(join(tmpdir(), "claudemesh-flood-"))
const postgres = values.postgres ? await startPostgres(server) : undefined
const names: ReadonlyArray<string> = JSON.parse(await startFlooder({ flood: "which" }).text())
const rows = []
for (const flood of values.only ?? [...names, "nothing"]) {
  const row = await measure(flood, postgres)
  console.error(JSON.stringify(row))
  rows.push(row)
}
console.table(rows)
await postgres?.stop()
await rm(server, { recursive: true, force: true })
process.exit(0)
