/** The program in a folder where it stays: what a host's settings name. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { installRunnable } from "../src/Runnable.ts"

const days = (count: number) => count * 24 * 60 * 60

describe("the program that stays", () => {
  it.live("takes the place of an older one, whose parts stay for a session that still runs it", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "claudemesh-test-"))
      yield* Effect.addFinalizer(() => Effect.promise(() => rm(folder, { recursive: true, force: true })))
      const run = join(folder, "run")
      const now = (yield* Clock.currentTimeMillis) / 1_000
      mkdirSync(run)
      for (const [name, age] of [
        ["claudemesh.js", 1],
        ["part-of-yesterday.js", 1],
        ["part-of-long-ago.js", 31],
      ] as const) {
        writeFileSync(join(run, name), "old")
        utimesSync(join(run, name), now - days(age), now - days(age))
      }
      const { bun, entry, flags, launcher } = yield* installRunnable(run)
      assert.notStrictEqual(readFileSync(entry, "utf8"), "old")
      assert.isTrue(existsSync(join(run, "part-of-yesterday.js")))
      assert.isFalse(existsSync(join(run, "part-of-long-ago.js")))
      // Not 100 MB once more, where the file system can link.
      if (statSync(bun).dev === statSync(process.execPath).dev) {
        assert.strictEqual(statSync(bun).ino, statSync(process.execPath).ino)
      }
      for (const file of [bun, entry, launcher, ...flags.flatMap((flag) => flag.split("=")[1] ?? [])]) {
        assert.isTrue(existsSync(file), file)
      }
      assert.isAbove(statSync(launcher).mode & 0o111, 0)
    }).pipe(Effect.scoped),
  )
})
