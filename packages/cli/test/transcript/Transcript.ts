/**
 * A script as people type it, with what is printed: `bob$ claudemesh inbox` runs in the home of bob, and the lines beneath it are stdout,
 * then stderr, then `exit 1` where it did not end with 0. Ids, keys and addresses are made alike before they are compared. With
 * TRANSCRIPT=write the file is written anew from what was printed, to be read before it is committed.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { launchersSet, main, ranOf } from "../support/Agent.ts"

interface Step {
  readonly comment: string
  readonly home: string
  readonly line: string
  readonly printed: string
}

const prompt = /^(\w+)\$ (.*)$/

const stepsOf = (script: string): ReadonlyArray<Step> => {
  const steps: Array<Step> = []
  let comment = ""
  for (const line of script.split("\n")) {
    const [, home, typed] = prompt.exec(line) ?? []
    const last = steps.at(-1)
    if (home !== undefined && typed !== undefined) {
      steps.push({ comment, home, line: typed, printed: "" })
      comment = ""
    } else if (line.startsWith("# ")) comment += `${line}\n`
    else if (last !== undefined && comment === "")
      steps[steps.length - 1] = { ...last, printed: `${last.printed}${line}\n` }
  }
  return steps.map((step) => ({ ...step, printed: step.printed.trimEnd() }))
}

/** What differs each time. */
const alike = (text: string, folder: string): string =>
  text
    .replaceAll(folder, "~")
    .replaceAll(/\b(?:ws|http):\/\/127\.0\.0\.1:\d+\S*/g, "<broker>")
    .replaceAll(/\bBROKER_PORT=\d+/g, "BROKER_PORT=<port>")
    .replaceAll(/\bclaudemesh-moved-[\w-]{100,}/g, "<statement>")
    .replaceAll(/\b[0-9a-f]{64}\b/g, "<key>")
    .replaceAll(/\b[0-9a-f]{32}\b/g, "<id>")
    .replaceAll(/(?:\b\d{5}\b ?){4,}/g, (digits) => (digits.endsWith(" ") ? "<digits> " : "<digits>"))
    .replaceAll(/\b[0-9a-f]{8}\b/g, "<8>")
    .replaceAll(/\bat \d{4}-\d\d-\d\d(?:T[\d:.]+Z| \d\d:\d\d UTC)/g, "at <time>")
    .replaceAll(/until (?:\d{1,2} \w+ (?:\d{4} )?)?\d\d:\d\d/g, "until <time>")
    .replaceAll(/ {2,}/g, "  ")
    .replaceAll(/[ \t]+$/gm, "")
    .trimEnd()

const shell = (step: Step, folder: string, environment: Readonly<Record<string, string>>) =>
  ranOf(
    Bun.spawn(["sh", "-c", `claudemesh() { "$BUN" "$MAIN" "$@"; }\n${step.line}`], {
      cwd: folder,
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: join(folder, step.home),
        CLAUDEMESH_HOME: join(folder, step.home),
        ...launchersSet([]),
        CLAUDEMESH_STARTED_AS: "claudemesh",
        CLAUDEMESH_STARTED_IN: folder,
        BUN: process.execPath,
        MAIN: main,
        TZ: "UTC",
        ...environment,
      },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    }),
  )

/** Steps that name other homes run one after the other as well: what one sends another reads. */
export const playTranscript = async (
  file: string,
  folder: string,
  environment: Readonly<Record<string, string>>,
): Promise<void> => {
  const path = join(import.meta.dirname, file)
  const script = await readFile(path, "utf8")
  const played: Array<string> = []
  for (const step of stepsOf(script)) {
    await mkdir(join(folder, step.home), { recursive: true, mode: 0o700 })
    const { code, stderr, stdout } = await shell(step, folder, environment)
    const printed = alike(`${stdout}${stderr}${code === 0 ? "" : `exit ${code}`}`, folder)
    played.push(`${step.comment}${step.home}$ ${step.line}\n${printed === "" ? "" : `${printed}\n`}`)
    if (process.env["TRANSCRIPT"] !== "write") {
      assert.strictEqual(printed, step.printed, `${file}: ${step.home}$ ${step.line}`)
    }
  }
  if (process.env["TRANSCRIPT"] === "write") await writeFile(path, played.join("\n"))
}
