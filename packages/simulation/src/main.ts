/**
 * `npm run simulate -- [--seeds N] [--seed N] [--minutes M]`: many runs with progress, or one seed again with its
 * history. Exits with 1 and the command that replays it when a seed breaks a promise.
 */
import { parseArgs } from "node:util"
import { Effect } from "effect"
import { simulate } from "./simulate.ts"

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "100" },
    seed: { type: "string" },
    minutes: { type: "string", default: "60" },
  },
})

const begun = performance.now()
const minutes = () => (performance.now() - begun) / 60_000

if (values.seed !== undefined) {
  const report = await Effect.runPromise(simulate(Number(values.seed)))
  console.log(report.history.join("\n"))
  for (const problem of report.problems) console.log(`BROKEN  ${problem}`)
  console.log(`seed ${report.seed}: ${report.problems.length === 0 ? "kept every promise" : "broken"}`)
  process.exit(report.problems.length === 0 ? 0 : 1)
}

let runs = 0
let virtualHours = 0
let shown = 0
for (let seed = 1; seed <= Number(values.seeds) && minutes() < Number(values.minutes); seed++) {
  const report = await Effect.runPromise(simulate(seed))
  runs += 1
  virtualHours += report.virtualMillis / 3_600_000
  shown += report.shown
  if (process.stderr.isTTY) process.stderr.write(`\r${runs} seeds, ${virtualHours.toFixed(1)} simulated hours`)
  if (report.problems.length > 0) {
    console.log(`\nseed ${seed} breaks a promise:`)
    for (const problem of report.problems.slice(0, 10)) console.log(`  ${problem}`)
    console.log(`replay it:  npm run simulate -- --seed ${seed}`)
    process.exit(1)
  }
}
const rate = (count: number) => (count / minutes()).toFixed(1)
console.log(
  `\n${runs} seeds kept every promise: ${virtualHours.toFixed(1)} simulated hours, ${shown} messages shown; ` +
    `${rate(runs)} seeds and ${rate(virtualHours)} simulated hours a minute`,
)
process.exit(0)
