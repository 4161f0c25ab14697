/**
 * Time and turns of a run. Every fiber of it shares one line of tasks, so it is known when nothing is left to do at
 * an instant; only then time goes on, to the next instant that somebody sleeps until. So an hour in which nothing
 * happens costs nothing, and the order of things follows from the seed alone. Nothing in a run may wait for anything
 * else than this: no promise, no socket, no real timer.
 */
import { Clock, Duration, Effect, Exit, Layer } from "effect"
import { Scheduler } from "effect/Scheduler"
import { Gate } from "./Gate.ts"

interface Sleeper {
  readonly atMillis: number
  readonly wake: () => void
}

const nanosPerMilli = 1_000_000n

/** So many tasks at one instant are a circle that never ends. */
const tasksPerInstantMax = 300_000

export class VirtualTime {
  #nowMillis = 0
  #tasks: Array<() => void> = []
  #sleepers: Array<Sleeper> = []
  #running = false
  /** The one who moves time, and how far. */
  #driver:
    | { readonly untilMillis: number; readonly resume: () => void; readonly fail: (why: unknown) => void }
    | undefined

  get nowMillis(): number {
    return this.#nowMillis
  }

  /** Everything that is due happens, in order; then `millis` have passed. */
  pass(millis: number): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      this.#driver = {
        untilMillis: this.#nowMillis + millis,
        resume: () => resume(Effect.void),
        fail: (why) => resume(Effect.die(why)),
      }
      this.#start()
    })
  }

  /**
   * A clock that is `offsetMillis()` ahead: what it measures goes at the same pace, what it shows can jump. Who sleeps by
   * it wakes when the gate is open.
   */
  clock(offsetMillis: () => number = () => 0, gate: Gate = new Gate()): Clock.Clock {
    // Whole ones, as the system's clock shows them.
    const wallMillis = () => Math.floor(this.#nowMillis + offsetMillis())
    const wallNanos = () => BigInt(Math.round(wallMillis())) * nanosPerMilli
    const monotonicNanos = () => BigInt(Math.round(this.#nowMillis)) * nanosPerMilli
    return {
      currentTimeMillisUnsafe: wallMillis,
      currentTimeMillis: Effect.sync(wallMillis),
      currentTimeNanosUnsafe: wallNanos,
      currentTimeNanos: Effect.sync(wallNanos),
      monotonicTimeNanosUnsafe: monotonicNanos,
      monotonicTimeNanos: Effect.sync(monotonicNanos),
      sleep: (duration) => this.#sleep(Duration.toMillis(duration), gate),
    }
  }

  /** Runs an effect in this time. */
  get layer(): Layer.Layer<never> {
    return Layer.mergeAll(Layer.succeed(Clock.Clock, this.clock()), Layer.succeed(Scheduler, this.#scheduler))
  }

  readonly #scheduler: Scheduler = {
    executionMode: "async",
    shouldYield: (fiber) => fiber.currentOpCount >= 100_000,
    makeDispatcher: () => ({
      scheduleTask: (task) => {
        this.#tasks.push(task)
        this.#start()
      },
      flush: () => this.#runTasks(),
    }),
  }

  #sleep(millis: number, gate: Gate): Effect.Effect<void> {
    if (!(millis > 0)) return Effect.yieldNow
    if (millis === Number.POSITIVE_INFINITY) return Effect.never
    return Effect.callback<void>((resume) => {
      const cancel = this.after(millis, () => gate.through(() => resume(Exit.void)))
      return Effect.sync(cancel)
    })
  }

  /** Something that is no fiber's business happens then. */
  after(millis: number, wake: () => void): () => void {
    const sleeper: Sleeper = { atMillis: this.#nowMillis + millis, wake }
    let [from, to] = [0, this.#sleepers.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.#sleepers[middle]?.atMillis ?? 0) > sleeper.atMillis) to = middle
      else from = middle + 1
    }
    this.#sleepers.splice(from, 0, sleeper)
    return () => {
      const index = this.#sleepers.indexOf(sleeper)
      if (index !== -1) this.#sleepers.splice(index, 1)
    }
  }

  #start(): void {
    if (this.#running) return
    this.#running = true
    setImmediate(() => {
      try {
        this.#run()
      } catch (error) {
        // Whoever moves time is told; what went round in circles stands still.
        this.#tasks = []
        const driver = this.#driver
        this.#driver = undefined
        if (driver === undefined) throw error
        driver.fail(error)
      } finally {
        this.#running = false
        if (this.#tasks.length > 0) this.#start()
      }
    })
  }

  #run(): void {
    while (true) {
      this.#runTasks()
      const driver = this.#driver
      if (driver === undefined) return
      const [next] = this.#sleepers
      if (next !== undefined && next.atMillis <= driver.untilMillis) {
        this.#sleepers.shift()
        this.#nowMillis = next.atMillis
        next.wake()
      } else {
        this.#nowMillis = driver.untilMillis
        this.#driver = undefined
        driver.resume()
      }
    }
  }

  #runTasks(): void {
    let ran = 0
    while (this.#tasks.length > 0) {
      const tasks = this.#tasks
      this.#tasks = []
      for (const task of tasks) task()
      ran += tasks.length
      if (ran > tasksPerInstantMax) throw new Error(`the run goes round in circles at ${this.#nowMillis} ms`)
    }
  }
}
