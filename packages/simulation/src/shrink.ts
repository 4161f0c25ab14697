/**
 * A failing run made smaller: kinds of fault are left out and steps are taken away for as long as something still
 * breaks. What is left is a command that a person can follow.
 */
import { Effect } from "effect"
import { type Report, simulate, stepsDefault } from "./simulate.ts"
import { kindsOfFault } from "./FaultInjection.ts"

export interface Shrunk {
  readonly report: Report
  readonly steps: number
  readonly without: ReadonlySet<string>
}

const breaks = (report: Report): boolean => report.problems.length > 0

/** `mayGoOn`: false when it has taken long enough. */
export const shrink = Effect.fnUntraced(function* (failed: Shrunk, mayGoOn: () => boolean) {
  let best = failed
  const attempt = Effect.fnUntraced(function* (steps: number, without: ReadonlySet<string>) {
    if (!mayGoOn()) return false
    const report = yield* simulate(best.report.seed, { steps, without })
    if (!breaks(report)) return false
    best = { report, steps, without }
    return true
  })

  /** The first of the run's steps that are enough: the run is the same up to there. */
  const fewerSteps = Effect.gen(function* () {
    let tooFew = -1
    while (best.steps - tooFew > 1) {
      const half = Math.floor((tooFew + best.steps) / 2)
      if (!(yield* attempt(half, best.without))) tooFew = half
    }
  })

  yield* fewerSteps
  for (const kind of kindsOfFault) {
    if (!best.without.has(kind)) yield* attempt(best.steps, new Set([...best.without, kind]))
  }
  yield* fewerSteps
  return best
})

export const commandOf = ({ report, steps, without }: Shrunk): string =>
  [
    `npm run simulate -- --seed ${report.seed}`,
    ...(steps === stepsDefault ? [] : [`--steps ${steps}`]),
    ...(without.size === 0 ? [] : [`--without ${[...without].join(",")}`]),
  ].join(" ")
