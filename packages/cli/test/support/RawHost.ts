/**
 * A host written out by hand: pipes to `claudemesh mcp`, and lines of JSON-RPC. It does what the SDK's client does not:
 * it stops reading, closes its end, says what is no message, and answers pings only if it is told to.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { type Answer, main } from "./Agent.ts"

type Line = Readonly<Record<string, unknown>>

export interface Ended {
  readonly code: number | null
  /** Since the host closed its end. */
  readonly millis: number
}

export class RawHost {
  readonly lines: Array<Line> = []
  readonly #child: ChildProcessWithoutNullStreams
  readonly #answersPings: boolean
  readonly #ended: Promise<number | null>
  #closedAt = performance.now()
  #rest = ""
  #wake: Array<() => void> = []
  #ids = 0

  constructor(home: string, environment: Readonly<Record<string, string>>, answersPings: boolean) {
    this.#answersPings = answersPings
    this.#child = spawn(process.execPath, [main, "mcp"], {
      env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", CLAUDEMESH_HOME: home, ...environment },
    })
    this.#child.stderr.resume()
    this.#child.stdin.on("error", () => undefined)
    this.#ended = new Promise((resolve) => this.#child.once("exit", (code) => resolve(code)))
    this.#child.stdout.on("data", (bytes: Buffer) => this.#read(bytes.toString("utf8")))
  }

  get pid(): number {
    return this.#child.pid ?? assert.fail("it did not start")
  }

  write(text: string): void {
    this.#child.stdin.write(text)
  }

  send(message: object): void {
    this.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
  }

  /** Gives the request's id. */
  request(method: string, params: object = {}): number {
    this.#ids += 1
    this.send({ id: this.#ids, method, params })
    return this.#ids
  }

  callTool(name: string, input: object = {}): number {
    return this.request("tools/call", { name, arguments: input })
  }

  async initialize(withinMillis?: number): Promise<Line> {
    const id = this.request("initialize", {
      protocolVersion: "2025-06-18",
      capabilities: {},
      clientInfo: { name: "raw-host", version: "1" },
    })
    const answer = await this.answer(id, withinMillis)
    this.send({ method: "notifications/initialized" })
    return answer
  }

  async answer(id: number, withinMillis = 30_000): Promise<Line> {
    const deadline = performance.now() + withinMillis
    while (true) {
      const found = this.lines.find((line) => line["id"] === id && !("method" in line))
      if (found !== undefined) return found
      const left = deadline - performance.now()
      if (left <= 0) throw new Error(`no answer to ${id} within ${withinMillis} ms`)
      await Promise.race([new Promise<void>((resolve) => void this.#wake.push(resolve)), Bun.sleep(left)])
    }
  }

  async call(name: string, input: object = {}): Promise<Answer> {
    const { result } = await this.answer(this.callTool(name, input))
    const { content, isError } = result as {
      readonly content: ReadonlyArray<{ readonly text: string }>
      isError?: boolean
    }
    return { text: content.map(({ text }) => text).join("\n"), isError: isError === true }
  }

  stopReading(): void {
    this.#child.stdout.removeAllListeners("data")
    this.#child.stdout.pause()
  }

  closeOutput(): void {
    this.#closedAt = performance.now()
    this.#child.stdout.destroy()
  }

  /** Closes its end, or sends a signal, and waits until the server has ended. */
  async end(how: "stdin" | "SIGTERM" = "stdin"): Promise<Ended> {
    this.#closedAt = performance.now()
    if (how === "stdin") this.#child.stdin.end()
    else this.#child.kill(how)
    return this.ended()
  }

  async ended(): Promise<Ended> {
    const code = await Promise.race([this.#ended, Bun.sleep(10_000).then(() => "never" as const)])
    if (code === "never") return assert.fail("it did not end within 10 s")
    return { code, millis: performance.now() - this.#closedAt }
  }

  /** Does this again and again, until the server has ended. */
  async endedBy(again: () => void): Promise<Ended> {
    const ended = this.ended()
    let isOver = false
    void ended.finally(() => (isOver = true))
    while (!isOver) {
      again()
      await Bun.sleep(20)
    }
    return ended
  }

  kill(): void {
    this.#child.kill("SIGKILL")
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n")
    this.#rest = lines.pop() ?? ""
    for (const line of lines) {
      const message: Line = JSON.parse(line)
      this.lines.push(message)
      if (message["method"] === "ping" && this.#answersPings) this.send({ id: message["id"], result: {} })
    }
    for (const wake of this.#wake.splice(0)) wake()
  }
}

export const rawHost = (
  home: string,
  environment: Readonly<Record<string, string>> = {},
  { answersPings = true }: { readonly answersPings?: boolean } = {},
) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const host = new RawHost(home, environment, answersPings)
      await host.initialize()
      return host
    }),
    (host) => Effect.sync(() => host.kill()),
  )
