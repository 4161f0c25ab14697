/** What the two launchers set for Bun: the same, by the first word of the line, and nothing of it reaches what is started from there. */
import { chmodSync, copyFileSync, mkdtempSync, writeFileSync } from "node:fs"
import { rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { launchersSet, ranOf } from "./support/Agent.ts"
import { path } from "./support/HostileFolder.ts"

const bin = join(import.meta.dirname, "../bin")

/** A folder with the launchers, and with a program in the place of Bun that prints what it is given. */
const withLaunchers = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(join(tmpdir(), "claudemesh-test-"))
    for (const name of ["claudemesh", "claudemesh.mjs"]) copyFileSync(join(bin, name), join(folder, name))
    writeFileSync(join(folder, "bun"), "#!/bin/sh\nenv\n")
    for (const name of ["claudemesh", "bun"]) chmodSync(join(folder, name), 0o755)
    return folder
  }),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true })),
)

const environment = { PATH: path, HOME: "/nonexistent" }

const compilersIn = (printed: string) =>
  Object.fromEntries(
    printed
      .split("\n")
      .filter((line) => line.startsWith("BUN_JSC_"))
      .map((line) => line.split("=")),
  )

const ran = (command: ReadonlyArray<string>, more: Readonly<Record<string, string>> = {}) =>
  ranOf(
    Bun.spawn([...command], {
      cwd: import.meta.dirname,
      env: { ...environment, ...more },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  )

describe.concurrent("the launchers", () => {
  it.live("let the compilers of Bun begin late, leave those of a session out, and those of a broker as they are", () =>
    Effect.gen(function* () {
      const folder = yield* withLaunchers
      for (const launcher of [[join(folder, "claudemesh")], ["node", join(folder, "claudemesh.mjs")]]) {
        for (const args of [[], ["peers"], ["inbox", "--follow"], ["mcp"], ["mcp", "--tag", "a"], ["broker"]]) {
          const { stdout } = yield* Effect.promise(() => ran([...launcher, ...args]))
          assert.deepStrictEqual(compilersIn(stdout), launchersSet(args), [...launcher, ...args].join(" "))
        }
      }
    }).pipe(Effect.scoped),
  )

  it.live("set them for this program alone: what it starts has none of them", () =>
    Effect.promise(async () => {
      const module = JSON.stringify(join(import.meta.dirname, "../src/install/HostCommand.ts"))
      const printed = `Effect.runPromise(runHost("env", [], "/"))`
      const script = `import { Effect } from "effect"; import { runHost } from ${module}; console.log((await ${printed}).stdout)`
      for (const args of [["mcp"], ["peers"]]) {
        const set = launchersSet(args)
        assert.isAbove(Object.keys(set).length, 1)
        const { stdout } = await ran([process.execPath, "-e", script], set)
        assert.include(stdout, "HOME=/nonexistent")
        assert.deepStrictEqual(compilersIn(stdout), {})
      }
    }),
  )
})
