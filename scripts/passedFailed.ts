/**
 * The vitest reporter whose line, `N passed, N failed`, ends a run. What keeps tests from running at all (an
 * unhandled error, a file that does not load, a hook that fails) counts as failed: no failure reads as green.
 */
import type { Reporter, TestModule, Vitest } from "vitest/node"

export class PassedFailed implements Reporter {
  private print: (line: string) => void = console.log

  onInit(vitest: Vitest): void {
    this.print = (line) => vitest.logger.log(line)
  }

  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandledErrors: ReadonlyArray<unknown>): void {
    this.print(summary(modules, unhandledErrors.length))
  }
}

const summary = (modules: ReadonlyArray<TestModule>, unhandledErrors: number): string => {
  const count = { passed: 0, failed: unhandledErrors, skipped: 0 }
  for (const module of modules) {
    if (module.errors().length > 0) count.failed++
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) count.failed++
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      // A test still pending when the run is over was cut off.
      count[state === "pending" ? "failed" : state]++
    }
  }
  const skipped = count.skipped === 0 ? "" : `, ${count.skipped} skipped`
  return `${count.passed} passed, ${count.failed} failed${skipped}`
}
