/** What was wrong with a command's line, in one sentence, from what the parser of lines says. */
import type { CliError } from "effect/unstable/cli"

const quotedList = (words: ReadonlyArray<string>): string => words.map((word) => `"${word}"`).join(" or ")

const meant = (suggestions: ReadonlyArray<string>): string =>
  suggestions.length === 0 ? "" : ` Did you mean ${suggestions.join(" or ")}?`

/** Of its schema the framework says more than a person needs. */
const expectation = (expected: string): string => {
  const text = expected
    .replace(/^Schema validation failed: /, "")
    .replace(/^Expected:? /, "")
    .replace(/, (actual|got) [\s\S]*$/, "")
    .replace(/\s*\n[\s\S]*$/, "")
    .trim()
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
  command?.some((word) => word === "send" || word === "reply") === true
    ? " A text that begins with a dash stands behind --."
    : ""

export const usageWords = (error: CliError.CliError): string => {
  switch (error._tag) {
    case "UnknownSubcommand":
      return `"${error.subcommand}" is not a command.${meant(error.suggestions)}`
    case "UnrecognizedOption":
      return `${error.option} is not a flag${error.command === undefined ? "" : ` of ${error.command.join(" ")}`}.${meant(error.suggestions)}${behindDashes(error.command)}`
    case "MissingArgument":
      return `<${error.argument}> is missing.`
    case "MissingOption":
      return `--${error.option} is missing.`
    case "UnexpectedArgument":
      return `${quotedList(error.arguments)} is more than this command takes. Put a text of several words in quotes.`
    case "InvalidValue": {
      const where = error.kind === "argument" ? `<${error.option}>` : `--${error.option}`
      const needed = expectation(error.expected)
      if (error.value === "") return `${where} needs a value. ${needed}`.trim()
      // Some say already what they were given.
      return error.expected.startsWith(error.value)
        ? `${where}: ${error.expected.replace(/\.?$/, ".")}`
        : `"${error.value}" does not fit ${where}. ${needed}`.trim()
    }
    default:
      return sentence(error.message.replaceAll(/\s*\n\s*/g, " "))
  }
}
