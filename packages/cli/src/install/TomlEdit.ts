/**
 * The same as `Registration.ts` does with JSON, for tables of a TOML text (Codex): comments, order and everything that is not ours
 * stay. There is no editor of TOML that keeps them, so tables are found by their headers, and what comes out is parsed: if it says
 * anything but what was meant, nothing is written.
 */
import { isDeepStrictEqual } from "node:util"
import { Result } from "effect"
import { applyAll, type Edit, inverseOf, JsonUnusable, type Path } from "./JsonEdit.ts"
import type { Entry, Merged, Replaced } from "./Registration.ts"
import * as installWords from "../words/install.ts"

export const mergeToml = (before: string, entries: ReadonlyArray<Entry>): Result.Result<Merged, JsonUnusable> =>
  Result.gen(function* () {
    let text = before
    const edits: Array<Edit> = []
    const replaced: Array<Replaced> = []
    for (const { isOurs, path, value } of entries) {
      const found = at(yield* parsed(text), path)
      if (isDeepStrictEqual(found, value)) continue
      if (found !== undefined && !isOurs(found)) {
        return yield* unusable(installWords.isThereAndNotOurs(path.join(".")))
      }
      if (found !== undefined) replaced.push({ path, value: found })
      const steps = [...removal(text, path), addition(applyAll(text, removal(text, path)), path, value)]
      const after = applyAll(text, steps)
      yield* checked(text, after, path, value)
      edits.push(...steps)
      text = after
    }
    return { text, undo: inverseOf(before, edits), created: [], replaced }
  })

export const unmergeToml = (
  before: string,
  entries: ReadonlyArray<Entry>,
  { replaced }: Pick<Merged, "replaced">,
): Result.Result<string, JsonUnusable> =>
  Result.gen(function* () {
    let text = before
    for (const { isOurs, path } of entries) {
      if (!isOurs(at(yield* parsed(text), path))) continue
      const old = replaced.find((one) => isDeepStrictEqual(one.path, path))?.value
      const without = applyAll(text, removal(text, path))
      const after = old === undefined ? without : applyAll(without, [addition(without, path, old)])
      yield* checked(text, after, path, old)
      text = after
    }
    return text
  })

type Table = Readonly<Record<string, unknown>>

const isTable = (value: unknown): value is Table => typeof value === "object" && value !== null && !Array.isArray(value)

const unusable = (problem: string) => Result.fail(new JsonUnusable({ problem }))

const parsed = (text: string): Result.Result<unknown, JsonUnusable> =>
  Result.try({
    try: (): unknown => Bun.TOML.parse(text),
    catch: (error) =>
      new JsonUnusable({ problem: installWords.notValidToml(error instanceof Error ? error.message : String(error)) }),
  })

const at = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((within, key) => (isTable(within) ? within[key] : undefined), value)

/** Without the value at the path, and without what is empty then. */
const leaving = (value: unknown, [key, ...rest]: Path): unknown => {
  if (key === undefined || !isTable(value)) return value
  const { [key]: inner, ...others } = value
  const left = rest.length === 0 ? undefined : leaving(inner, rest)
  return left === undefined || (isTable(left) && Object.keys(left).length === 0) ? others : { ...others, [key]: left }
}

const checked = (before: string, after: string, path: Path, value: unknown): Result.Result<void, JsonUnusable> =>
  Result.gen(function* () {
    const old = yield* parsed(before)
    const now = Result.getOrElse(parsed(after), () => undefined)
    const isMeant = isDeepStrictEqual(at(now, path), value) && isDeepStrictEqual(leaving(now, path), leaving(old, path))
    if (!isMeant) return yield* unusable(installWords.partIsNotForPrograms(path.join(".")))
  })

/** The tables with that name, and those within. */
const removal = (text: string, path: Path): ReadonlyArray<Edit> => {
  const headers = headersOf(text)
  const own = headers.flatMap(({ name, offset }, index) => {
    const isOurs = path.every((key, depth) => name[depth] === key)
    return isOurs ? [{ offset, end: headers[index + 1]?.offset ?? text.length }] : []
  })
  return own.toReversed().map(({ end, offset }) => {
    // Comments at the end belong to what comes next, or to nothing: a table that somebody has taken out so, with its secrets.
    const body = text.slice(offset, end)
    const atEnd = commentsAtEnd(body)
    const kept = end === text.length && atEnd.trim() === "" ? "" : atEnd
    const before = text.slice(0, offset).match(/(?:\r?\n[ \t]*)+$/)
    const gap = end - kept.length === text.length && before !== null ? before[0].length - eolOf(text).length : 0
    return { offset: offset - gap, length: body.length - kept.length + gap, content: "" }
  })
}

const commentsAtEnd = (body: string): string => {
  const lines = body.match(/[^\n]*\n|[^\n]+$/g) ?? []
  const last = lines.findLastIndex((line) => !/^\s*(#|$)/.test(line))
  return lines.slice(last + 1).join("")
}

const eolOf = (text: string): string => (text.includes("\r\n") ? "\r\n" : "\n")

const addition = (text: string, path: Path, value: unknown): Edit => {
  const eol = eolOf(text)
  const gap = text.trim() === "" ? "" : text.endsWith("\n") ? eol : eol + eol
  const lines = isTable(value) ? tables(path, value) : []
  return { offset: text.length, length: 0, content: gap + lines.join(eol) + eol }
}

const tables = (path: Path, value: Table): ReadonlyArray<string> => {
  const entries = Object.entries(value)
  const inner = entries.filter((entry): entry is [string, Table] => isTable(entry[1]))
  return [
    `[${path.map(keyOf).join(".")}]`,
    ...entries.filter(([, one]) => !isTable(one)).map(([key, one]) => `${keyOf(key)} = ${valueOf(one)}`),
    ...inner.flatMap(([key, table]) => ["", ...tables([...path, key], table)]),
  ]
}

const keyOf = (key: string): string => (/^[\w-]+$/.test(key) ? key : JSON.stringify(key))
/** Texts, numbers, booleans and lists of them are written as in JSON. */
const valueOf = (value: unknown): string =>
  Array.isArray(value) ? `[${value.map(valueOf).join(", ")}]` : JSON.stringify(value)

interface Header {
  readonly offset: number
  readonly name: Path
}

/** Lines that begin a table, and none that only look so: within a text of several lines, or a list. */
const headersOf = (text: string): ReadonlyArray<Header> => {
  const headers: Array<Header> = []
  let depth = 0
  let isLineStart = true
  for (let offset = 0; offset < text.length;) {
    const rest = text.slice(offset)
    const header = isLineStart && depth === 0 ? /^\[\[?([^\n]*?)\]\]?[ \t]*(?:#[^\n]*)?(?:\r?\n|$)/.exec(rest) : null
    if (header !== null) {
      headers.push({ offset, name: namesOf(header[1] ?? "") })
      offset += header[0].length
      continue
    }
    const skipped = /^(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#[^\n]*)/.exec(rest)?.[0]
    const next = skipped ?? rest[0] ?? ""
    if (skipped === undefined) {
      if (next === "[" || next === "{") depth++
      if (next === "]" || next === "}") depth--
    }
    isLineStart = next === "\n" || (isLineStart && /^[ \t]$/.test(next))
    offset += next.length
  }
  return headers
}

const namesOf = (text: string): Path =>
  [...text.matchAll(/"((?:\\.|[^"\\])*)"|'([^']*)'|([\w-]+)/g)].map(
    ([, basic, literal, bare]) => basic ?? literal ?? bare ?? "",
  )
