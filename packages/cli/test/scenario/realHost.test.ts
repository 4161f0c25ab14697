/**
 * The short form of `npm run test:host`: an idle session is woken and shown a message, and a one-shot run is handed one.
 * Only where Claude Code is installed here (`CLAUDEMESH_TEST_CLAUDE`, or in node_modules): it is no dependency of ours.
 */
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { claudePath, hasTmux } from "../host/RealHost.ts"
import { scenarios } from "../host/Scenarios.ts"
import { World } from "../host/World.ts"

const claude = claudePath()
const canRun = claude !== undefined && hasTmux()
const why = canRun ? "" : " (skipped: Claude Code or tmux is not installed here; npm run test:host installs the first)"

describe(`with the real Claude Code${why}`, () => {
  for (const { name, run, short } of scenarios) {
    if (short !== true) continue
    it.live.skipIf(!canRun)(
      name,
      () =>
        Effect.acquireUseRelease(
          Effect.promise(() => World.begin(claude ?? "")),
          (world) => Effect.promise(() => run(world)),
          (world) => Effect.promise(() => world.end()),
        ),
      60_000,
    )
  }
})
