/** `mcp`: the MCP server that an agent's host starts. Stdout is MCP's alone. */
import { Label } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import { Command, Flag } from "effect/unstable/cli"

/** Of a hello. */
const tagsMax = 16

export const mcp = Command.make(
  "mcp",
  {
    tags: Flag.String("tag").pipe(
      Flag.withDescription("A label of this session, for tag:label; may be repeated"),
      Flag.withSchema(Label),
      Flag.between(0, tagsMax),
    ),
    channels: Flag.String("channel").pipe(
      Flag.withDescription("A channel to join, without #; may be repeated"),
      Flag.withSchema(Label),
      Flag.atLeast(0),
    ),
  },
  Effect.fn(function* (options) {
    const { serveAgent } = yield* Effect.promise(() => import("../mcp/serveAgent.ts"))
    return yield* serveAgent(options)
  }),
).pipe(
  Command.withDescription("Serve MCP on stdio, for an agent's host to start"),
  Command.withExamples([
    { command: "claudemesh install", description: "Connect Claude Code, which starts this by itself then" },
    { command: "claudemesh mcp --tag reviewer --channel builds", description: "As one of a group from the start" },
  ]),
)
