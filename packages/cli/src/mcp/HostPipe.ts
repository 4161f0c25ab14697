/**
 * MCP's transport over stdin and stdout. It tells what became of each answer, for a message counts as shown only when
 * its host has it (I8): when an answer leaves, when it has left, when its request is cancelled, and when the host is gone.
 */
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js"
import { type JSONRPCMessage, JSONRPCMessageSchema } from "@modelcontextprotocol/sdk/types.js"
import type { Early } from "./FirstAnswer.ts"
import { requestBytesMax } from "./Limits.ts"
import { OutermostFields, type RequestLine, RequestLines } from "./RequestLines.ts"
import type { RequestId } from "./Unconfirmed.ts"
import * as agentWords from "../words/agent.ts"

export interface HostEvents {
  /** From here on it cannot be taken back. */
  readonly leaving: (id: RequestId) => void
  readonly left: (id: RequestId) => void
  /** Also after it was answered. */
  readonly cancelled: (id: RequestId) => void
  /** It said anything. */
  readonly spoke: () => void
}

const invalidRequest = -32_600

export class HostPipe implements Transport {
  onmessage?: (message: JSONRPCMessage) => void
  onclose?: () => void
  onerror?: (error: Error) => void

  readonly #input: NodeJS.ReadableStream
  readonly #output: NodeJS.WritableStream
  readonly #events: HostEvents
  readonly #lines = new RequestLines(requestBytesMax)
  readonly #unanswered = new Set<RequestId>()
  #ponged: Array<() => void> = []
  readonly #pings = new Map<RequestId, () => void>()
  #pingCount = 0
  #writing = 0
  #idle: Array<() => void> = []
  #ended = Promise.withResolvers<void>()
  readonly #early: Uint8Array
  readonly #answeredEarly: Set<RequestId>

  /** `early`: what was read of the input before, and what of it is answered. */
  constructor(input: NodeJS.ReadableStream, output: NodeJS.WritableStream, events: HostEvents, early?: Early) {
    this.#input = input
    this.#output = output
    this.#events = events
    this.#early = early?.bytes ?? new Uint8Array()
    this.#answeredEarly = new Set(early?.answered)
  }

  async start(): Promise<void> {
    const ended = () => this.#ended.resolve()
    this.#takeAll(this.#lines.read(this.#early))
    this.#input.on("data", (chunk: Uint8Array) => this.#takeAll(this.#lines.read(chunk)))
    this.#input.once("end", () => {
      this.#takeAll(this.#lines.end())
      ended()
    })
    for (const event of ["close", "error"]) this.#input.once(event, ended)
    for (const event of ["close", "error"]) this.#output.on(event, ended)
  }

  /** The host has closed its end, or reads no more. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** Every request that was read is answered, and the answers have left. */
  get answered(): Promise<void> {
    if (this.#isIdle) return Promise.resolve()
    return new Promise((resolve) => void this.#idle.push(resolve))
  }

  /** Tells when the host has answered: it has read all that was written before. That it knows no ping is an answer. */
  ping(answered: () => void): () => void {
    this.#pingCount += 1
    const id = `claudemesh-ping-${this.#pingCount}`
    this.#pings.set(id, answered)
    this.#write({ jsonrpc: "2.0", id, method: "ping" }).catch(() => undefined)
    return () => void this.#pings.delete(id)
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const id = "method" in message ? undefined : message.id
    if (id === undefined) return this.#write(message)
    if (this.#answeredEarly.delete(id)) return this.#answered(id)
    this.#events.leaving(id)
    try {
      await this.#write(message)
      this.#events.left(id)
    } finally {
      this.#answered(id)
    }
  }

  async close(): Promise<void> {
    this.onclose?.()
  }

  /** A host that was stopped says at once what it had to say meanwhile: that it lives is told behind what it cancels. */
  #takeAll(lines: ReadonlyArray<RequestLine>): void {
    for (const line of lines) this.#take(line)
    const ponged = this.#ponged
    this.#ponged = []
    if (lines.length > 0) for (const signOfLife of [...ponged, this.#events.spoke]) signOfLife()
  }

  #take(line: RequestLine): void {
    if (line._tag === "Whole") return this.#receive(line.text)
    const mebibytes = requestBytesMax / 1_048_576
    this.#refuse(line.id, agentWords.theRequestIsLargerThanMiBNothing(mebibytes))
  }

  #refuse(id: RequestId | undefined, message: string): void {
    this.onerror?.(new Error(agentWords.aLineFromTheHostWasNot(message)))
    if (id === undefined) return
    this.#write({ jsonrpc: "2.0", id, error: { code: invalidRequest, message } }).catch(() => undefined)
  }

  #receive(text: string): void {
    const message = parsed(text)
    if (message === undefined) return this.#refuse(requestIdOf(text), agentWords.itIsNotARequestOfJson)
    if ("method" in message && "id" in message) this.#unanswered.add(message.id)
    if (!("method" in message) && message.id !== undefined) {
      const ponged = this.#pings.get(message.id)
      if (ponged !== undefined) {
        this.#pings.delete(message.id)
        this.#ponged.push(ponged)
        return
      }
    }
    if ("method" in message && message.method === "notifications/cancelled") this.#cancel(message.params?.["requestId"])
    this.onmessage?.(message)
  }

  #cancel(id: unknown): void {
    if (typeof id !== "string" && typeof id !== "number") return
    this.#events.cancelled(id)
    this.#answered(id)
  }

  #answered(id: RequestId): void {
    this.#unanswered.delete(id)
    this.#tellIdle()
  }

  #write(message: JSONRPCMessage): Promise<void> {
    this.#writing += 1
    return new Promise<void>((resolve, reject) => {
      this.#output.write(`${JSON.stringify(message)}\n`, (error) => {
        this.#writing -= 1
        this.#tellIdle()
        if (error) reject(error)
        else resolve()
      })
    })
  }

  get #isIdle(): boolean {
    return this.#unanswered.size === 0 && this.#writing === 0
  }

  #tellIdle(): void {
    if (!this.#isIdle) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}

const requestIdOf = (text: string): RequestId | undefined => {
  const fields = new OutermostFields()
  fields.read(Buffer.from(text))
  return fields.requestId
}

const parsed = (text: string): JSONRPCMessage | undefined => {
  try {
    return JSONRPCMessageSchema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
