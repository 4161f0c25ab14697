/**
 * Changes a JSON text of somebody else: what is not ours stays as it is, byte for byte, with comments, order and indentation.
 * A change is a list of edits, and each edit has an inverse, so that what was found can be made again without keeping a copy
 * of it. It knows no file, and nothing of what is put in.
 */
import { Result, Schema } from "effect"
import { getNodeValue, type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser"
import * as installWords from "../words/install.ts"

/** In the place of `length` characters at `offset`. One after the other: each is of the text that the last one left. */
export interface Edit {
  readonly offset: number
  readonly length: number
  readonly content: string
}

/** The text cannot be changed without guessing. It is left as it is. */
export class JsonUnusable extends Schema.TaggedError<JsonUnusable>()("JsonUnusable", { problem: Schema.String }) {
  override get message() {
    return this.problem
  }
}

export type Path = ReadonlyArray<string>

/** What came of it: the whole text, and how it was made. */
export interface Changed {
  readonly text: string
  readonly edits: ReadonlyArray<Edit>
}

/** A text that is changed step by step. A step that would make it invalid is not taken, and none after it. */
export class JsonText {
  #text: string
  #problem: JsonUnusable | undefined
  #root: Node | undefined
  readonly #edits: Array<Edit> = []

  private constructor(text: string, root: Node | undefined) {
    this.#text = text
    this.#root = root
  }

  static readonly parse = (text: string): Result.Result<JsonText, JsonUnusable> =>
    Result.map(rootOf(text), (root) => new JsonText(text, root))

  /** As far as steps were taken. */
  get text(): string {
    return this.#text
  }

  /** A failure where a step was not taken: half of a change is none. */
  get changed(): Result.Result<Changed, JsonUnusable> {
    if (this.#problem !== undefined) return Result.fail(this.#problem)
    return Result.succeed({ text: this.#text, edits: this.#edits })
  }

  /** The value at the path; undefined where there is none. */
  valueAt(path: Path): unknown {
    const node = this.#nodeAt(path)
    return node === undefined ? undefined : valueOf(node)
  }

  /** All on the way have to be objects as far as they are there, and each key is to be written once, the last one, too. */
  checkWay(path: Path): Result.Result<void, JsonUnusable> {
    for (let depth = 0; depth < path.length; depth++) {
      const node = this.#nodeAt(path.slice(0, depth))
      if (node === undefined) return Result.void
      const at = depth === 0 ? "it" : words(path.slice(0, depth))
      if (node.type !== "object") return unusable(installWords.isNotAnObject(at, article(node.type)))
      const key = path[depth]
      const times = propertiesOf(node).filter((property) => keyOf(property) === key).length
      if (times > 1) return unusable(`${words(path.slice(0, depth + 1))} is there ${times} times`)
    }
    return Result.void
  }

  /** Makes the objects on the way. Their paths are told, the outermost first. */
  set(path: Path, value: unknown): ReadonlyArray<Path> {
    const depth = this.#depthOf(path)
    const parent = this.#nodeAt(path.slice(0, depth))
    if (depth === path.length) {
      if (parent !== undefined) this.#replace(parent, value)
      return []
    }
    const inner = path.slice(depth + 1).reduceRight<unknown>((within, key) => ({ [key]: within }), value)
    const key = path[depth] ?? ""
    if (parent === undefined) this.#write({ [key]: inner })
    else this.#insert(parent, (indent) => `${JSON.stringify(key)}:${this.#space(parent)}${this.#print(inner, indent)}`)
    return path.slice(depth + 1).map((_, more) => path.slice(0, depth + 1 + more))
  }

  /** At the end of the list, which is made where there is none. */
  append(path: Path, value: unknown): ReadonlyArray<Path> {
    const list = this.#nodeAt(path)
    if (list === undefined) return [...this.set(path, [value]), path]
    this.#insert(list, (indent) => this.#print(value, indent))
    return []
  }

  /** The property, or the element of a list. */
  remove(path: Path, index?: number): void {
    const found = this.#nodeAt(path)
    const node = index === undefined ? found?.parent : found?.children?.[index]
    const container = node?.parent
    if (node === undefined || container === undefined) return
    const siblings = container.children ?? []
    const at = siblings.indexOf(node)
    const before = siblings[at - 1]
    const after = siblings[at + 1]
    if (before === undefined && after === undefined) return this.#empty(container)
    const start = before === undefined ? container.offset + 1 : endOf(before)
    const from = this.#trimmedEnd(start, node.offset)
    const behind = this.#commaBetween(endOf(node), after?.offset ?? endOf(container) - 1)
    const to = behind === undefined ? endOf(node) : behind + 1
    const [spaces = ""] = /^[ \t]*/.exec(this.#text.slice(to)) ?? []
    const isLineEnd = /^(?:[\r\n]|$)/.test(this.#text.slice(to + spaces.length))
    // A comment of a line ends with the line: what comes next would be within it.
    const isKept = !isLineEnd && (before === undefined || endsWithLineComment(this.#text.slice(start, from)))
    const lead = isKept ? node.offset : from
    const tail = isKept ? to + spaces.length : to
    this.#apply({ offset: lead, length: tail - lead, content: "" })
    if (before === undefined || behind !== undefined) return
    const comma = this.#commaBetween(endOf(before), from)
    if (comma !== undefined) this.#apply({ offset: comma, length: 1, content: "" })
  }

  #depthOf(path: Path): number {
    let depth = 0
    while (depth < path.length && this.#nodeAt(path.slice(0, depth + 1)) !== undefined) depth++
    return depth
  }

  #nodeAt(path: Path): Node | undefined {
    let node = this.#root
    for (const key of path) {
      if (node?.type !== "object") return undefined
      // Of two of one name the last counts, as in every parser.
      node = propertiesOf(node).findLast((property) => keyOf(property) === key)?.children?.[1]
    }
    return node
  }

  /** A whole text where there was none. */
  #write(value: unknown): void {
    const content = `${JSON.stringify(value, undefined, 2).replaceAll("\n", this.#eol)}${this.#eol}`
    this.#apply({ offset: 0, length: this.#text.length, content })
  }

  #replace(node: Node, value: unknown): void {
    const content = this.#print(value, this.#isOneLine ? undefined : this.#indentAt(node.offset))
    this.#apply({ offset: node.offset, length: node.length, content })
  }

  #insert(container: Node, print: (indent: string | undefined) => string): void {
    const last = container.children?.at(-1)
    const close = endOf(container) - 1
    const own = this.#indentAt(container.offset)
    if (this.#isFlat(container)) {
      const content = print(undefined)
      const space = /\s/.test(this.#text.slice(container.offset + 1, container.offset + 2)) ? " " : ""
      if (last === undefined) {
        const end = this.#trimmedEnd(container.offset + 1, close)
        return this.#apply({ offset: end, length: close - end, content })
      }
      return this.#apply({ offset: endOf(last), length: 0, content: `,${space || this.#space(container)}${content}` })
    }
    const first = container.children?.[0]
    const indent =
      first !== undefined && this.#beginsLine(first.offset) ? this.#indentAt(first.offset) : own + this.#unit
    // Behind the comments at the end, so that each stays with what it was written for.
    const end = this.#trimmedEnd(container.offset + 1, close)
    const content = `${this.#eol}${indent}${print(indent)}`
    const closing = this.#text.slice(end, close).includes("\n") ? "" : `${this.#eol}${own}`
    const hasComma = last !== undefined && this.#commaBetween(endOf(last), close) !== undefined
    const comma = last === undefined || hasComma ? "" : ","
    if (last !== undefined && end === endOf(last)) {
      return this.#apply({ offset: end, length: 0, content: `${comma}${content}${closing}` })
    }
    // The comma first: the text is valid between the two.
    if (last !== undefined && comma !== "") this.#apply({ offset: endOf(last), length: 0, content: comma })
    this.#apply({ offset: end + comma.length, length: 0, content: `${content}${closing}` })
  }

  #empty(container: Node): void {
    const inside = this.#text.slice(container.offset + 1, endOf(container) - 1)
    const only = container.children?.[0]
    if (only === undefined) return
    const close = endOf(container) - 1
    const comma = this.#commaBetween(endOf(only), close) ?? close
    const left =
      this.#text.slice(container.offset + 1, only.offset) +
      this.#text.slice(endOf(only), comma) +
      this.#text.slice(comma + 1, close)
    const content = left.trim() === "" ? "" : left
    this.#apply({ offset: container.offset + 1, length: inside.length, content })
  }

  #print(value: unknown, indent: string | undefined): string {
    if (indent === undefined) return JSON.stringify(value)
    return JSON.stringify(value, undefined, this.#unit).replaceAll("\n", `${this.#eol}${indent}`)
  }

  /** Behind a colon or a comma, as others of the text have it. */
  #space(container: Node): string {
    const sample = container.children?.[0] ?? this.#root?.children?.[0]
    const [key, value] = sample?.children ?? []
    if (key === undefined || value === undefined) return " "
    return /:\s/.test(this.#text.slice(endOf(key), value.offset)) ? " " : ""
  }

  get #isOneLine(): boolean {
    return !this.#text.trim().includes("\n")
  }

  /** Written on one line, with something in it; or all of the text is. */
  #isFlat(container: Node): boolean {
    const isOneLine = !this.#text.slice(container.offset, endOf(container)).includes("\n")
    return isOneLine && ((container.children?.length ?? 0) > 0 || (this.#isOneLine && this.#root !== container))
  }

  get #eol(): string {
    return this.#text.includes("\r\n") ? "\r\n" : "\n"
  }

  get #unit(): string {
    return /\n([ \t]+)\S/.exec(this.#text)?.[1] ?? "  "
  }

  #lineStart(offset: number): number {
    return this.#text.lastIndexOf("\n", offset - 1) + 1
  }

  #indentAt(offset: number): string {
    return /^[ \t]*/.exec(this.#text.slice(this.#lineStart(offset), offset))?.[0] ?? ""
  }

  #beginsLine(offset: number): boolean {
    return this.#text.slice(this.#lineStart(offset), offset).trim() === ""
  }

  #trimmedEnd(from: number, to: number): number {
    return from + this.#text.slice(from, to).trimEnd().length
  }

  /** Where the comma is; none of a comment. */
  #commaBetween(from: number, to: number): number | undefined {
    const blank = (comment: string) => " ".repeat(comment.length)
    const at = this.#text.slice(from, to).replaceAll(comments, blank).indexOf(",")
    return at === -1 ? undefined : from + at
  }

  #apply(edit: Edit): void {
    if (this.#problem !== undefined) return
    const text = applied(this.#text, edit)
    const root = rootOf(text)
    if (Result.isFailure(root)) {
      this.#problem = new JsonUnusable({ problem: notByProgram })
      return
    }
    this.#text = text
    this.#root = root.success
    this.#edits.push(edit)
  }
}

