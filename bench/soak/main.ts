/**
 * The promises on the real thing: real broker process, real sockets, real clients, on SQLite and on Postgres. The
 * broker is killed as by `kill -9` and started again, connections are cut, agents die between reading and acking.
 * Then everything drains, and what was seen is held against what was promised.
 *
 * With `--silences 5` the way to Postgres falls silent so often: nothing goes through for some seconds, and nobody is told so.
 *
 *   npm run soak [-- --store sqlite|postgres --messages 20000 --peers 20 --kills 20 --silences 0 --seed 1]
 */
import type { Priority, Status } from "@claudemesh/domain/routing/Status"
import { Chance } from "@claudemesh/simulation/Chance"
import { Effect, Fiber, References } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { freePort } from "../Server.ts"
import { BrokerUnderTest, postgresStore, sqliteStore } from "./BrokerUnderTest.ts"
import { allConnected, drained, makePeers, services, someTarget } from "./Crowd.ts"
import { Ledger } from "./Ledger.ts"
import { Proxy } from "./Proxy.ts"
import { type Proxy as DatabaseProxy, proxyTo } from "../../packages/broker/test/support/Proxy.ts"

const { values } = parseArgs({
  options: {
    store: { type: "string" },
    messages: { type: "string", default: "20000" },
    peers: { type: "string", default: "20" },
    kills: { type: "string", default: "20" },
    silences: { type: "string", default: "0" },
    seed: { type: "string", default: "1" },
  },
})
const messages = Number(values.messages)
const peerCount = Number(values.peers)
const kills = Number(values.kills)
const silences = Number(values.silences)
/** Longer than a call of the store may take. */
const silentMillis = 9_000
const sentIntoSilence = 60

/** After so many messages each. */
const randomly = (chance: Chance, times: number): Array<number> =>
  Array.from({ length: times }, () => chance.between(1, messages - 1)).toSorted((a, b) => a - b)

/** To Postgres it leads through a proxy that can fall silent. */
const wayTo = Effect.fnUntraced(function* (environment: Readonly<Record<string, string>>) {
  const { DATABASE_URL } = environment
  if (DATABASE_URL === undefined || silences === 0) return { environment, database: undefined }
  const url = new URL(DATABASE_URL)
  const database = yield* proxyTo(Number(url.port))
  url.port = String(database.port)
  return { environment: { ...environment, DATABASE_URL: url.href }, database }
})

const silence = Effect.fnUntraced(function* (database: DatabaseProxy) {
  database.silence()
  yield* Effect.sleep(silentMillis)
  database.open()
})

interface Row {
  readonly store: string
  readonly messages: number
  readonly deliveries: number
  readonly kills: number
  readonly silences: number
  readonly cuts: number
  readonly deaths: number
  readonly redelivered: number
  readonly lost: number
  readonly twice: number
  readonly stray: number
  readonly outOfOrder: number
  readonly seconds: number
  readonly memoryMiB: number
}

