/**
 * Where in a JSON text something is, for a person who has to correct it: what breaks the text, by line and column, and where
 * a value stands in one that is whole. It is asked only once something is wrong; what is read is read by the runtime.
 */

export interface Place {
  readonly line: number
  readonly column: number
}

export const placeWords = ({ column, line }: Place): string => `line ${line}, column ${column}`

/** Both begin with 1, as editors count them. */
export const placeAt = (text: string, offset: number): Place => {
  const before = text.slice(0, offset)
  const lineStart = before.lastIndexOf("\n") + 1
  return { line: before.split("\n").length, column: Array.from(before.slice(lineStart)).length + 1 }
}

export type JsonPath = ReadonlyArray<string | number>

const keyOf = (path: JsonPath): string => JSON.stringify(path)

class Broken {
  constructor(
    readonly offset: number,
    readonly problem: string,
  ) {}
}

/** What is wrong with it, and where; undefined for a text that is JSON. */
export const jsonProblem = (text: string): { readonly problem: string; readonly place: Place } | undefined => {
  const read = scan(text)
  return read instanceof Broken ? { problem: read.problem, place: placeAt(text, read.offset) } : undefined
}

/** Where a value stands; where there is none, what it would stand in. */
export const placeOfValue = (text: string, path: JsonPath): Place => {
  const read = scan(text)
  if (read instanceof Broken) return placeAt(text, read.offset)
  for (let length = path.length; length > 0; length--) {
    const offset = read.get(keyOf(path.slice(0, length)))
    if (offset !== undefined) return placeAt(text, offset)
  }
  return placeAt(text, read.get(keyOf([])) ?? 0)
}

/** Deeper than anything of ours. */
const depthMax = 64

/** The offset of every value by its path, or what breaks the text first. */
const scan = (text: string): ReadonlyMap<string, number> | Broken => {
  const places = new Map<string, number>()
  let at = 0
  const skip = (pattern: RegExp): string => {
    pattern.lastIndex = at
    const [found = ""] = pattern.exec(text) ?? []
    at += found.length
    return found
  }
  const space = () => skip(/[ \t\r\n]*/y)
  const end = () => new Broken(text.length, "the text ends too early")
  const unexpected = (wanted: string): Broken =>
    at >= text.length ? end() : new Broken(at, `${wanted} is missing before ${JSON.stringify(text[at])}`)

  const string = (): string | Broken => {
    const begin = at
    const found = skip(/"(?:[ !#-[\]-\u{10ffff}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy)
    if (found === "") return new Broken(begin, "a text is not closed, or has a character that must be written as \\u")
    return String(JSON.parse(found))
  }

  const value = (path: JsonPath): Broken | undefined => {
    space()
    places.set(keyOf(path), at)
    if (path.length > depthMax) return new Broken(at, "it is nested too deeply")
    const first = text[at]
    if (first === "{") return members(path)
    if (first === "[") return items(path)
    if (first === '"') {
      const read = string()
      return read instanceof Broken ? read : undefined
    }
    return skip(/(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/y) === ""
      ? unexpected("a value")
      : undefined
  }

  const members = (path: JsonPath): Broken | undefined => {
    at += 1
    space()
    if (skip(/\}/y) !== "") return undefined
    while (true) {
      space()
      if (text[at] !== '"') return unexpected("a name in quotes")
      const name = string()
      if (name instanceof Broken) return name
      space()
      if (skip(/:/y) === "") return unexpected("a colon")
      const inner = value([...path, name])
      if (inner !== undefined) return inner
      space()
      if (skip(/\}/y) !== "") return undefined
      if (skip(/,/y) === "") return unexpected("a comma")
    }
  }

  const items = (path: JsonPath): Broken | undefined => {
    at += 1
    space()
    if (skip(/\]/y) !== "") return undefined
    for (let index = 0; ; index++) {
      const inner = value([...path, index])
      if (inner !== undefined) return inner
      space()
      if (skip(/\]/y) !== "") return undefined
      if (skip(/,/y) === "") return unexpected("a comma")
    }
  }

  const broken = value([])
  if (broken !== undefined) return broken
  space()
  return at < text.length ? new Broken(at, "something stands behind its end") : places
}
