/** What can lie in the place of `config.json` and `state.db`: the error says what it is, and nothing waits for it. */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as BunServices from "@effect/platform-bun/BunServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { ConfigFile } from "../../src/keys/ConfigFile.ts"
import { StateDb } from "../../src/local/StateDb.ts"

const cases: Readonly<Record<string, readonly [make: (path: string) => void, says: RegExp]>> = {
  "a folder": [(path) => mkdirSync(path), /: it is a folder and not a file\. Move it away, then try again$/],
  "a pipe": [(path) => execFileSync("mkfifo", [path]), /: it is a pipe and not a file\. Move it away, then try again$/],
  "a device": [(path) => symlinkSync("/dev/null", path), /: it is a device and not a file\. Move it away/],
  "a socket": [
    (path) => Bun.listen({ unix: path, socket: { data: () => {} } }).unref(),
    /: it is a socket and not a file\. Move it away/,
  ],
  "a link to itself": [(path) => symlinkSync(path, path), /: its links lead in a circle\. Remove the link/],
  "a link into no folder": [
    (path) => symlinkSync("not/there", path),
    /: it is a link to \/.*\/not\/there, and that folder is not there\. Make that folder, or remove the link/,
  ],
}

const home = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "claudemesh-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true })),
)

const reading = (folder: string) =>
  Effect.flatMap(ConfigFile, ({ read }) => read).pipe(Effect.provide(ConfigFile.layerIn(folder)))
const adding = (folder: string) =>
  Effect.flatMap(ConfigFile, ({ update }) => update((meshes) => Result.succeed([...meshes]))).pipe(
    Effect.provide(ConfigFile.layerIn(folder)),
  )
const opening = (folder: string) =>
  Effect.flatMap(StateDb, ({ read }) => read(() => undefined)).pipe(
    Effect.provide(Layer.fresh(StateDb.layerIn(folder))),
  )

describe.each(Object.entries(cases))("%s", (_, [make, says]) => {
  for (const [name, uses] of [
    ["config.json", [reading, adding]],
    ["state.db", [opening]],
    ["state.db-wal", [opening]],
  ] as const) {
    it.live(`in the place of ${name} is named as what it is`, () =>
      Effect.gen(function* () {
        const folder = yield* home
        make(join(folder, name))
        for (const use of uses) {
          const { message } = yield* Effect.flip<unknown, { readonly message: string }, BunServices.BunServices>(
            use(folder),
          )
          assert.include(message, join(folder, name))
          assert.match(message, says)
          assert.notInclude(message, "chmod")
        }
      }).pipe(Effect.scoped, Effect.provide(BunServices.layer)),
    )
  }
})

it.live("a config.json without a word in it is said to be empty, and a state.db is begun", () =>
  Effect.gen(function* () {
    const folder = yield* home
    for (const name of ["config.json", "state.db"]) writeFileSync(join(folder, name), "", { mode: 0o600 })
    assert.include((yield* Effect.flip(reading(folder))).message, "cannot be understood: it is empty")
    yield* opening(folder)
    assert.isTrue(existsSync(join(folder, "state.db")))
  }).pipe(Effect.scoped, Effect.provide(BunServices.layer)),
)
