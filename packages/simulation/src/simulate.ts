/**
 * One run: broker, clients and agents in one process in virtual time, the production code on the production store
 * (SQLite in memory), every choice from one seed. First everything goes wrong that can; then all is well again for
 * long enough; then what happened is held against what was promised.
 */
import { Ed25519 } from "@claudemesh/broker/trust/Ed25519"
import * as libsodium from "@claudemesh/broker/trust/Libsodium"
import { migrateSqlite } from "@claudemesh/broker/store/sqlite/Migrations"
import { sqliteFile } from "@claudemesh/broker/store/sqlite/Sqlite"
import { sqliteMessageStore } from "@claudemesh/broker/store/sqlite/SqliteMessageStore"
import { Sodium } from "@claudemesh/client/keys/Sodium"
import { Effect, Fiber, Layer, Random, References } from "effect"
import { Chance } from "./Chance.ts"
import { quiesce } from "./Quiesce.ts"
import { plainEd25519, plainSodium } from "./PlainCrypto.ts"
import { injectFaults } from "./FaultInjection.ts"
import { VirtualTime } from "./VirtualTime.ts"
import { makeCluster } from "./Cluster.ts"

export interface RunOptions {
  /** How many steps of the first part. */
  readonly steps?: number
  /** Kinds of fault that are left out. */
  readonly without?: ReadonlySet<string>
  /** With the real curves: slower. */
  readonly realCrypto?: boolean
}

export interface Report {
  readonly seed: number
  /** What went wrong; empty when all promises were kept. */
  readonly problems: ReadonlyArray<string>
  readonly history: ReadonlyArray<string>
  readonly sent: number
  readonly acked: number
  readonly shown: number
  readonly virtualMillis: number
}

export const stepsDefault = 150

export const simulate = (seed: number, options: RunOptions = {}): Effect.Effect<Report> =>
  Effect.suspend(() => {
    const chance = new Chance(seed)
    const time = new VirtualTime()
    const sodium = options.realCrypto === true ? Sodium.layer : plainSodium
    // Not in virtual time yet: these layers may wait for what is loaded.
    return Effect.scoped(
      Effect.flatMap(
        Layer.build(
          sqliteMessageStore.pipe(
            Layer.provideMerge(Layer.effectDiscard(migrateSqlite)),
            Layer.provideMerge(sqliteFile(":memory:")),
            Layer.provideMerge(sodium),
            Layer.provideMerge(chance.crypto),
          ),
        ),
        (services) =>
          run(seed, chance, time, options).pipe(
            Effect.scoped,
            Effect.provide(services),
            Random.withSeed(seed),
            Effect.provideService(References.MinimumLogLevel, "None"),
            // In a fiber of its own, which begins in virtual time.
            Effect.forkChild,
            Effect.flatMap(Fiber.join),
            Effect.catchDefect((defect) => Effect.succeed(failedReport(seed, time, defect))),
            Effect.provide(time.layer),
          ),
      ),
    ).pipe(Effect.orDie)
  })

/** Loaded before: no time passes here while something is read from the disk. */
const realEd25519 = Layer.succeed(Ed25519, Effect.succeed(libsodium))

/** A run that did not come to its end. */
const failedReport = (seed: number, time: VirtualTime, defect: unknown): Report => ({
  seed,
  problems: [`the run failed: ${String(defect)}`],
  history: [],
  sent: 0,
  acked: 0,
  shown: 0,
  virtualMillis: time.nowMillis,
})

const run = Effect.fnUntraced(function* (seed: number, chance: Chance, time: VirtualTime, options: RunOptions) {
  const cluster = yield* makeCluster(time, chance, options.realCrypto === true ? realEd25519 : plainEd25519)
  yield* injectFaults(cluster, { steps: options.steps ?? stepsDefault, without: options.without ?? new Set() })
  const problems = yield* quiesce(cluster)
  yield* cluster.stop
  const { history } = cluster
  const sent = [...history.sent.values()]
  const report: Report = {
    seed,
    problems,
    history: history.lines,
    sent: sent.length,
    acked: sent.filter(({ outcome }) => outcome === "acked").length,
    shown: history.views.length,
    virtualMillis: time.nowMillis,
  }
  return report
})
