/**
 * Broken JSON out of good JSON. A text is read into a tree that can say what an object cannot (a key twice,
 * `__proto__` as a key), the tree or the text is changed in one to four places, and it is written again. All chance
 * comes from the caller's seed.
 */

/** A small generator (mulberry32): the same seed gives the same numbers everywhere. */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** 0 to `below - 1`. */
  int(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * below)
  }

  one<A>(of: ReadonlyArray<A>, otherwise: A): A {
    return of[this.int(of.length)] ?? otherwise
  }
}

type Node =
  | { readonly kind: "leaf"; text: string }
  | { readonly kind: "array"; items: Array<Node> }
  | { readonly kind: "object"; entries: Array<[string, Node]> }

const leaf = (text: string): Node => ({ kind: "leaf", text })

const treeOf = (value: unknown): Node => {
  if (Array.isArray(value)) return { kind: "array", items: value.map(treeOf) }
  if (typeof value !== "object" || value === null) return leaf(JSON.stringify(value) ?? "null")
  return { kind: "object", entries: Object.entries(value).map(([key, inner]) => [key, treeOf(inner)]) }
}

const write = (node: Node): string => {
  switch (node.kind) {
    case "leaf":
      return node.text
    case "array":
      return `[${node.items.map(write).join(",")}]`
    case "object":
      return `{${node.entries.map(([key, inner]) => `${JSON.stringify(key)}:${write(inner)}`).join(",")}}`
  }
}

/** A mark that turns the line's direction, a byte order mark, NUL, half a character, and what ends a line or a statement. */
const awkward = [
  "\u202e",
  "\u2066",
  "\ufeff",
  "\0",
  "\ud800",
  "\udc00",
  "\u2028",
  "\n",
  "\r",
  "|",
  "/",
  " ",
  "=",
  "é",
  "𝒳",
  "%00",
  "\u200b",
]

const numbers = [
  "0",
  "-0",
  "-1",
  "1.5",
  "1e400",
  "-1e400",
  "9007199254740993",
  "1e308",
  "5e-324",
  "31536001",
  "99999999999999999999999999",
]

const keysOfEveryObject = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "then",
  "toJSON",
  "length",
]

/** The frame limit leaves room for this many brackets, opened and closed. */
const deepest = 109_000

const nested = (chance: Chance): string => {
  // Mostly shallow: the deepest ones cost a thousand times as much.
  const depth = [3, 40, 600, 8_000, deepest][Math.min(4, Math.floor(chance.int(260) / 60))] ?? 3
  return chance.int(2) === 0
    ? "[".repeat(depth) + "]".repeat(depth)
    : `{"a":`.repeat(depth / 3) + "1" + "}".repeat(Math.floor(depth / 3))
}

const strangeValue = (chance: Chance): string => {
  switch (chance.int(8)) {
    case 0:
      return "null"
    case 1:
      return chance.one(["true", "false"], "true")
    case 2:
      return chance.one(numbers, "0")
    case 3:
      return chance.one(["[]", "{}", `[""]`, `{"__proto__":{"type":"ping"}}`, `[[],{}]`], "[]")
    case 4:
      return chance.int(12) === 0 ? nested(chance) : `[[[{"a":[]}]]]`
    case 5:
      return JSON.stringify(chance.one(awkward, "").repeat(1 + chance.int(70)))
    case 6:
      return chance.int(200) === 0 ? JSON.stringify("A".repeat(200_000)) : `"AAAA"`
    default:
      return JSON.stringify(chance.one(keysOfEveryObject, "then"))
  }
}

const at = (text: string, chance: Chance): number => chance.int(text.length + 1)

/** Of hex, base64, ids and names: the nearest neighbours that are none, or are another one. */
const changedString = (text: string, chance: Chance): string => {
  const place = at(text, chance)
  switch (chance.int(12)) {
    case 0:
      return text.toUpperCase()
    case 1:
      return text.slice(0, -1)
    case 2:
      return text + chance.one(["0", "=", "A", "==", "\n"], "0")
    case 3:
      return text.slice(0, place) + chance.one(awkward, "") + text.slice(place)
    case 4:
      return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
    case 5:
      // The bits of the last digit that stand for nothing.
      return text.replace(/.(?==*$)/, () => "BCDEFGHghijkl".charAt(chance.int(13)))
    case 6:
      return text + text
    case 7:
      return ""
    case 8:
      return text.slice(0, place) + text.slice(place + 1 + chance.int(4))
    case 9:
      return chance.one([" ", "\ufeff", "\0"], " ") + text
    case 10:
      return text.normalize("NFD")
    default:
      return flipped(text, chance)
  }
}

