/**
 * What agents notice of the worst that an operator does, or has done to him, while they send and read: a rolling restart from an older version to this
 * one, on Postgres, with two versions of the tables; Postgres killed as by `kill -9` and started again; a backup that is put back. Then all of it drains, and what was
 * seen is held against what was promised.
 *
 * The older version is a checkout with its `node_modules`, of a commit before the last migration: `git clone`, `git checkout`, `npm ci`.
 *
 *   npm run soak:outages [-- --older ../older --only rolling --only postgres --only "restore sqlite" --only "restore postgres" --rate 40 --seed 1]
 */
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { Chance } from "@claudemesh/simulation/Chance"
import { Effect, Fiber, References } from "effect"
import { freePort } from "../Server.ts"
import { BrokerUnderTest, installedPostgres, postgresStore, sqliteStore } from "./BrokerUnderTest.ts"
import { allConnected, drained, makePeers, services, someTarget } from "./Crowd.ts"
import { Ledger } from "./Ledger.ts"
import { Proxy } from "./Proxy.ts"

const { values } = parseArgs({
  options: {
    older: { type: "string" },
    only: { type: "string", multiple: true },
    rate: { type: "string", default: "40" },
    peers: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
  },
})
const rate = Number(values.rate)
/** Before it, and after it. */
const quietMillis = 8_000
const { older } = values

interface Scene {
  readonly proxy: Proxy
  readonly folder: string
  readonly publicUrl: string
}

/** What becomes of acked messages that a restored store does not have. */
interface Window {
  readonly from: number
  readonly to: number
}

interface Outage {
  readonly name: string
  readonly begin: (scene: Scene) => Promise<{
    /** While all send. */
    readonly happen: () => Promise<Window | undefined>
    /** The broker's end. */
    readonly stop: () => Promise<unknown>
    readonly stored: () => ReturnType<Awaited<ReturnType<typeof sqliteStore>>["stored"]>
    readonly end: () => Promise<unknown>
  }>
}

const environmentOf = ({ publicUrl }: Scene, environment: Readonly<Record<string, string>>) => ({
  ...environment,
  BROKER_PUBLIC_URL: publicUrl,
})

const command = async (words: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}) => {
  const child = Bun.spawn([...words], {
    env: { PATH: process.env["PATH"] ?? "", HOME: tmpdir(), ...environment },
    stdout: "ignore",
    stderr: "pipe",
  })
  if ((await child.exited) !== 0) throw new Error(`${words.join(" ")}: ${await new Response(child.stderr).text()}`)
}

const rolling = (checkout: string): Outage => ({
  name: "rolling restart, two versions of the tables",
  begin: async (scene) => {
    const store = await postgresStore(join(scene.folder, "postgres"))
    const environment = environmentOf(scene, store.environment)
    const old = new BrokerUnderTest(scene.proxy.target, environment, checkout)
    await old.start()
    const next = new BrokerUnderTest(await freePort(), environment)
    return {
      // As a platform does it: the new one is ready before the old one is told to stop.
      happen: async () => {
        await next.start()
        await Bun.sleep(2_000)
        scene.proxy.target = next.port
        await old.stop()
        return undefined
      },
      stop: () => next.stop(),
      stored: store.stored,
      end: store.stop,
    }
  },
})

const killedPostgres: Outage = {
  name: "Postgres killed with -9, three times",
  begin: async (scene) => {
    const store = await postgresStore(join(scene.folder, "postgres"))
    const broker = new BrokerUnderTest(scene.proxy.target, environmentOf(scene, store.environment))
    await broker.start()
    return {
      happen: async () => {
        for (const awayMillis of [0, 3_000, 8_000]) {
          await store.kill()
          await Bun.sleep(awayMillis)
          await store.start()
          await Bun.sleep(4_000)
        }
        return undefined
      },
      stop: () => broker.stop(),
      stored: store.stored,
      end: store.stop,
    }
  },
}

