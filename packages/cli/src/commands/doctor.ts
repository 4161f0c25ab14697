/** `doctor`: looks at everything between an agent and a colleague's agent, and says what to do. It changes nothing. */
import { Console, Effect } from "effect"
import { Command } from "effect/unstable/cli"
import type { Finding } from "../doctor/Finding.ts"
import { Failed } from "../Failed.ts"
import { bold, dim, green, printJson, yellow } from "../Output.ts"
import * as Flags from "./Flags.ts"
import * as does from "../words/commands.ts"
import * as runWords from "../words/running.ts"

export const doctor = Command.make(
  "doctor",
  { json: Flags.json },
  Effect.fn(function* ({ json }) {
    const { diagnose } = yield* Effect.promise(() => import("../doctor/Diagnose.ts"))
    const findings = yield* diagnose
    const failures = findings.filter(({ state }) => state === "failed").length
    yield* json ? printJson({ ok: failures === 0, findings }) : Console.log(findings.map(asLine).join("\n"))
    if (failures > 0) return yield* new Failed({ reason: `${failures} of ${findings.length} checks failed` })
  }),
).pipe(
  Command.withDescription(does.checkThisMachineTheBrokersAndThe),
  Command.withExamples([{ command: "claudemesh doctor --json", description: runWords.forAScriptExitCode1If }]),
)

const signs: Readonly<Record<Finding["state"], string>> = {
  ok: green("ok     "),
  warning: yellow("warning"),
  failed: bold("FAILED "),
  skipped: dim("skipped"),
}

const asLine = ({ check, state, text, todo }: Finding): string =>
  `${signs[state]}  ${check}: ${text}${todo === undefined ? "" : `. ${todo}`}`
