/**
 * Before the tests of the command: builds it once for all of them. Its processes start in a third of the time of the sources', and what is
 * tested is what people run. `scripts/build.ts` says what is in it.
 */
import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

export default async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "claudemesh-tested-"))
  const build = join(import.meta.dirname, "build.ts")
  await promisify(execFile)(process.execPath, ["--no-env-file", "--no-install", build, "--outdir", folder])
  process.env["CLAUDEMESH_TESTED"] = join(folder, "claudemesh.js")
  return () => rm(folder, { recursive: true, force: true })
}