/** The backup is taken under load, and put back some seconds later, also under load. */
const betweenMillis = 5_000

const restoredSqlite: Outage = {
  name: "restore of the embedded store",
  begin: async (scene) => {
    const data = join(scene.folder, "data")
    await mkdir(data, { mode: 0o700 })
    const store = await sqliteStore(data)
    const broker = new BrokerUnderTest(scene.proxy.target, environmentOf(scene, store.environment))
    await broker.start()
    return {
      happen: async () => {
        const [from, file] = [performance.now(), join(scene.folder, "backup.sqlite")]
        const claudemesh = join(import.meta.dirname, "../../packages/cli/bin/claudemesh")
        await command([claudemesh, "broker", "backup", file], store.environment)
        await Bun.sleep(betweenMillis)
        await broker.stop()
        const to = performance.now()
        for (const name of ["broker.sqlite", "broker.sqlite-wal"]) await rm(join(data, name), { force: true })
        await copyFile(file, join(data, "broker.sqlite"))
        await broker.start()
        return { from, to }
      },
      stop: () => broker.stop(),
      stored: store.stored,
      end: store.stop,
    }
  },
}

const restoredPostgres: Outage = {
  name: "restore of Postgres",
  begin: async (scene) => {
    const store = await installedPostgres(join(scene.folder, "postgres"))
    const broker = new BrokerUnderTest(scene.proxy.target, environmentOf(scene, store.environment))
    await broker.start()
    return {
      happen: async () => {
        const [from, file] = [performance.now(), join(scene.folder, "mesh.dump")]
        await command([
          join(store.programs, "pg_dump"),
          "--format=custom",
          "--schema=mesh",
          `--file=${file}`,
          store.url,
        ])
        await Bun.sleep(betweenMillis)
        await broker.stop()
        const to = performance.now()
        await command([join(store.programs, "pg_restore"), "--clean", "--if-exists", `--dbname=${store.url}`, file])
        await broker.start()
        return { from, to }
      },
      stop: () => broker.stop(),
      stored: store.stored,
      end: store.stop,
    }
  },
}

const outages: ReadonlyArray<Outage> = [
  ...(older === undefined ? [] : [rolling(older)]),
  killedPostgres,
  restoredSqlite,
  restoredPostgres,
].filter(({ name }) => values.only === undefined || values.only.some((word) => matches(name, word)))

function matches(name: string, only: string): boolean {
  return only.split(" ").every((word) => name.toLowerCase().includes(word === "sqlite" ? "embedded" : word))
}

