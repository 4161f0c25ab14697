/**
 * The `claudemesh` command. Exit codes: 0 done, 1 failed, 2 the command was not understood, 130 interrupted.
 * Data goes to stdout, everything else to stderr.
 */
import "./Launch.ts"
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import * as BunRuntime from "@effect/platform-bun/BunRuntime"
import { Cause, Console, Effect, Exit, Layer, Logger, Option, References } from "effect"
import { CliError } from "effect/unstable/cli"
import { Failed, Misused } from "./Failed.ts"
import { console } from "./Stdout.ts"
import { printable } from "./Output.ts"

const logging = Layer.mergeAll(
  Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]),
  Layer.succeed(References.LogToStderr, true),
)

const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, " ")

const say = (text: string) => Console.error(`claudemesh: ${printable(oneLine(text))}`)

/** Nothing fails without a word. What is wrong with a command's line is said with its help already. */
const report = (cause: Cause.Cause<unknown>) =>
  Option.match(Cause.findErrorOption(cause), {
    onSome: (error) => {
      if (error instanceof Failed) return say(error.reason)
      if (CliError.isCliError(error)) return error._tag === "ShowHelp" ? Effect.void : say(error.message)
      return Effect.logFatal(cause)
    },
    onNone: () => (Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logFatal(cause)),
  })

/** No command at all, and `--help`, are understood. */
const isMisuse = (cause: Cause.Cause<unknown>): boolean =>
  Option.exists(Cause.findErrorOption(cause), (error) =>
    CliError.isCliError(error) ? error._tag !== "ShowHelp" || error.errors.length > 0 : error instanceof Misused,
  )

const showsHelp = (cause: Cause.Cause<unknown>): boolean =>
  Option.exists(Cause.findErrorOption(cause), (error) => CliError.isCliError(error) && error._tag === "ShowHelp")

/** These run until they are told to stop: that is no failure of theirs. */
const runsUntilStopped = ["broker", "mcp"].includes(process.argv[2] ?? "")

const exitCode = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) return runsUntilStopped ? 0 : 130
  if (isMisuse(exit.cause)) return 2
  return showsHelp(exit.cause) ? 0 : 1
}

/** Hosts start the server by this one word: no flags are to be understood, and they wait for its first answer. */
const programFor = async (line: ReadonlyArray<string>) => {
  if (line.length !== 1 || line[0] !== "mcp") return (await import("./Catalogue.ts")).run(line)
  const [{ serveAgent }, { services }] = await Promise.all([import("./mcp/serveAgent.ts"), import("./Services.ts")])
  return serveAgent({ tags: [], channels: [] }).pipe(Effect.provide(services), Effect.provide(BunFileSystem.layer))
}

BunRuntime.runMain(
  (await programFor(process.argv.slice(2))).pipe(
    Effect.tapCause(report),
    Effect.provideService(Console.Console, console),
    Effect.provide(logging),
  ),
  { disableErrorReporting: true, teardown: (exit, onExit) => onExit(exitCode(exit)) },
)
