/** What is measured of the process itself, and the value that a broker counts into. This is where the host's clocks are read. */
import { Clock, Effect, Layer } from "effect"
import { Version } from "../Version.ts"
import { BrokerMetrics, Metrics } from "./Metrics.ts"

/** Ten times a second: what holds the process up for longer is seen, and looking costs nothing. */
const loopEveryMillis = 100

const seconds = (): number => performance.now() / 1_000

const cpuSeconds = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1_000_000
}

export const processMetrics: Layer.Layer<never> = Layer.effect(
  BrokerMetrics,
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const metrics = new Metrics(seconds, () => clock.currentTimeMillisUnsafe(), cpuSeconds)
    const startedSeconds = clock.currentTimeMillisUnsafe() / 1_000 - process.uptime()
    metrics.buildInfo.readAs(() => 1, { version: Version.version, git_sha: Version.gitSha })
    metrics.resident.readAs(() => process.memoryUsage.rss())
    metrics.heap.readAs(() => process.memoryUsage().heapUsed)
    metrics.started.readAs(() => startedSeconds)
    yield* Effect.forkScoped(watchLoop(metrics))
    return metrics
  }),
)

const watchLoop = Effect.fnUntraced(function* (metrics: Metrics) {
  while (true) {
    const asked = metrics.seconds()
    yield* Effect.sleep(loopEveryMillis)
    metrics.loopDelay.observe(Math.max(0, metrics.seconds() - asked - loopEveryMillis / 1_000))
  }
})