const measured = Effect.fnUntraced(function* ({ begin, name }: Outage, folder: string) {
  const chance = new Chance(Number(values.seed))
  const ledger = new Ledger()
  const port = yield* Effect.promise(freePort)
  const proxy = yield* Effect.promise(() => Proxy.start(port))
  const scene: Scene = { proxy, folder, publicUrl: `ws://127.0.0.1:${proxy.port}` }
  const { end, happen, stop, stored } = yield* Effect.promise(() => begin(scene))
  let window: Window | undefined
  let failed = ""
  let [happened, tookMillis, longestMillis] = [false, 0, 0]
  const finished = yield* Effect.scoped(
    Effect.gen(function* () {
      const peers = yield* makePeers({ port: proxy.port, count: Number(values.peers) }, chance, ledger, 0)
      for (const peer of peers) yield* Effect.forkScoped(peer.lives)
      while (!(yield* allConnected(peers))) yield* Effect.sleep("20 millis")
      yield* Effect.sleep("500 millis")
      yield* Effect.forkScoped(
        Effect.promise(async () => {
          await Bun.sleep(quietMillis)
          const begun = performance.now()
          await happen().then(
            (found) => (window = found),
            (error: unknown) => console.log(`BROKEN (${name})  ${(failed = String(error))}`),
          )
          tookMillis = performance.now() - begun
          await Bun.sleep(quietMillis)
          happened = true
        }),
      )
      let last = performance.now()
      const look = () => {
        const newest = Math.max(0, ...[...ledger.sent.values()].slice(-2_000).map(({ ackedAt }) => ackedAt ?? 0))
        if (newest > last) last = newest
        longestMillis = Math.max(longestMillis, performance.now() - last)
      }
      const looking = yield* Effect.forkScoped(
        Effect.forever(Effect.andThen(Effect.sleep("100 millis"), Effect.sync(look))),
      )
      for (let number = 0; !happened;) {
        const peer = chance.pick(peers)
        if (peer === undefined) break
        const priority = chance.pick<Priority>(["now", "next", "next", "low"]) ?? "next"
        if (yield* peer.send(someTarget(chance, peers), priority, `text ${number}`)) number += 1
        yield* Effect.sleep(1_000 / rate)
      }
      yield* Fiber.interrupt(looking)
      return yield* drained(peers, ledger, () => {})
    }),
  )
  yield* Effect.promise(stop)
  const { accepted, deliveries } = yield* Effect.promise(stored)
  yield* Effect.promise(end)
  proxy.stop()
  const verdict = ledger.verdict(deliveries, accepted)
  const all = [...ledger.sent.values()]
  const rolledBack = all.filter(({ ackedAt }) => isIn(window, ackedAt)).map(({ messageId }) => messageId)
  // That somebody read it is rolled back, too: another session of its member may be shown it.
  const forgotten = new Set(ledger.shown.filter(({ at }) => isIn(window, at)).map(({ messageId }) => messageId))
  const found = (["lost", "twice", "stray", "outOfOrder"] as const).flatMap((kind) =>
    verdict[kind].map((breach) => ({ kind, breach, id: breach.slice(0, breach.indexOf(" ")) })),
  )
  const shownAgain = found.filter(({ id, kind }) => kind === "twice" && forgotten.has(id))
  const breaches = found
    .filter((one) => !rolledBack.includes(one.id) && !shownAgain.includes(one))
    .map(({ breach, kind }) => `${kind}: ${breach}`)
  const refused = all.filter(({ outcome }) => outcome === "refused")
  for (const breach of breaches.slice(0, 10)) console.log(`BROKEN (${name})  ${breach}`)
  for (const why of new Set(refused.map((sent) => sent.why))) console.log(`BROKEN (${name})  refused: ${why}`)
  if (!finished) console.log(`BROKEN (${name})  it did not drain in time`)
  const stays = new Set(accepted)
  return {
    row: {
      outage: name,
      messages: all.length,
      deliveries: deliveries.length,
      "took s": (tookMillis / 1_000).toFixed(1),
      "longest without an ack s": (longestMillis / 1_000).toFixed(1),
      refused: refused.length,
      redelivered: verdict.redelivered,
      "rolled back": window === undefined ? "" : rolledBack.filter((id) => !stays.has(id)).length,
      "shown again": window === undefined ? "" : shownAgain.length,
      broken: breaches.length,
    },
    kept: finished && failed === "" && breaches.length + refused.length === 0,
  }
})

/** After the backup had begun and before the broker had stopped: the store that was put back may not know of it. */
const isIn = (window: Window | undefined, at: number | undefined): boolean =>
  window !== undefined && at !== undefined && at >= window.from && at <= window.to

if (older === undefined) console.error("without --older there is no rolling restart")
const rows = []
let kept = true
for (const outage of outages) {
  const folder = await mkdtemp(join(tmpdir(), "claudemesh-outage-"))
  try {
    const { kept: isKept, row } = await Effect.runPromise(
      measured(outage, folder).pipe(
        Effect.provide(services),
        Effect.provideService(References.MinimumLogLevel, "None"),
        Effect.scoped,
      ),
    )
    console.error(JSON.stringify(row))
    rows.push(row)
    kept &&= isKept
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
console.table(rows)
console.log(kept ? "every promise was kept, and nobody was told of an error" : "broken")
process.exit(kept ? 0 : 1)
