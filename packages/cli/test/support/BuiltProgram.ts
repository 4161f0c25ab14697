/** The built program (`scripts/testedBuild.ts` makes it once for all tests), as people have it. */
import { launchersSet, main, type Ran, ranOf } from "./Agent.ts"

export const runBuilt = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>>): Promise<Ran> =>
  ranOf(
    Bun.spawn([process.execPath, main, ...args], {
      env: { ...launchersSet(args), CLAUDEMESH_STARTED_AS: "claudemesh", ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  )