const flipped = (text: string, chance: Chance): string => {
  if (text === "") return text
  const place = chance.int(text.length)
  const code = text.charCodeAt(place) ^ (1 << chance.int(chance.int(10) === 0 ? 16 : 7))
  return text.slice(0, place) + String.fromCharCode(code) + text.slice(place + 1)
}

const places = (node: Node, found: Array<Node> = []): Array<Node> => {
  found.push(node)
  if (node.kind === "array") for (const item of node.items) places(item, found)
  if (node.kind === "object") for (const [, inner] of node.entries) places(inner, found)
  return found
}

const copyOf = (node: Node): Node => {
  if (node.kind === "leaf") return leaf(node.text)
  if (node.kind === "array") return { kind: "array", items: node.items.map(copyOf) }
  return { kind: "object", entries: node.entries.map(([key, inner]) => [key, copyOf(inner)]) }
}

const changeTree = (root: Node, other: Node, chance: Chance): void => {
  const node = chance.one(places(root), root)
  if (node.kind === "leaf") {
    if (!node.text.startsWith(`"`) || chance.int(4) === 0) node.text = strangeValue(chance)
    else node.text = JSON.stringify(changedString(String(JSON.parse(node.text)), chance))
    return
  }
  if (node.kind === "array") {
    const place = chance.int(node.items.length + 1)
    if (chance.int(3) === 0) node.items.splice(place, 1)
    else if (chance.int(60) === 0) node.items = Array.from({ length: 501 }, () => node.items[0] ?? leaf("1"))
    else node.items.splice(place, 0, copyOf(node.items[0] ?? leaf(strangeValue(chance))))
    return
  }
  const place = chance.int(node.entries.length + 1)
  const [key, inner] = node.entries[place] ?? ["extra", leaf(strangeValue(chance))]
  switch (chance.int(6)) {
    case 0:
      return void node.entries.splice(place, 1)
    case 1:
      return void node.entries.push([key, chance.int(2) === 0 ? copyOf(inner) : leaf(strangeValue(chance))])
    case 2:
      return void node.entries.splice(place, 1, [key, leaf(strangeValue(chance))])
    case 3:
      return void node.entries.splice(place, 0, [
        chance.one(keysOfEveryObject, "then"),
        copyOf(chance.one(places(other), other)),
      ])
    case 4:
      return void node.entries.splice(place, 1, [changedString(key, chance), inner])
    default:
      return void node.entries.splice(place, 1, [key, copyOf(chance.one(places(other), other))])
  }
}

const changeText = (text: string, other: string, chance: Chance): string => {
  const [from, to] = [at(text, chance), at(text, chance)].toSorted((a, b) => a - b)
  const [start = 0, end = 0] = [from, to]
  switch (chance.int(8)) {
    case 0:
      return text.slice(0, start)
    case 1:
      return text.slice(0, start) + text.slice(Math.min(end, start + 9))
    case 2:
      return text.slice(0, end) + text.slice(start)
    case 3:
      return text.slice(0, start) + chance.one(awkward, "") + text.slice(start)
    case 4:
      return text.slice(0, start) + other.slice(at(other, chance))
    case 5:
      return chance.one(["\ufeff", " ", "\0", "[", `"`], " ") + text
    case 6:
      return (
        text.slice(0, start) +
        chance.one([...numbers, "\\ud800", "\\u0000", "{", "]", `"`, ":"], "{") +
        text.slice(start)
      )
    default:
      return flipped(text, chance)
  }
}

const parsed = (text: string): Node | undefined => {
  try {
    return treeOf(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** One of the examples, changed in one to four places; one in fifty is left as it is. */
export const mutated = (examples: ReadonlyArray<string>, chance: Chance): string => {
  let text = chance.one(examples, "")
  if (chance.int(50) === 0) return text
  const other = chance.one(examples, "")
  for (let left = 1 + Math.min(chance.int(4), chance.int(4)); left > 0; left--) {
    const tree = text.length < 20_000 && chance.int(4) !== 0 ? parsed(text) : undefined
    if (tree === undefined || tree.kind === "leaf") {
      text = chance.int(3) === 0 ? changedString(text, chance) : changeText(text, other, chance)
    } else {
      changeTree(tree, parsed(other) ?? leaf("null"), chance)
      text = write(tree)
    }
  }
  return text
}
