/**
 * Help as a person reads it: what a command does, how it is called, and the flags that every command has at the end. The
 * man page and the list that the build prints are made of the same.
 */
import { Option } from "effect"
import type { HelpDoc } from "effect/unstable/cli"
import { environment } from "./Environment.ts"
import * as lineWords from "../words/usage.ts"

export interface Paint {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
}

const plain: Paint = { bold: (text) => text, dim: (text) => text }

export const colours: Paint = {
  bold: (text) => `\u001b[1m${text}\u001b[0m`,
  dim: (text) => `\u001b[2m${text}\u001b[0m`,
}

type Row = readonly [left: string, right: string]

const columnMax = 34

const rows = (of: ReadonlyArray<Row>): ReadonlyArray<string> => {
  const width = Math.min(columnMax, Math.max(...of.map(([left]) => left.length)))
  return of.map(([left, right]) =>
    left.length > width ? `  ${left}\n  ${" ".repeat(width)}  ${right}` : `  ${left.padEnd(width)}  ${right}`,
  )
}

type Flag = HelpDoc.FlagDoc

export const flagTerm = ({ aliases, name, type }: Flag): string =>
  `${aliases.map((alias) => `${alias}, `).join("")}--${name}${type === "boolean" ? "" : ` <${valueWord(name, type)}>`}`

/** A long list of choices stands in the text. */
const valueWord = (name: string, type: string): string => {
  const word = type.replace(/^<(.*)>$/, "$1")
  return word.length > 24 || word === "choice" || word === "string" ? name.replace(/^.*-/, "") : word
}

const textOf = (description: Option.Option<string>): string => Option.getOrElse(description, () => "")

/** What the framework adds of choices, where the flag's own words do not say them already. */
export const flagText = ({ description }: Flag): string => {
  const [, text = "", choices = ""] = /^([\s\S]*?)(?: \(choices: ([^)]*)\))?$/.exec(textOf(description)) ?? []
  const isSaid = choices.split(", ").every((choice) => text.includes(choice))
  return choices === "" || isSaid ? text : `${text}: ${choices}`
}

const flags = (of: ReadonlyArray<Flag>): ReadonlyArray<Row> => of.map((flag) => [flagTerm(flag), flagText(flag)])

const args = (of: ReadonlyArray<HelpDoc.ArgDoc>): ReadonlyArray<Row> =>
  of.map(({ description, name, required, variadic }) => [
    `<${name}>${variadic ? "…" : ""}`,
    `${textOf(description)}${required ? "" : lineWords.mayBeLeftOut}`,
  ])

export interface Section {
  readonly title: string
  readonly lines: ReadonlyArray<string>
}

const section = (title: string, of: ReadonlyArray<Row>): ReadonlyArray<Section> =>
  of.length === 0 ? [] : [{ title, lines: rows(of) }]

/** `isRoot`: the page of all commands, which also says what the environment may hold. */
export const sectionsOf = (doc: HelpDoc.HelpDoc): ReadonlyArray<Section> => {
  const groups = doc.subcommands ?? []
  const isRoot = groups.some(({ group }) => group !== undefined)
  return [
    { title: "USAGE", lines: [`  ${usageOf(doc)}`] },
    ...section("ARGUMENTS", args(doc.args ?? [])),
    ...groups.flatMap(({ commands, group }) =>
      section(
        (group ?? "commands").toUpperCase(),
        commands.map(({ description, name, shortDescription }) => [name, shortDescription ?? description]),
      ),
    ),
    ...section("FLAGS", flags(doc.flags)),
    ...(doc.examples === undefined || doc.examples.length === 0
      ? []
      : [{ title: "EXAMPLES", lines: doc.examples.flatMap(example) }]),
    ...(isRoot ? section("ENVIRONMENT", environment) : []),
    ...section("FLAGS OF EVERY COMMAND", flags(doc.globalFlags ?? [])),
    ...(isRoot ? [{ title: "MORE", lines: [lineWords.claudemeshHelpCommandItsFlagsAndExamples] }] : []),
  ]
}

const example = ({ command, description }: HelpDoc.ExampleDoc): ReadonlyArray<string> => [
  ...(description === undefined ? [] : [`  # ${description}`]),
  `  ${command}`,
]

/** In one line, for those who have called it wrongly, too. */
export const usageOf = ({ usage }: HelpDoc.HelpDoc): string => usage.replaceAll("<subcommand>", "<command>")

export const helpText = (doc: HelpDoc.HelpDoc, { bold }: Paint = plain): string =>
  [doc.description, ...sectionsOf(doc).map(({ lines, title }) => [bold(title), ...lines].join("\n"))].join("\n\n")
