/** The commands that a shell runs for us, with a home of which the path means something to a shell and to JSON. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as BunServices from "@effect/platform-bun/BunServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { placePlugin } from "../../src/install/PluginFolder.ts"
import { wakeHooks } from "../../src/install/WakeHooks.ts"

const oddly = `o'neil "x" $HOME \\y \`z`

const shell = (command: string, environment: Readonly<Record<string, string>>, stdin = "") => {
  const { exitCode, stderr, stdout } = Bun.spawnSync(["sh", "-c", command], {
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", CLAUDE_PID: "77", ...environment },
    stdin: Buffer.from(stdin),
    timeout: 10_000,
  })
  return { exitCode, stderr: stderr.toString(), stdout: stdout.toString() }
}

const commandOf = (home: string | undefined, event: string): string => {
  const command = wakeHooks(home).hooks[event]?.[0]?.hooks[0]?.["command"]
  return typeof command === "string" ? command : assert.fail(event)
}

const withHome = (tell: (home: string) => Effect.Effect<void, unknown, never>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const home = join(folder, oddly)
      mkdirSync(home, { mode: 0o700 })
      yield* tell(home)
    }),
  ).pipe(Effect.provide(BunServices.layer))

describe("without a plugin", () => {
  it.effect("the host is told to watch the wake file, and woken by its last line and by no other file", () =>
    withHome((home) =>
      Effect.sync(() => {
        const file = join(home, "wake/77")
        mkdirSync(join(home, "wake"))
        // By the environment of the host, and as it is written for a home that is not the usual one.
        for (const [written, environment] of [
          [undefined, { CLAUDEMESH_HOME: home }],
          [home, { CLAUDEMESH_HOME: "/another" }],
        ] as const) {
          const { hookSpecificOutput: told } = JSON.parse(shell(commandOf(written, "SessionStart"), environment).stdout)
          assert.deepStrictEqual(told, { hookEventName: "SessionStart", watchPaths: [file] })
          const changed = (path: string) =>
            shell(commandOf(written, "FileChanged"), environment, JSON.stringify({ file_path: path, event: "change" }))
          writeFileSync(file, "")
          assert.deepStrictEqual(changed(file), { exitCode: 0, stderr: "", stdout: "" })
          writeFileSync(file, "1 message waits\n2 messages wait\n")
          assert.deepStrictEqual(changed(file), { exitCode: 2, stderr: "2 messages wait\n", stdout: "" })
          assert.strictEqual(changed("/project/.env").exitCode, 0)
        }
      }),
    ),
  )
})

describe("the plugin", () => {
  it.effect(
    "of a home that is not the usual one has it in the server's environment, and in what its monitor follows",
    () =>
      withHome((home) =>
        Effect.gen(function* () {
          const folder = yield* placePlugin(home, { CLAUDEMESH_HOME: home }).pipe(Effect.provide(BunServices.layer))
          const json = (name: string) => JSON.parse(readFileSync(join(folder, name), "utf8"))
          assert.deepInclude(json(".mcp.json").mcpServers.claudemesh.env, { CLAUDEMESH_HOME: home })
          const [{ command }] = json("monitors/monitors.json")
          const shown = shell(command.replace(/^.*\bexec tail .* -F /, "printf %s "), {})
          assert.strictEqual(shown.stdout, join(home, "wake/77"))
          // Again, and for the usual home: nothing of the other one is left.
          yield* placePlugin(home, {}).pipe(Effect.provide(BunServices.layer))
          assert.notProperty(json(".mcp.json").mcpServers.claudemesh.env, "CLAUDEMESH_HOME")
          assert.notInclude(readFileSync(join(folder, "monitors/monitors.json"), "utf8"), "neil")
        }),
      ),
  )
})
