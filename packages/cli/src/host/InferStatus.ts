/** Where the host keeps a transcript of this session: its status is inferred from it for as long as the server runs. */
import { supervised } from "@claudemesh/client/connection/Supervised"
import { Config, Effect } from "effect"
import { startedIn } from "../Launch.ts"
import type { Joined } from "../mcp/Joined.ts"
import { inferring } from "./Inference.ts"
import { transcriptFinder } from "./TranscriptFile.ts"

export const inferStatus = Effect.fnUntraced(function* (options: {
  /** As the host calls it. */
  readonly session: string
  readonly manager: Joined["manager"]
  /** Hooks report to this server, and know better. */
  readonly hooksSeen: () => boolean
}) {
  const { hooksSeen, manager, session } = options
  const project = yield* Effect.orElseSucceed(Config.String("CLAUDE_PROJECT_DIR"), () => startedIn ?? "/")
  const transcript = yield* transcriptFinder(session, project)
  yield* Effect.forkScoped(supervised("", "inferring the status", inferring({ transcript, hooksSeen, manager })))
})
