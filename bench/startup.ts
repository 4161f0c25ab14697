/** How long a start takes until something is seen of it, and what the process holds then. Used by `bench/start.ts` and a test. */
import { spawnSync } from "node:child_process"

export interface Start {
  readonly command: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
}

const spawnOf = ({ command, environment }: Start) =>
  Bun.spawn([...command], {
    env: { PATH: process.env["PATH"] ?? "", ...environment },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  })

/** Until the process has ended. */
export const untilEnd = async (start: Start): Promise<number> => {
  const begun = performance.now()
  const child = spawnOf(start)
  await child.stdin.end()
  await child.stdout.text()
  if ((await child.exited) !== 0) throw new Error(`it failed: ${start.command.join(" ")}`)
  return performance.now() - begun
}

const line = (message: object) => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`

const clientInfo = { name: "bench", version: "1" }
const initialize = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo }

export interface Initialized {
  readonly millis: number
  /** Resident memory once the host said that it has the answer, and the server was left alone for a while. */
  readonly megabytes: number
}

/** A host that initializes the server, leaves it alone for `idleMillis`, and goes. */
export const initialized = async (start: Start, idleMillis: number): Promise<Initialized> => {
  const begun = performance.now()
  const child = spawnOf(start)
  void child.stdin.write(line({ id: 1, method: "initialize", params: initialize }))
  await child.stdin.flush()
  const reader = child.stdout.getReader()
  const { value } = await reader.read()
  const millis = performance.now() - begun
  if (value === undefined) throw new Error(`it did not answer: ${start.command.join(" ")}`)
  void child.stdin.write(line({ method: "notifications/initialized" }))
  await child.stdin.flush()
  await Bun.sleep(idleMillis)
  const megabytes =
    Number(spawnSync("ps", ["-o", "rss=", "-p", String(child.pid)], { encoding: "utf8" }).stdout) / 1_024
  await child.stdin.end()
  await child.exited
  return { millis, megabytes }
}

const cpuMillis = (child: ReturnType<typeof spawnOf>): number =>
  Number(child.resourceUsage()?.cpuTime.total ?? Number.NaN) / 1_000

/** What the processors do until it has ended: a busy machine changes it by little. */
export const workUntilEnd = async (start: Start): Promise<number> => {
  const child = spawnOf(start)
  await child.stdin.end()
  await child.stdout.text()
  await child.exited
  return cpuMillis(child)
}

/** The same until `initialize` is answered. */
export const workUntilInitialized = async (start: Start): Promise<number> => {
  const child = spawnOf(start)
  void child.stdin.write(line({ id: 1, method: "initialize", params: initialize }))
  await child.stdin.flush()
  await child.stdout.getReader().read()
  child.kill("SIGKILL")
  await child.exited
  return cpuMillis(child)
}

export interface Readied {
  readonly millis: number
  /** What the processors did for it, kernel included: a busy machine changes it by little. */
  readonly work: number
}

/** A broker at this port, until `/ready` has answered that it is. */
export const readied = async (start: Start, port: number): Promise<Readied> => {
  const begun = performance.now()
  const child = spawnOf({ ...start, environment: { ...start.environment, BROKER_PORT: String(port) } })
  // It says so once it listens.
  await child.stdout.getReader().read()
  const answer = await (await fetch(`http://127.0.0.1:${port}/ready`)).text()
  const millis = performance.now() - begun
  child.kill("SIGKILL")
  await child.exited
  if (answer !== '{"ready":true}') throw new Error(`it is not ready but ${answer}: ${start.command.join(" ")}`)
  return { millis, work: cpuMillis(child) }
}

export const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
