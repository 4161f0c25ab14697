/** The sentences of the command and the MCP server: those of `src/words` with what they take, and those that stand elsewhere in the sources. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseAst } from "rolldown/parseAst"

const root = join(import.meta.dirname, "../../src")

/** By subject, each sentence under the name that the sources call it by. What it takes stands in braces, as it is called. */
export const sentences = async (): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> => {
  const found = new Map<string, ReadonlyMap<string, string>>()
  for (const file of readdirSync(join(root, "words")).toSorted()) {
    if (file === "Part.ts") continue
    const module: Readonly<Record<string, unknown>> = await import(join(root, "words", file))
    const rendered = new Map<string, string>()
    for (const name of Object.keys(module).toSorted()) rendered.set(name, render(module[name]))
    found.set(file.replace(".ts", ""), rendered)
  }
  return found
}

const render = (sentence: unknown): string => {
  if (typeof sentence !== "function") return String(sentence)
  const [, takes = ""] = /^\(?([^)=]*)\)?\s*=>/.exec(sentence.toString()) ?? []
  return String(sentence(...takes.split(",").map((part) => `{${part.trim()}}`)))
}

interface Node {
  readonly type: string
}

const isNode = (value: unknown): value is Node & Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && "type" in value && typeof value.type === "string"

/** Four words make a sentence; a line of a shell is none. */
const isSentence = (text: string): boolean =>
  text.split(/\s+/).filter((word) => /\p{L}/u.test(word)).length >= 4 && !/^(env |git |claudemesh |#!)/.test(text)

const parts = (value: unknown): ReadonlyArray<Node & Readonly<Record<string, unknown>>> =>
  (Array.isArray(value) ? value : [value]).filter(isNode)

const textOf = (node: Node & Readonly<Record<string, unknown>>): string => {
  if (node.type === "Literal") return typeof node["value"] === "string" ? node["value"] : ""
  if (node.type !== "TemplateLiteral") return ""
  return parts(node["quasis"])
    .map(({ value }) => (typeof value === "object" && value !== null && "cooked" in value ? String(value.cooked) : ""))
    .join(" ")
}

const withoutSentences = new Set(["ImportDeclaration", "TSLiteralType", "TaggedTemplateExpression", "ImportExpression"])

const isCommandLine = ({ key }: Readonly<Record<string, unknown>>): boolean => isNode(key) && key["name"] === "command"

export const sentencesIn = (source: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  const walk = (node: Node & Readonly<Record<string, unknown>>): void => {
    if (withoutSentences.has(node.type) || (node.type === "Property" && isCommandLine(node))) return
    const text = textOf(node)
    if (isSentence(text)) found.push(text)
    for (const value of Object.values(node)) parts(value).forEach(walk)
  }
  parts(parseAst(source, { lang: "ts" }).body).forEach(walk)
  return found
}

export const sentencesElsewhere = (isExempt: (file: string) => boolean): ReadonlyArray<string> =>
  readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith("words/") && !isExempt(file))
    .toSorted()
    .flatMap((file) => sentencesIn(readFileSync(join(root, file), "utf8")).map((text) => `${file}: ${text}`))
