/** One project for each package, and one for the rules over the source tree. */
import { join } from "node:path"
import { defineConfig } from "vitest/config"
import { LongFirst } from "./scripts/longFirst.ts"
import { PassedFailed } from "./scripts/passedFailed.ts"

const project = (name: string, root: string, globalSetup: ReadonlyArray<string> = []) => ({
  test: {
    name,
    root,
    include: ["test/**/*.test.ts"],
    globalSetup: [...globalSetup],
    // A file begins with the modules of those before it: to load them anew for each took half of the time.
    isolate: false,
    // The longest take 25 s on two cores that nobody else uses. On a busy machine they take a multiple of it, and are right still.
    testTimeout: 300_000,
    hookTimeout: 60_000,
  },
})

const sharedPostgres = join(import.meta.dirname, "packages/broker/test/support/SharedPostgres.ts")

export default defineConfig({
  test: {
    passWithNoTests: true,
    // Else it is one less than there are cores. Many tests mostly wait: on two cores, three at once keep both busy.
    maxWorkers: 3,
    sequence: { sequencer: LongFirst },
    reporters: ["default", new PassedFailed()],
    projects: [
      ...["domain", "client", "simulation"].map((name) => project(name, `packages/${name}`)),
      project("broker", "packages/broker", [sharedPostgres]),
      project("cli", "packages/cli", [join(import.meta.dirname, "scripts/testedBuild.ts"), sharedPostgres]),
      project("scripts", "scripts"),
    ],
  },
})
