/**
 * The `claudemesh` command. Exit codes: 0 done, 1 failed, 2 the command was not understood, 130 interrupted, 143 ended by SIGTERM.
 * Data goes to stdout, everything else to stderr.
 */
import "./Launch.ts"
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import * as BunRuntime from "@effect/platform-bun/BunRuntime"
import { Cause, Console, Effect, Exit } from "effect"
import { console } from "./Stdout.ts"
import { complain, isMisuse, showsHelp } from "./usage/Complaint.ts"
import { forPeople, forPrograms } from "./usage/PlainLog.ts"

const line = process.argv.slice(2)

/** These run until they are told to stop: that is no failure of theirs. */
const runsUntilStopped = ["broker", "mcp"].includes(line[0] ?? "")

/** Both signals interrupt; a script that ends a command wants to see by which. Ctrl-C is no failure of what runs until it is stopped, either. */
let [isTerminated, isCtrlC] = [false, false]
process.once("SIGTERM", () => {
  isTerminated = true
})
process.once("SIGINT", () => {
  isCtrlC = true
})

const exitCode = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) {
    if (isCtrlC) return 130
    if (runsUntilStopped) return 0
    return isTerminated ? 143 : 130
  }
  if (isMisuse(exit.cause)) return 2
  return showsHelp(exit.cause) ? 0 : 1
}

/** Hosts start the server by this one word: no flags are to be understood, and they wait for its first answer. */
const programFor = async () => {
  if (line.length !== 1 || line[0] !== "mcp") {
    const { helpOf, run } = await import("./Catalogue.ts")
    return { program: await run(line), help: helpOf(line) }
  }
  const [{ serveAgent }, { services }] = await Promise.all([import("./mcp/serveAgent.ts"), import("./Services.ts")])
  const program = serveAgent({ tags: [], channels: [] }).pipe(
    Effect.provide(services),
    Effect.provide(BunFileSystem.layer),
  )
  return { program, help: Effect.undefined }
}

/** What comes behind `--` is text. */
const flags = line.slice(0, line.includes("--") ? line.indexOf("--") : undefined)

const { help, program } = await programFor()

BunRuntime.runMain(
  program.pipe(
    Effect.tapCause(complain({ json: flags.includes("--json"), help })),
    Effect.provideService(Console.Console, console),
    Effect.provide(runsUntilStopped ? forPrograms : forPeople),
  ),
  { disableErrorReporting: true, teardown: (exit, onExit) => onExit(exitCode(exit)) },
)
