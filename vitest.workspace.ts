/** One project for each package, and one for the rules over the source tree. */
import { defineConfig } from "vitest/config"
import { PassedFailed } from "./scripts/passedFailed.ts"

const project = (name: string, root: string) => ({
  test: { name, root, include: ["test/**/*.test.ts"], testTimeout: 30_000, hookTimeout: 30_000 },
})

export default defineConfig({
  test: {
    passWithNoTests: true,
    reporters: ["default", new PassedFailed()],
    projects: [
      ...["domain", "broker", "client", "cli", "simulation"].map((name) => project(name, `packages/${name}`)),
      project("scripts", "scripts"),
    ],
  },
})
