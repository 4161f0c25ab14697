/** What was wrong with a command's line, in one sentence, from what the parser of lines says. */
import type { CliError, HelpDoc } from "effect/unstable/cli"
import * as lineWords from "../words/usage.ts"

const quotedList = (words: ReadonlyArray<string>): string => words.map((word) => `"${word}"`).join(" or ")

/** One letter is as near as any other. */
const meant = (suggestions: ReadonlyArray<string>, of: string): string =>
  suggestions.length === 0 || /^-.$/.test(of) ? "" : ` Did you mean ${suggestions.join(" or ")}?`

/** Of its schema the framework says more than a person needs. */
const expectation = (expected: string): string => {
  const text = expected
    .replace(/^Schema validation failed: /, "")
    .replace(/^Expected:? /, "")
    .replace(/, (actual|got) [\s\S]*$/, "")
    .replace(/\s*\n[\s\S]*$/, "")
    .trim()
  if (/^a string representing a (finite )?number$/i.test(text)) return "Write a number."
  if (text === "integer") return lineWords.writeAWholeNumber
  // What the flag's own help calls its value says nothing.
  if (/^(?:<[^>]*>|string)$/i.test(text)) return ""
  const choices = text.split(" | ")
  return choices.length > 1 && choices.every((choice) => /^"?[\w-]+"?$/.test(choice))
    ? `Write one of: ${choices.map((choice) => choice.replaceAll('"', "")).join(", ")}.`
    : text === ""
      ? ""
      : sentence(text)
}

const sentence = (text: string): string => {
  const whole = `${text.charAt(0).toUpperCase()}${text.slice(1)}`
  return /[.?!]$/.test(whole) ? whole : `${whole}.`
}

/** Of commands that take a text. */
const behindDashes = (command: ReadonlyArray<string> | undefined): string =>
  command?.some((word) => word === "send" || word === "reply") === true ? lineWords.aTextThatBeginsWithADash : ""

/** How a command is called that took less than it was given. */
const tooMuch = (given: ReadonlyArray<string>, help: HelpDoc.HelpDoc | undefined): string => {
  const args = help?.args ?? []
  const takesText = args.some(({ name }) => name === "text" || name === "name")
  const called = /^claudemesh ([a-z-]+)/.exec(help?.usage ?? "")?.[1]
  const words = quotedList(given)
  if (takesText) return lineWords.isMoreThanThisCommandTakesPut(words)
  if (args.length > 0 || called === undefined) return lineWords.isMoreThanThisCommandTakes(words)
  const hint = help?.flags.some(({ name }) => name === "mesh") === true ? lineWords.chooseAMeshWithMesh : ""
  return lineWords.takesNoArgumentAndIsOne(called, words, hint)
}

/** The first thing that is wrong, and that a command is unknown before that its flags are. */
export const firstWrong = (errors: ReadonlyArray<CliError.CliError>): CliError.CliError | undefined =>
  errors.find(({ _tag }) => _tag === "UnknownSubcommand") ?? errors[0]

/** `help`: of the command that was called. */
export const usageWords = (error: CliError.CliError, help: HelpDoc.HelpDoc | undefined): string => {
  switch (error._tag) {
    case "UnknownSubcommand":
      return lineWords.isNotACommand(error.subcommand, meant(error.suggestions, error.subcommand))
    case "UnrecognizedOption":
      return lineWords.isNotAFlag(
        error.option,
        error.command === undefined ? "" : ` of ${error.command.join(" ")}`,
        meant(error.suggestions, error.option),
        behindDashes(error.command),
      )
    case "MissingArgument":
      return `<${error.argument}> is missing.`
    case "MissingOption":
      return `--${error.option} is missing.`
    case "UnexpectedArgument":
      return tooMuch(error.arguments, help)
    case "InvalidValue": {
      const where = error.kind === "argument" ? `<${error.option}>` : `--${error.option}`
      const needed = expectation(error.expected)
      if (error.value === "") return `${where} needs a value. ${needed}`.trim()
      // A variable said it.
      if (/^[A-Z_]+: /.test(error.expected)) return sentence(error.expected)
      // Some say already what they were given.
      return error.expected.startsWith(error.value)
        ? `${where}: ${error.expected.replace(/\.?$/, ".")}`
        : `"${error.value}" does not fit ${where}. ${needed}`.trim()
    }
    default:
      return sentence(error.message.replaceAll(/\s*\n\s*/g, " "))
  }
}
