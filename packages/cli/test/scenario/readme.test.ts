/** The README's first lines, as a person pastes them into a shell, in a folder of their own. */
import { readFileSync } from "node:fs"
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { startBroker, temporaryFolder } from "../../../broker/test/support/TestBroker.ts"

const readme = readFileSync(join(import.meta.dirname, "../../../../README.md"), "utf8")

/** The first block of shell under a heading. */
const blockUnder = (heading: string): string => {
  const [, rest = ""] = readme.split(`\n### ${heading}\n`)
  const [, block = ""] = /^```sh\n([\s\S]*?)^```/m.exec(rest) ?? []
  return block
}

/** `claudemesh`, by name or by npx, of this tree, for a shell that stands in another folder. */
const installCommand = async (folder: string): Promise<string> => {
  const bin = join(folder, "bin")
  await mkdir(bin)
  await symlink(join(import.meta.dirname, "../../bin/claudemesh"), join(bin, "claudemesh"))
  await writeFile(join(bin, "npx"), `#!/bin/sh\n[ "$1" = claudemesh ] || exit 127\nexec "$@"\n`)
  await chmod(join(bin, "npx"), 0o755)
  return bin
}

describe("the README's two people", () => {
  it.live("make a mesh, invite, join, and write to each other, by its lines alone", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const broker = yield* startBroker()
        const folder = yield* temporaryFolder
        yield* Effect.promise(async () => {
          const bin = await installCommand(folder)
          const block = blockUnder("The first mesh")
          assert.include(block, "invite")
          const shell = Bun.spawn(["/bin/sh", "-e"], {
            cwd: folder,
            env: {
              PATH: `${bin}:${process.env["PATH"] ?? ""}`,
              HOME: "/nonexistent",
              CLAUDEMESH_BROKER: broker.origin,
            },
            stdin: new Blob([block]),
            stdout: "pipe",
            stderr: "pipe",
          })
          const [stdout, stderr, code] = await Promise.all([
            new Response(shell.stdout).text(),
            new Response(shell.stderr).text(),
            shell.exited,
          ])
          assert.strictEqual(code, 0, stderr)
          assert.match(
            stdout,
            /Made the mesh my-team[\s\S]*You are Bob[\s\S]*Bob [^\n]*\n {2}hello from Bob\n[\s\S]*Alice [^\n]*\n {2}hello from Alice\n/,
          )
        })
      }),
    ),
  )
})
