/** The man page, made of the help: `claudemesh help --man`, and in the package for `man claudemesh`. */
import manifest from "../../package.json" with { type: "json" }
import type { CommandLine } from "./CommandLine.ts"
import { environment } from "./Environment.ts"
import { flagTerm, flagText, usageOf } from "./HelpText.ts"

/** No text of ours is a request of roff. */
const text = (words: string): string =>
  words
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")

    .replace(/^[.']/gm, String.raw`\&$&`)
    .replaceAll(
      /[^\0-\u007f]/gu,
      (other) => `\\[u${other.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}]`,
    )

const item = (term: string, words: string): string => `.TP\n.B ${text(term)}\n${text(words)}`

export const manPage = ({ commands, root }: CommandLine): string =>
  [
    `.TH CLAUDEMESH 1 "" "claudemesh ${manifest.version}" "claudemesh"`,
    ".SH NAME",
    `claudemesh \\- ${text(root.description)}`,
    ".SH SYNOPSIS",
    `.B ${text(usageOf(root))}`,
    ".SH COMMANDS",
    ...commands.flatMap(({ does, help }) => [
      `.SS ${text(usageOf(help))}`,
      text(`${does}.`),
      ...help.flags.map((flag) => item(flagTerm(flag), flagText(flag))),
      ...(help.examples ?? []).flatMap(({ command, description = "" }) => [
        ".PP",
        text(`${description}:`),
        ".PP",
        ".nf",
        `    ${text(command)}`,
        ".fi",
      ]),
    ]),
    ".SH FLAGS OF EVERY COMMAND",
    ...(root.globalFlags ?? []).map((flag) => item(flagTerm(flag), flagText(flag))),
    ".SH ENVIRONMENT",
    ...environment.map(([name, meaning]) => item(name, meaning)),
    ".SH EXIT STATUS",
    ...[
      ["0", "Done."],
      ["1", "Failed; one line on stderr says why."],
      ["2", "The command was not understood."],
      ["130", "Interrupted."],
    ].map(([code = "", meaning = ""]) => item(code, meaning)),
    "",
  ].join("\n")
