/** One project for each package, and one for the rules over the source tree. */
import { join } from "node:path"
import { defineConfig } from "vitest/config"
import { PassedFailed } from "./scripts/passedFailed.ts"

const project = (name: string, root: string, globalSetup: ReadonlyArray<string> = []) => ({
  test: {
    name,
    root,
    include: ["test/**/*.test.ts"],
    globalSetup: [...globalSetup],
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})

export default defineConfig({
  test: {
    passWithNoTests: true,
    reporters: ["default", new PassedFailed()],
    projects: [
      ...["domain", "broker", "client", "simulation"].map((name) => project(name, `packages/${name}`)),
      project("cli", "packages/cli", [join(import.meta.dirname, "scripts/testedBuild.ts")]),
      project("scripts", "scripts"),
    ],
  },
})
