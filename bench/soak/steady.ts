/**
 * A broker that does its usual work for as long as one likes, on SQLite and on Postgres side by side, with its metrics on: agents send and
 * read at a moderate rate, and now and then one dies. It is scraped all the while. In the end memory must be flat, every metric must have
 * been there in every scrape, no alert of `deploy/alerts.yml` may have fired (where Prometheus is on the PATH), and no promise may be broken.
 *
 *   npm run soak:steady [-- --store sqlite|postgres --minutes 60 --rate 60 --peers 20 --seed 1]
 */
import type { Priority, Status } from "@claudemesh/domain/routing/Status"
import { Chance } from "@claudemesh/simulation/Chance"
import { Effect, Option, References } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Metrics } from "../../packages/broker/src/metrics/Metrics.ts"
import { parseExposition } from "../../packages/broker/test/support/Exposition.ts"
import { freePort } from "../Server.ts"
import { BrokerUnderTest, postgresStore, sqliteStore } from "./BrokerUnderTest.ts"
import { allConnected, drained, makePeers, services, someTarget } from "./Crowd.ts"
import { Ledger } from "./Ledger.ts"
import { alertRules, Prometheus } from "./Prometheus.ts"

const { values } = parseArgs({
  options: {
    store: { type: "string" },
    minutes: { type: "string", default: "60" },
    rate: { type: "string", default: "60" },
    peers: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
  },
})
const minutes = Number(values.minutes)
const rate = Number(values.rate)

const scrapeEveryMillis = 5_000
const stallMillis = 60_000
const diesBeforeAck = 0.0005
/** As long as what agents usually say. */
const padding = "x".repeat(200)
/** How much more memory the last quarter of the time may take than the second one. */
const growthMax = 1.1

const { families } = new Metrics(
  () => 0,
  () => 0,
  () => 0,
)
/** All that there are; one of them is of TLS. */
const expected = families.map(({ name }) => name).filter((name) => !name.startsWith("claudemesh_tls_"))

interface Scrape {
  readonly minute: number
  readonly residentMiB: number
  readonly heapMiB: number
  readonly accepted: number
  readonly values: ReadonlyMap<string, number>
}

class Scrapes {
  readonly all: Array<Scrape> = []
  readonly broken: Array<string> = []
  readonly #begun = performance.now()

  constructor(readonly origin: string) {}

  /** One that fails is said in the end, too. */
  async try(): Promise<void> {
    await this.take().catch((error: unknown) => this.broken.push(`a scrape failed: ${String(error)}`))
  }

  async take(): Promise<void> {
    const answer = await fetch(`${this.origin}/metrics`, { signal: AbortSignal.timeout(scrapeEveryMillis) })
    const text = await answer.text()
    const found = parseExposition(text)
    const names = new Set(found.map(({ name }) => name))
    const minute = (performance.now() - this.#begun) / 60_000
    for (const name of expected) if (!names.has(name)) this.broken.push(`${name} is missing at ${minute.toFixed(1)}`)
    const now = new Map(
      found.flatMap(({ samples }) =>
        samples.map(({ labels, name, value }) => [`${name}${JSON.stringify(labels)}`, value] as const),
      ),
    )
    const before = this.all.at(-1)?.values ?? now
    const counters = found.filter(({ type }) => type !== "gauge").map(({ name }) => name)
    for (const [series, value] of before) {
      const isCounter = counters.some((name) => series.startsWith(name))
      if (isCounter && (now.get(series) ?? -1) < value) this.broken.push(`${series} fell at ${minute.toFixed(1)}`)
    }
    const mib = (name: string) => (now.get(`${name}{}`) ?? Number.NaN) / 1024 / 1024
    this.all.push({
      minute,
      residentMiB: mib("process_resident_memory_bytes"),
      heapMiB: mib("claudemesh_heap_bytes"),
      accepted: now.get("claudemesh_messages_accepted_total{}") ?? Number.NaN,
      values: now,
    })
    // What was counted before is only compared with what comes next.
    const older = this.all.at(-2)
    if (older !== undefined) this.all[this.all.length - 2] = { ...older, values: new Map() }
  }

  /** Median of a quarter of the time, by its number from 0. */
  quarter(number: number, of: (scrape: Scrape) => number): number {
    const length = this.all.length / 4
    const sorted = this.all
      .slice(Math.floor(number * length), Math.floor((number + 1) * length))
      .map(of)
      .toSorted((a, b) => a - b)
    return Math.round(sorted[Math.floor(sorted.length / 2)] ?? Number.NaN)
  }

  /** The bound of the bucket that so much of what was observed is in. */
  quantile(name: string, share: number): string {
    const last = this.all.at(-1)?.values ?? new Map<string, number>()
    const all = last.get(`${name}_count{}`) ?? 0
    const buckets = [...last].filter(([series]) => series.startsWith(`${name}_bucket`))
    const [series] = buckets.find(([, value]) => value >= all * share) ?? []
    return series === undefined ? "?" : (/"le":"([^"]+)"/.exec(series)?.[1] ?? "?")
  }
}

const say = (text: string) => process.stderr.write(`${text}\n`)

