/**
 * Bytes from a host, as the lines that they are. A line over the bound is dropped as it comes, but its id is read, so
 * that the host can be told. Only an id of the outermost object counts: not one in the arguments of a call.
 */
import { Data } from "effect"
import type { RequestId } from "./Unconfirmed.ts"

export type RequestLine = Data.TaggedEnum<{
  Whole: { readonly text: string }
  /** `id`: undefined where it is not a request, or none could be read. */
  TooLong: { readonly id: RequestId | undefined }
}>
export const RequestLine = Data.taggedEnum<RequestLine>()

const newline = 0x0a

export class RequestLines {
  readonly #bytesMax: number
  #chunks: Array<Uint8Array> = []
  #bytes = 0
  #tooLong: OutermostFields | undefined

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  read(chunk: Uint8Array): ReadonlyArray<RequestLine> {
    const lines: Array<RequestLine> = []
    let from = 0
    while (true) {
      const end = chunk.indexOf(newline, from)
      this.#add(chunk.subarray(from, end === -1 ? chunk.length : end))
      if (end === -1) return lines
      lines.push(...this.end())
      from = end + 1
    }
  }

  /** What came behind the last newline is a line, too. */
  end(): ReadonlyArray<RequestLine> {
    const tooLong = this.#tooLong
    const text = Buffer.concat(this.#chunks).toString("utf8").trim()
    this.#chunks = []
    this.#bytes = 0
    this.#tooLong = undefined
    if (tooLong !== undefined) return [RequestLine.TooLong({ id: tooLong.requestId })]
    return text === "" ? [] : [RequestLine.Whole({ text })]
  }

  #add(bytes: Uint8Array): void {
    if (this.#tooLong !== undefined) return this.#tooLong.read(bytes)
    this.#chunks.push(bytes)
    this.#bytes += bytes.length
    if (this.#bytes <= this.#bytesMax) return
    this.#tooLong = new OutermostFields()
    for (const chunk of this.#chunks) this.#tooLong.read(chunk)
    this.#chunks = []
  }
}

const [quote, backslash, colon, comma, open, close, openList, closeList] = Buffer.from('"\\:,{}[]')

/** Of an id, or of the name of a method. */
const tokenBytesMax = 256

/** Reads the strings and numbers of an object of any length, without keeping the rest of it. */
export class OutermostFields {
  #depth = 0
  #inString = false
  #escaped = false
  #token: Array<number> = []
  #name: unknown
  readonly #fields = new Map<unknown, unknown>()

  /** Of a request: a response has no method, a notification no id. */
  get requestId(): RequestId | undefined {
    const id = this.#fields.get("id")
    if (typeof this.#fields.get("method") !== "string") return undefined
    return typeof id === "string" || typeof id === "number" ? id : undefined
  }

  read(bytes: Uint8Array): void {
    for (const byte of bytes) this.#step(byte)
  }

  #step(byte: number): void {
    if (this.#inString) {
      this.#keep(byte)
      if (this.#escaped) this.#escaped = false
      else if (byte === backslash) this.#escaped = true
      else if (byte === quote) this.#inString = false
      return
    }
    if (byte === quote) this.#inString = true
    if (byte === open || byte === openList) this.#depth += 1
    else if (byte === close || byte === closeList) {
      this.#field()
      this.#depth -= 1
    } else if (this.#depth === 1 && byte === colon) this.#name = this.#taken()
    else if (this.#depth === 1 && byte === comma) this.#field()
    else this.#keep(byte)
  }

  #keep(byte: number): void {
    if (this.#depth === 1 && this.#token.length <= tokenBytesMax) this.#token.push(byte)
  }

  #field(): void {
    const value = this.#taken()
    if (this.#name === "id" || this.#name === "method") this.#fields.set(this.#name, value)
    this.#name = undefined
  }

  #taken(): unknown {
    const token = Buffer.from(this.#token).toString("utf8").trim()
    this.#token = []
    try {
      return JSON.parse(token)
    } catch {
      return undefined
    }
  }
}