const soak = Effect.fnUntraced(function* (name: "sqlite" | "postgres", folder: string) {
  const chance = new Chance(Number(values.seed))
  const ledger = new Ledger()
  const store = yield* Effect.promise(() => (name === "sqlite" ? sqliteStore(folder) : postgresStore(folder)))
  const port = yield* Effect.promise(freePort)
  const proxy = yield* Effect.promise(() => Proxy.start(port))
  const way = yield* wayTo(store.environment)
  const broker = new BrokerUnderTest(port, {
    ...way.environment,
    BROKER_PUBLIC_URL: `ws://127.0.0.1:${proxy.port}`,
  })
  const say = (text: string) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${name}: ${text}`)
  }
  const begun = performance.now()
  let cuts = 0
  let silenced = 0
  yield* Effect.promise(() => broker.start())
  const finished = yield* Effect.scoped(
    Effect.gen(function* () {
      const peers = yield* makePeers({ port: proxy.port, count: peerCount }, chance, ledger)
      for (const peer of peers) yield* Effect.forkScoped(peer.lives)
      // All sessions are known to the broker before anybody is addressed.
      while (!(yield* allConnected(peers))) yield* Effect.sleep("20 millis")
      yield* Effect.sleep("500 millis")

      const killAt = randomly(chance, kills)
      const silentAt = way.database === undefined ? [] : randomly(chance, silences)
      let restarting: Promise<void> = Promise.resolve()
      for (let number = 0; number < messages;) {
        if (killAt[0] !== undefined && number >= killAt[0]) {
          killAt.shift()
          yield* Effect.promise(() => restarting)
          restarting = broker.kill().then(async () => {
            await Bun.sleep(chance.between(0, 300))
            await broker.start()
          })
        }
        if (way.database !== undefined && silentAt[0] !== undefined && number >= silentAt[0]) {
          silentAt.shift()
          silenced += 1
          // A broker does not start without a database.
          yield* Effect.promise(() => restarting)
          const silent = yield* Effect.forkScoped(silence(way.database))
          // Some messages are sent into the silence, and the others after it.
          for (let into = 0; into < sentIntoSilence && number < messages; into++) {
            const sent = yield* (
              chance.pick(peers)?.send(someTarget(chance, peers), "next", `text ${number}`) ?? Effect.succeed(false)
            )
            if (sent) number += 1
            yield* Effect.sleep("100 millis")
          }
          yield* Fiber.join(silent)
        }
        if (chance.happens(0.005) && proxy.cut((count) => chance.between(0, Math.max(0, count - 1)))) cuts += 1
        const peer = chance.pick(peers)
        if (peer === undefined) break
        if (chance.happens(0.02)) {
          const status = chance.pick<Status>(["idle", "idle", "working", "dnd"]) ?? "idle"
          yield* Effect.forkScoped(peer.setStatus(status))
        }
        const priority = chance.pick<Priority>(["now", "next", "next", "low"]) ?? "next"
        const sent = yield* peer.send(someTarget(chance, peers), priority, `text ${number}`)
        if (sent) number += 1
        else yield* Effect.sleep("5 millis")
        if (number % 100 === 0) {
          broker.measure()
          say(`${number} of ${messages} sent, ${ledger.shown.length} shown, ${broker.kills} kills, ${cuts} cuts`)
          yield* Effect.sleep("1 millis")
        }
      }
      yield* Effect.promise(() => restarting)
      return yield* drained(peers, ledger, say)
    }),
  )
  broker.measure()
  yield* Effect.promise(() => broker.stop())
  const seconds = (performance.now() - begun) / 1000
  const { accepted, deliveries } = yield* Effect.promise(() => store.stored())
  yield* Effect.promise(() => store.stop())
  proxy.stop()
  say("")
  const verdict = ledger.verdict(deliveries, accepted)
  for (const kind of ["lost", "twice", "stray", "outOfOrder"] as const) {
    for (const breach of verdict[kind].slice(0, 10)) console.log(`BROKEN (${kind})  ${breach}`)
  }
  if (!finished) console.log("BROKEN  it did not drain in time")
  const row: Row = {
    store: name,
    messages: ledger.sent.size,
    deliveries: deliveries.length,
    kills: broker.kills,
    silences: silenced,
    cuts,
    deaths: peersDied(ledger),
    redelivered: verdict.redelivered,
    lost: verdict.lost.length,
    twice: verdict.twice.length,
    stray: verdict.stray.length,
    outOfOrder: verdict.outOfOrder.length,
    seconds: Math.round(seconds),
    memoryMiB: Math.round(broker.memoryMaxMiB),
  }
  return { row, kept: finished && row.lost + row.twice + row.stray + row.outOfOrder === 0 }
})

const peersDied = ({ shown, sent }: Ledger): number =>
  Math.max(0, ...shown.map(({ process }) => process), ...[...sent.values()].map(({ process }) => process)) - peerCount

const stores = (["sqlite", "postgres"] as const).filter((name) => values.store === undefined || values.store === name)
const rows: Array<Row> = []
let kept = true
for (const name of stores) {
  const folder = await mkdtemp(join(tmpdir(), "claudemesh-soak-"))
  try {
    const result = await Effect.runPromise(
      soak(name, join(folder, name)).pipe(
        Effect.provide(services),
        Effect.provideService(References.MinimumLogLevel, "None"),
        Effect.scoped,
      ),
    )
    rows.push(result.row)
    kept &&= result.kept
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
console.table(rows)
console.log(kept ? "every promise was kept" : `broken; again with --seed ${values.seed}`)
process.exit(kept ? 0 : 1)
