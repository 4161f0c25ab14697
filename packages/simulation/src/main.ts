/**
 * `npm run simulate -- [--seeds N] [--minutes M] [--from N]`: many runs with progress; a seed that breaks a promise is
 * made smaller, and the command that replays it is printed; exits with 1. `--seed N` replays one, with its history.
 * `--steps N` and `--without KIND,KIND` make a run smaller, `--real-crypto` uses the real curves.
 */
import { parseArgs } from "node:util"
import { Effect } from "effect"
import { commandOf, shrink } from "./shrink.ts"
import { simulate, stepsDefault } from "./simulate.ts"
import { kindsOfFault } from "./FaultInjection.ts"

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "100" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    minutes: { type: "string", default: "60" },
    steps: { type: "string", default: String(stepsDefault) },
    without: { type: "string", default: "" },
    "real-crypto": { type: "boolean", default: false },
    "no-shrink": { type: "boolean", default: false },
  },
})

const without = new Set(values.without.split(",").filter((kind) => kind !== ""))
for (const kind of without) {
  if (kindsOfFault.includes(kind)) continue
  console.error(`there is no ${kind}; there are: ${kindsOfFault.join(", ")}`)
  process.exit(2)
}
const options = { steps: Number(values.steps), without, realCrypto: values["real-crypto"] }

const begun = performance.now()
const minutes = () => (performance.now() - begun) / 60_000
const shrinkMinutes = 1

const printProblems = (problems: ReadonlyArray<string>): void => {
  for (const problem of problems.slice(0, 10)) console.log(`  ${problem}`)
  if (problems.length > 10) console.log(`  and ${problems.length - 10} more`)
}

if (values.seed !== undefined) {
  const report = await Effect.runPromise(simulate(Number(values.seed), options))
  console.log(report.history.join("\n"))
  console.log(`\nseed ${report.seed}: ${report.problems.length === 0 ? "kept every promise" : "breaks a promise:"}`)
  printProblems(report.problems)
  process.exit(report.problems.length === 0 ? 0 : 1)
}

let runs = 0
let virtualHours = 0
let shown = 0
const first = Number(values.from)
for (let seed = first; seed < first + Number(values.seeds) && minutes() < Number(values.minutes); seed++) {
  const report = await Effect.runPromise(simulate(seed, options))
  runs += 1
  virtualHours += report.virtualMillis / 3_600_000
  shown += report.shown
  const progress = `${runs} seeds, ${virtualHours.toFixed(1)} simulated hours, ${minutes().toFixed(1)} minutes`
  if (process.stderr.isTTY) process.stderr.write(`\r${progress}`)
  else if (runs % 200 === 0) console.error(progress)
  if (report.problems.length === 0) continue
  console.log(`\nseed ${seed} breaks a promise:`)
  printProblems(report.problems)
  const failed = { report, steps: options.steps, without }
  console.log(`replay it:  ${commandOf(failed)}`)
  if (values["no-shrink"]) process.exit(1)
  const until = minutes() + shrinkMinutes
  const smallest = await Effect.runPromise(shrink(failed, () => minutes() < until))
  console.log("the least that still breaks one:")
  printProblems(smallest.report.problems)
  console.log(`replay it:  ${commandOf(smallest)}`)
  process.exit(1)
}
const rate = (count: number) => (count / minutes()).toFixed(1)
console.log(
  `\n${runs} seeds kept every promise: ${virtualHours.toFixed(1)} simulated hours, ${shown} messages shown; ` +
    `${rate(runs)} seeds and ${rate(virtualHours)} simulated hours a minute`,
)
process.exit(0)
