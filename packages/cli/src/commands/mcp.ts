/** `mcp`: the MCP server that an agent's host starts. Stdout is MCP's alone. */
import { Label } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import { Command, Flag } from "effect/unstable/cli"
import * as runWords from "../words/running.ts"
import * as does from "../words/commands.ts"

/** Of a hello. */
const tagsMax = 16

export const mcp = Command.make(
  "mcp",
  {
    tags: Flag.String("tag").pipe(
      Flag.withDescription(runWords.aLabelOfThisSessionForTag),
      Flag.withSchema(Label),
      Flag.between(0, tagsMax),
    ),
    channels: Flag.String("channel").pipe(
      Flag.withDescription(runWords.aChannelToJoinWithoutMayBe),
      Flag.withSchema(Label),
      Flag.atLeast(0),
    ),
  },
  Effect.fn(function* (options) {
    const { serveAgent } = yield* Effect.promise(() => import("../mcp/serveAgent.ts"))
    return yield* serveAgent(options)
  }),
).pipe(
  Command.withDescription(does.serveMcpOnStdioForAnAgents),
  Command.withExamples([
    { command: "claudemesh install", description: runWords.connectClaudeCodeWhichStartsThisBy },
    { command: "claudemesh mcp --tag reviewer --channel builds", description: runWords.asOneOfAGroupFromThe },
  ]),
)