/** Commas or comments are where no program expects them. */
export const notByProgram = installWords.isNotForPrograms

const comments = /\/\/[^\r\n]*|\/\*[\s\S]*?\*\//g

/** Of what is between two values: nothing in it is within a string. */
const endsWithLineComment = (between: string): boolean => {
  const last = [...between.matchAll(comments)].at(-1)
  return last !== undefined && last[0].startsWith("//") && last.index + last[0].length === between.length
}

const applied = (text: string, { content, length, offset }: Edit): string =>
  text.slice(0, offset) + content + text.slice(offset + length)

/** What turns the changed text into the one before, in this order. */
export const inverseOf = (before: string, edits: ReadonlyArray<Edit>): ReadonlyArray<Edit> => {
  const inverse: Array<Edit> = []
  let text = before
  for (const edit of edits) {
    const { content, length, offset } = edit
    inverse.unshift({ offset, length: content.length, content: text.slice(offset, offset + length) })
    text = applied(text, edit)
  }
  return inverse
}

export const applyAll = (text: string, edits: ReadonlyArray<Edit>): string => edits.reduce(applied, text)

const unusable = (problem: string) => Result.fail(new JsonUnusable({ problem }))

/** Undefined for a text without anything in it. */
const rootOf = (text: string): Result.Result<Node | undefined, JsonUnusable> => {
  if (text.trim() === "") return Result.succeed(undefined)
  const errors: Array<ParseError> = []
  const root = parseTree(text, errors, { allowTrailingComma: true })
  const [error] = errors
  if (error !== undefined || root === undefined) {
    const before = text.slice(0, error?.offset ?? 0).split("\n")
    const what = error === undefined ? "" : `, ${printParseErrorCode(error.error)}`
    return unusable(installWords.notValidJson(before.length, (before.at(-1)?.length ?? 0) + 1, what))
  }
  return Result.succeed(root)
}

/** Of the first one, for a program that takes none. */
export const lineOfComment = (text: string): number | undefined => {
  const errors: Array<ParseError> = []
  parseTree(text, errors, { allowTrailingComma: true, disallowComments: true })
  const found = errors.find(({ error }) => printParseErrorCode(error) === "InvalidCommentToken")
  return found === undefined ? undefined : text.slice(0, found.offset).split("\n").length
}

const endOf = (node: Node): number => node.offset + node.length
const propertiesOf = (node: Node): ReadonlyArray<Node> => node.children ?? []
const keyOf = (property: Node): unknown => property.children?.[0]?.value
const valueOf = (node: Node): unknown => getNodeValue(node)
const words = (path: Path): string => `"${path.join(".")}"`
const article = (type: string): string => (/^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`)