const steady = Effect.fnUntraced(function* (name: "sqlite" | "postgres", folder: string, port: number) {
  const chance = new Chance(Number(values.seed))
  const ledger = new Ledger()
  const store = yield* Effect.promise(() => (name === "sqlite" ? sqliteStore(folder) : postgresStore(folder)))
  const broker = new BrokerUnderTest(port, { ...store.environment, LOG_LEVEL: "error" })
  yield* Effect.promise(() => broker.start())
  const scrapes = new Scrapes(`http://127.0.0.1:${port}`)
  const finished = yield* Effect.scoped(
    Effect.gen(function* () {
      const peers = yield* makePeers({ port, count: Number(values.peers) }, chance, ledger, diesBeforeAck)
      for (const peer of peers) yield* Effect.forkScoped(peer.lives)
      while (!(yield* allConnected(peers))) yield* Effect.sleep("20 millis")
      yield* Effect.sleep("500 millis")
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.andThen(
            Effect.sleep(scrapeEveryMillis),
            Effect.promise(() => scrapes.take()),
          ),
        ),
      )
      const begun = performance.now()
      for (let number = 0; performance.now() - begun < minutes * 60_000;) {
        // What the machine does not manage is not made up for: a load that is behind would take all there is from those who read.
        yield* Effect.sleep(1_000 / rate)
        const peer = chance.pick(peers)
        if (peer === undefined) break
        if (chance.happens(0.02)) {
          yield* Effect.forkScoped(peer.setStatus(chance.pick<Status>(["idle", "idle", "working", "dnd"]) ?? "idle"))
        }
        const priority = chance.pick<Priority>(["now", "next", "next", "low"]) ?? "next"
        const sent = yield* Effect.timeoutOption(
          peer.send(someTarget(chance, peers), priority, `${number} ${padding}`),
          stallMillis,
        )
        if (Option.isNone(sent)) scrapes.broken.push(`a send of ${peer.options.session} did not return, at ${number}`)
        else if (sent.value) number += 1
        if (number % (rate * 60) === 0) {
          const last = scrapes.all.at(-1)
          say(
            `${name}: ${number} sent, ${ledger.shown.length} shown, ${last?.residentMiB.toFixed(0)} MiB, load ${loadavg()[0]?.toFixed(1)}`,
          )
        }
      }
      return yield* drained(peers, ledger, () => {})
    }),
  )
  yield* Effect.promise(() => scrapes.try())
  if (broker.ended !== undefined) scrapes.broken.push(`the broker ended by itself (${broker.ended})`)
  yield* Effect.promise(() => broker.stop())
  const { accepted, deliveries } = yield* Effect.promise(() => store.stored())
  yield* Effect.promise(() => store.stop())
  const verdict = ledger.verdict(deliveries, accepted)
  const breaches = (["lost", "twice", "stray", "outOfOrder"] as const).flatMap((kind) => verdict[kind])
  const broken = [...scrapes.broken, ...breaches, ...(finished ? [] : ["it did not drain in time"])]
  const [resident, heap] = [0, 1, 2, 3].reduce<[Array<number>, Array<number>]>(
    ([all, heaps], number) => [
      [...all, scrapes.quarter(number, ({ residentMiB }) => residentMiB)],
      [...heaps, scrapes.quarter(number, ({ heapMiB }) => heapMiB)],
    ],
    [[], []],
  )
  const counted = scrapes.all.at(-1)?.accepted
  if (counted !== accepted.length) broken.push(`it counted ${counted} messages, and ${accepted.length} are stored`)
  if ((resident[3] ?? 0) > (resident[1] ?? 0) * growthMax) broken.push(`memory is not flat: ${resident.join(", ")}`)
  for (const one of broken.slice(0, 20)) console.log(`BROKEN (${name})  ${one}`)
  return {
    row: {
      store: name,
      messages: ledger.sent.size,
      deliveries: deliveries.length,
      scrapes: scrapes.all.length,
      "MiB, by quarters": resident.join(", "),
      "most MiB": Math.round(Math.max(...scrapes.all.map(({ residentMiB }) => residentMiB))),
      "heap MiB, by quarters": heap.join(", "),
      "accept to commit p50, p99 ≤ s": [0.5, 0.99]
        .map((share) => scrapes.quantile("claudemesh_accept_to_commit_seconds", share))
        .join(", "),
      "processor s": Math.round(scrapes.all.at(-1)?.values.get("process_cpu_seconds_total{}") ?? Number.NaN),
      redelivered: verdict.redelivered,
      broken: broken.length,
    },
    kept: broken.length === 0,
  }
})

const stores = (["sqlite", "postgres"] as const).filter((name) => values.store === undefined || values.store === name)
const folder = await mkdtemp(join(tmpdir(), "claudemesh-steady-"))
const ports = await Promise.all(stores.map(freePort))
const prometheus =
  Prometheus.program === null
    ? undefined
    : await Prometheus.start({
        folder: join(folder, "prometheus"),
        rules: await alertRules(),
        ports,
        everyMillis: scrapeEveryMillis,
      })
let kept = true
try {
  const results = await Effect.runPromise(
    Effect.forEach(stores, (name, index) => steady(name, join(folder, name), ports[index] ?? 0), {
      concurrency: "unbounded",
    }).pipe(Effect.provide(services), Effect.provideService(References.MinimumLogLevel, "None"), Effect.scoped),
  )
  for (const { row } of results) console.log(JSON.stringify(row))
  kept = results.every((one) => one.kept)
  // The brokers have stopped just now.
  const fired = [...((await prometheus?.fired()) ?? [])].filter((alert) => !alert.startsWith("ClaudemeshDown"))
  console.log(
    prometheus === undefined ? "no prometheus on the PATH" : `alerts that fired: ${fired.join(", ") || "none"}`,
  )
  // On a machine that is busy with something else it is slow, and rightly said to be.
  kept &&= fired.every((alert) => /Slow /.test(alert))
} finally {
  await prometheus?.stop()
  await rm(folder, { recursive: true, force: true })
}
console.log(kept ? "memory is flat, every metric was there, every promise was kept" : "broken")
process.exit(kept ? 0 : 1)
