/** The broker as a process of its own, to be killed and started again on the same data. */
import { createServer } from "node:net"
import { join } from "node:path"
import { Effect } from "effect"

/** The build, where the tests made one (it starts in half of the time); else the sources. */
const built = process.env["CLAUDEMESH_TESTED"]
const program = built === undefined ? [join(import.meta.dirname, "../../src/main.ts")] : [built, "broker"]

/** It is over before what the compilers of Bun make is of use: they begin late, as in a command that the launcher starts. */
const compilers = { BUN_JSC_thresholdForJITAfterWarmUp: "4000", BUN_JSC_thresholdForOptimizeAfterWarmUp: "10000" }

export interface BrokerProcess {
  readonly origin: string
  readonly url: string
  /** As `kill -9`: nothing is flushed, nobody is told. */
  readonly kill: () => Promise<void>
  /** With other settings than before, if they are given. */
  readonly start: (changes?: Readonly<Record<string, string>>) => Promise<void>
  /** SIGTERM; gives the exit code. */
  readonly terminate: () => Promise<number>
  /** What it said to stderr so far. */
  readonly stderr: () => string
}

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() =>
        typeof address === "object" && address ? resolve(address.port) : reject(new Error("no port")),
      )
    })
  })

const healthy = async (origin: string): Promise<boolean> => {
  try {
    return (await fetch(`${origin}/health`)).ok
  } catch {
    return false
  }
}

const launch = async (environment: Readonly<Record<string, string>>): Promise<BrokerProcess> => {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  let child: ReturnType<typeof spawn> | undefined
  let said = ""
  const spawn = (changes: Readonly<Record<string, string>>) =>
    Bun.spawn([process.execPath, ...program], {
      env: {
        ...compilers,
        PATH: process.env["PATH"] ?? "",
        HOME: "/nonexistent",
        BROKER_PORT: String(port),
        ...environment,
        ...changes,
      },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    })
  const start: BrokerProcess["start"] = async (changes = {}) => {
    const started = spawn(changes)
    child = started
    void (async () => {
      for await (const chunk of started.stderr) said += Buffer.from(chunk).toString()
    })()
    const deadline = performance.now() + 20_000
    while (!(await healthy(origin))) {
      if (started.exitCode !== null) throw new Error(`the broker ended with ${started.exitCode}: ${said}`)
      if (performance.now() > deadline) throw new Error(`the broker did not start: ${said}`)
      await Bun.sleep(25)
    }
  }
  const stop = async (signal: "SIGKILL" | "SIGTERM") => {
    child?.kill(signal)
    return (await child?.exited) ?? 0
  }
  await start()
  return {
    origin,
    url: `ws://127.0.0.1:${port}/ws`,
    start,
    kill: async () => void (await stop("SIGKILL")),
    terminate: () => stop("SIGTERM"),
    stderr: () => said,
  }
}

export const brokerProcess = (environment: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.promise(() => launch(environment)),
    (broker) => Effect.promise(() => broker.kill()),
  )
