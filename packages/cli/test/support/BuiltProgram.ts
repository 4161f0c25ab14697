/** The built program, once for a file of tests: it starts in a fraction of the time of the sources, and is what people have. */
import { join } from "node:path"
import { Effect } from "effect"
import { temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { type Ran, ranOf } from "./Agent.ts"

const root = join(import.meta.dirname, "../../../..")

export interface BuiltProgram {
  readonly folder: string
  readonly run: (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>>) => Promise<Ran>
}

export const builtProgram = Effect.gen(function* () {
  const folder = join(yield* temporaryFolder, "dist")
  yield* Effect.promise(async () => {
    const build = Bun.spawn([process.execPath, join(root, "scripts/build.ts"), "--outdir", folder], {
      cwd: root,
      stdio: ["ignore", "ignore", "inherit"],
    })
    if ((await build.exited) !== 0) throw new Error("the program could not be built")
  })
  return {
    folder,
    run: (args, environment) =>
      ranOf(
        Bun.spawn([process.execPath, join(folder, "claudemesh.js"), ...args], {
          env: { CLAUDEMESH_STARTED_AS: "claudemesh", ...environment },
          stdio: ["ignore", "pipe", "pipe"],
        }),
      ),
  } satisfies BuiltProgram
})
