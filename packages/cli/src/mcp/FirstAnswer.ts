/**
 * Answers `initialize` before the libraries are loaded that do everything else, since a host waits for that with its own start.
 * It understands this one request in its plain form, and the question that Claude Code asks before it; whatever else comes first is
 * left to the SDK, with every byte that was read. The SDK is asked, too, and says the same: `HostPipe.ts` sends its answer no
 * second time. It loads nothing of `node_modules`.
 */
import { fstatSync, readSync, writeSync } from "node:fs"
import { initializeResult } from "./About.ts"
import type { RequestId } from "./Unconfirmed.ts"

export interface Early {
  /** What was read of stdin. */
  readonly bytes: Uint8Array
  /** Requests in it that have their answer. */
  readonly answered: ReadonlySet<RequestId>
}

/** How much is read here at most: the first request is a tenth of it. */
export const earlyBytesMax = 65_536

const none: Early = { bytes: new Uint8Array(), answered: new Set() }

let early = none

/** What was read before the server was there, and nothing where `answerFirst` has not run. */
export const readEarly = (): Early => early

/** Waits for the host's first lines. It is called once, by `start.ts`. */
export const answerFirst = (): void => {
  early = answering(readFrom(0), writeTo(1))
}

/** `read` gives nothing at the end, and where nothing can be read this way. `write` says whether all of it was taken. */
export const answering = (read: () => Uint8Array, write: (text: string) => boolean): Early => {
  const answered = new Set<RequestId>()
  let bytes = Buffer.alloc(0)
  let from = 0
  while (bytes.length < earlyBytesMax) {
    const end = bytes.indexOf("\n", from)
    if (end === -1) {
      const more = read()
      if (more.length === 0) break
      bytes = Buffer.concat([bytes, more])
      continue
    }
    const request = requestIn(bytes.toString("utf8", from, end))
    const answer = request === undefined ? undefined : answerTo(request)
    if (request === undefined || answer === undefined) break
    if (!write(`${JSON.stringify({ ...answer, jsonrpc: "2.0", id: request.id })}\n`)) break
    answered.add(request.id)
    if (request.method === "initialize") break
    from = end + 1
  }
  return { bytes, answered }
}

interface Request {
  readonly id: RequestId
  readonly method: string
  readonly params: unknown
}

const methodNotFound = { error: { code: -32_601, message: "Method not found" } }

const answerTo = ({ method, params }: Request) => {
  // Of another version of the protocol: Claude Code tries it first.
  if (method === "server/discover") return methodNotFound
  if (method !== "initialize" || !isObject(params) || !isObject(params["capabilities"])) return undefined
  const { clientInfo, protocolVersion } = params
  if (typeof protocolVersion !== "string" || !isObject(clientInfo)) return undefined
  if (typeof clientInfo["name"] !== "string" || typeof clientInfo["version"] !== "string") return undefined
  return { result: initializeResult(protocolVersion) }
}

const requestIn = (line: string): Request | undefined => {
  const value = parsed(line)
  if (!isObject(value) || value["jsonrpc"] !== "2.0") return undefined
  const { id, method, params } = value
  const isId = typeof id === "string" || (typeof id === "number" && Number.isSafeInteger(id))
  return isId && typeof method === "string" ? { id, method, params } : undefined
}

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const readFrom = (file: number) => (): Uint8Array => {
  const chunk = Buffer.alloc(earlyBytesMax)
  try {
    // At a terminal a person may press Ctrl-C, which a read that waits does not hear.
    if (fstatSync(file).isCharacterDevice()) return none.bytes
    return chunk.subarray(0, readSync(file, chunk))
  } catch {
    // A pipe that is not to be waited for: who reads it later can.
    return none.bytes
  }
}

/** A host's pipe is empty at its start, and has room for this. */
const writeTo =
  (file: number) =>
  (text: string): boolean => {
    const bytes = Buffer.from(text)
    try {
      for (let from = 0; from < bytes.length;) from += writeSync(file, bytes, from)
      return true
    } catch {
      return false
    }
  }
