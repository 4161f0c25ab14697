import { mkdir, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "../../broker/test/support/TestBroker.ts"
import { workplace } from "../src/mcp/Workplace.ts"

const branchIn = (prepare: (git: string) => Promise<unknown>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.promise(async () => {
        await mkdir(join(folder, ".git"))
        await mkdir(join(folder, "below"))
        await prepare(join(folder, ".git"))
      })
      return (yield* workplace(join(folder, "below"))).branch
    }),
  )

describe("the branch of the folder that a session works in", () => {
  it.live("is what the HEAD of the repository names", () =>
    Effect.gen(function* () {
      const branch = yield* branchIn((git) => writeFile(join(git, "HEAD"), "ref: refs/heads/feature/x\n"))
      assert.strictEqual(branch, "feature/x")
    }),
  )

  it.live("is unknown where HEAD is a pipe, a device or too long, and nothing waits for it", () =>
    Effect.gen(function* () {
      const odd: ReadonlyArray<(git: string) => Promise<unknown>> = [
        async (git) => Bun.spawnSync(["mkfifo", join(git, "HEAD")]),
        (git) => symlink("/dev/zero", join(git, "HEAD")),
        (git) => writeFile(join(git, "HEAD"), `ref: refs/heads/${"x".repeat(100_000)}\n`),
      ]
      for (const prepare of odd) {
        const branch = yield* Effect.timeout(branchIn(prepare), "5 seconds")
        assert.isTrue(branch === undefined || branch.length < 1_100)
      }
    }),
  )
})
