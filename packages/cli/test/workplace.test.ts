import { mkdir, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { temporaryFolder } from "../../broker/test/support/TestBroker.ts"
import { toldWords, workplace } from "../src/mcp/Workplace.ts"

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
      // Where git keeps its references in a table, HEAD names what no branch can be called.
      const table = yield* branchIn((git) => writeFile(join(git, "HEAD"), "ref: refs/heads/.invalid\n"))
      assert.isUndefined(table)
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

  it.live("is that of a worktree or a submodule itself, whose .git is a file", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        yield* Effect.promise(async () => {
          const own = join(folder, "main/.git/worktrees/other")
          const sub = join(folder, "main/.git/modules/lib")
          for (const path of [own, sub, join(folder, "other/src"), join(folder, "main/lib")]) {
            await mkdir(path, { recursive: true })
          }
          await writeFile(join(folder, "main/.git/HEAD"), "ref: refs/heads/main\n")
          await writeFile(join(own, "HEAD"), "ref: refs/heads/other\n")
          await writeFile(join(sub, "HEAD"), "ref: refs/heads/lib\n")
          await writeFile(join(folder, "other/.git"), `gitdir: ${own}\n`)
          await writeFile(join(folder, "main/lib/.git"), "gitdir: ../.git/modules/lib\n")
        })
        const branches = ["main", "other/src", "main/lib"].map((path) => workplace(join(folder, path)))
        const found = (yield* Effect.all(branches)).map(({ branch }) => branch)
        assert.deepStrictEqual(found, ["main", "other", "lib"])
      }),
    ),
  )
})

describe("what a session tells of where it runs", () => {
  const settings = (value: string) =>
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({ CLAUDEMESH_PROFILE: value })))

  it.effect("is nothing by a setting for all meshes, and one that is not understood is said", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* workplace("/").pipe(settings("none")), {})
      assert.hasAllKeys(yield* workplace("/").pipe(settings("full")), ["cwd", "host"])
      const { message } = yield* Effect.flip(workplace("/").pipe(settings("off")))
      assert.strictEqual(message, 'CLAUDEMESH_PROFILE is "off". It can be full or none.')
      assert.hasAllKeys(yield* workplace(undefined), ["host"])
      assert.strictEqual(toldWords({}), "nothing of where it runs")
    }),
  )
})
