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

const agentServer = async () => {
  const [{ serveAgent }, { services }] = await Promise.all([import("./mcp/serveAgent.ts"), import("./Services.ts")])
  return serveAgent({ tags: [], channels: [] }).pipe(Effect.provide(services), Effect.provide(BunFileSystem.layer))
}

/** Each is started by its one word, and somebody waits until it answers: no flags are to be understood. */
const programFor = async () => {
  const [only, ...more] = line
  if (more.length === 0 && only === "mcp") return { program: await agentServer(), help: Effect.undefined }
  if (more.length === 0 && only === "broker") {
    const { runBroker } = await import("./commands/RunBroker.ts")
    return { program: runBroker, help: Effect.undefined }
  }
  const { helpOf, run } = await import("./Catalogue.ts")
  return { program: await run(line), help: helpOf(line) }
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
