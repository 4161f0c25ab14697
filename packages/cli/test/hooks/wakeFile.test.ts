/** The file by which a host is woken: whose it is, how large, and when it goes. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Processes } from "@claudemesh/client/local/Processes"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { wakeFileBytesMax } from "../../src/host/Limits.ts"
import { settingsWakeHooks } from "../../src/host/SettingsHooks.ts"
import { openWakeFile, removeDeadWakeFiles } from "../../src/host/WakeFile.ts"
import { readWakeOutcome } from "../../src/host/WakeOutcome.ts"

let home = ""
beforeEach(() => (home = mkdtempSync(join(tmpdir(), "claudemesh-wake-"))))
afterEach(() => rmSync(home, { recursive: true }))

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)

describe("a wake file", () => {
  it("is this user's alone, has the lines that were written, and begins empty", () => {
    const { path, write } = openWakeFile(home, 4_711)
    assert.strictEqual(path, join(home, "wake/4711"))
    assert.deepStrictEqual([mode(join(home, "wake")), mode(path)], ["700", "600"])
    write("1 message waits on the mesh")
    write("2 messages wait on the mesh")
    assert.strictEqual(readFileSync(path, "utf8"), "1 message waits on the mesh\n2 messages wait on the mesh\n")
    openWakeFile(home, 4_711)
    assert.strictEqual(statSync(path).size, 0)
  })

  it("never grows over its bound, and has the last line all the same", () => {
    const { path, write } = openWakeFile(home, 4_711)
    for (let number = 1; number <= 500; number += 1) {
      write(`${number} messages wait on the mesh`)
      assert.isAtMost(statSync(path).size, wakeFileBytesMax)
    }
    assert.isTrue(readFileSync(path, "utf8").endsWith("500 messages wait on the mesh\n"))
  })

  it("notes for the doctor when a wake was written, and when one was followed by a turn", () => {
    const { note } = openWakeFile(home, 4_711)
    assert.isUndefined(readWakeOutcome(home))
    note({ wokenAtMillis: 1 })
    assert.deepStrictEqual(readWakeOutcome(home), { wokenAtMillis: 1, followedAtMillis: null })
    note({ followedAtMillis: 1 })
    note({ wokenAtMillis: 2 })
    assert.deepStrictEqual(readWakeOutcome(home), { wokenAtMillis: 2, followedAtMillis: 1 })
    assert.strictEqual(mode(join(home, "wake/last.json")), "600")
    writeFileSync(join(home, "wake/last.json"), "{")
    assert.isUndefined(readWakeOutcome(home))
  })

  it.effect("goes when its host is dead, and never while it lives", () =>
    Effect.gen(function* () {
      const processes = yield* Processes
      const child = Bun.spawn(["true"])
      yield* Effect.promise(() => child.exited)
      const alive = openWakeFile(home, process.ppid)
      const dead = openWakeFile(home, child.pid)
      const other = join(home, "wake/notes.txt")
      writeFileSync(other, "")
      assert.strictEqual(removeDeadWakeFiles(home, processes), 1)
      assert.deepStrictEqual([existsSync(alive.path), existsSync(dead.path), existsSync(other)], [true, false, true])
    }),
  )

  it("is followed by the plugin's monitor, which ends with its host", async () => {
    const monitors = join(import.meta.dirname, "../../../plugin/monitors/monitors.json")
    const [{ command }] = JSON.parse(readFileSync(monitors, "utf8"))
    const host = Bun.spawn(["sleep", "60"])
    const { write } = openWakeFile(home, host.pid)
    const monitor = Bun.spawn(["sh", "-c", command], {
      env: { PATH: process.env["PATH"] ?? "", CLAUDEMESH_HOME: home, CLAUDE_PID: String(host.pid) },
    })
    let read = ""
    const reading = (async () => {
      for await (const bytes of monitor.stdout) read += Buffer.from(bytes).toString()
    })()
    write("1 message waits on the mesh")
    while (read === "") await Bun.sleep(20)
    // The file is emptied in between.
    for (let number = 2; number <= 200; number += 1) write(`${number} messages wait on the mesh`)
    while (!read.endsWith("\n200 messages wait on the mesh\n")) await Bun.sleep(20)
    host.kill()
    await host.exited
    await monitor.exited
    await reading
  })

  it("is what the hooks of the settings watch and read, whatever the home is called", async () => {
    const odd = join(home, `it's "odd" \\ here`)
    const { path, write } = openWakeFile(odd, 4_711)
    const run = (command: string, changed = path) => {
      const { exitCode, stderr, stdout } = Bun.spawnSync(["sh", "-c", command], {
        stdin: Buffer.from(JSON.stringify({ hook_event_name: "FileChanged", file_path: changed })),
        env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", CLAUDEMESH_HOME: odd, CLAUDE_PID: "4711" },
      })
      return { exitCode, out: stdout.toString(), err: stderr.toString() }
    }
    const [watch, tell] = [settingsWakeHooks.SessionStart[0].hooks[0], settingsWakeHooks.FileChanged[0].hooks[0]]
    assert.deepStrictEqual(JSON.parse(run(watch.command).out).hookSpecificOutput.watchPaths, [path])
    assert.strictEqual(run(tell.command).exitCode, 0, "it is empty")
    write("an older line")
    assert.strictEqual(run(tell.command, "/elsewhere/.envrc").exitCode, 0, "it is another file that changed")
    write("1 message waits on the mesh")
    write("2 messages wait on the mesh, 1 urgent")
    assert.deepStrictEqual(run(tell.command), { exitCode: 2, out: "", err: "2 messages wait on the mesh, 1 urgent\n" })
  })
})
