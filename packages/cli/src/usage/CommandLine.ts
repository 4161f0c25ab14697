/** Every command with its flags and subcommands, as its help has them: for completion and for the man page. */
import { Effect, Option } from "effect"
import type { HelpDoc } from "effect/unstable/cli"
import { helpOf } from "../Catalogue.ts"

export interface CommandFlag {
  readonly name: string
  readonly aliases: ReadonlyArray<string>
  readonly does: string
  readonly takesValue: boolean
  readonly choices: ReadonlyArray<string>
}

export interface DescribedCommand {
  readonly name: string
  readonly does: string
  readonly flags: ReadonlyArray<CommandFlag>
  readonly subcommands: ReadonlyArray<{ readonly name: string; readonly does: string }>
  readonly help: HelpDoc.HelpDoc
}

const flagOf = ({ aliases, description, name, type }: HelpDoc.FlagDoc): CommandFlag => {
  const text = Option.getOrElse(description, () => "")
  const [, does = "", choices = ""] = /^([\s\S]*?)(?: \(choices: ([^)]*)\))?$/.exec(text) ?? []
  return { name, aliases, does, takesValue: type !== "boolean", choices: choices === "" ? [] : choices.split(", ") }
}

const subcommandsOf = ({ subcommands }: HelpDoc.HelpDoc) =>
  (subcommands ?? []).flatMap(({ commands }) => commands.map(({ description: does, name }) => ({ name, does })))

/** The page of all commands, and each of them. */
export const commandLine = Effect.gen(function* () {
  const root = yield* helpOf([])
  if (root === undefined) return yield* Effect.die("the help of all commands is there")
  const commands = yield* Effect.forEach(subcommandsOf(root), ({ does, name }) =>
    Effect.map(helpOf([name]), (help): DescribedCommand => {
      const own = help ?? root
      return { name, does, flags: own.flags.map(flagOf), subcommands: subcommandsOf(own), help: own }
    }),
  )
  return { root, commands, everywhere: (root.globalFlags ?? []).map(flagOf) }
})

export type CommandLine = Effect.Success<typeof commandLine>
