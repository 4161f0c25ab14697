/** A hook that goes wrong says nothing and exits 0, whatever it is that goes wrong. */
import { spawnSync } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const start = join(import.meta.dirname, "../../src/start.ts")
const flags = ["--no-env-file", "--no-install"]

const hook = (stdin: number, stdout: number | "pipe" = "pipe") =>
  spawnSync(process.execPath, [...flags, start, "hook", "codex"], { stdio: [stdin, stdout, "pipe"], encoding: "utf8" })

describe("a hook of another host", () => {
  it("is silent where its input cannot be read", () => {
    const folder = openSync(import.meta.dirname, "r")
    const { status, stderr, stdout } = hook(folder)
    closeSync(folder)
    assert.deepStrictEqual([status, stdout, stderr], [0, "{}\n", ""])
  })

  it("is silent where nobody takes its answer any more", () => {
    const [empty, unwritable] = [openSync("/dev/null", "r"), openSync("/dev/null", "r")]
    const { status, stderr } = hook(empty, unwritable)
    for (const file of [empty, unwritable]) closeSync(file)
    assert.deepStrictEqual([status, stderr], [0, ""])
  })
})
