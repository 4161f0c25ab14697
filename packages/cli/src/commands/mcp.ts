/** `mcp`: the MCP server that an agent's host starts. Stdout is MCP's alone. */
import { Label, SessionId } from "@claudemesh/domain/Ids"
import { Config, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/unstable/cli"
import type { Failed } from "../Failed.ts"
import { makeJoined } from "../mcp/Joined.ts"
import { goodbyeMillis } from "../mcp/Limits.ts"
import { workplace } from "../mcp/Workplace.ts"
import { clientIdentity, clientLayer, newSessionId } from "../Meshes.ts"

const isSessionId = Schema.is(SessionId)

/** Claude Code names its session; any other host gets a name that lasts as long as the process. */
const sessionId = Effect.gen(function* () {
  const named = Option.getOrUndefined(yield* Config.option(Config.String("CLAUDE_CODE_SESSION_ID")))
  return isSessionId(named) ? named : yield* newSessionId("mcp")
})

/**
 * Claude Code also starts the server for a moment to see whether it works (`claude mcp list`), without its
 * messaging socket: no mesh is joined for that, since a session would come and go that nobody is behind.
 */
const isProbe = Effect.gen(function* () {
  const inClaudeCode = yield* Config.option(Config.String("CLAUDECODE"))
  const socket = yield* Config.option(Config.String("CLAUDE_CODE_MESSAGING_SOCKET"))
  return Option.isSome(inClaudeCode) && Option.isNone(socket)
})

/** Of a hello. */
const tagsMax = 16

/** Every tool says the same when it is called. */
const warn = ({ reason }: Failed) => Effect.logWarning("no mesh can be reached", { reason })

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
  Effect.fn(
    function* ({ channels, tags }) {
      const { serveMcp } = yield* Effect.promise(() => import("../mcp/McpServer.ts"))
      const identity = {
        sessionId: yield* sessionId,
        client: clientIdentity,
        profile: yield* workplace(process.cwd()),
        ...(tags.length > 0 && { tags }),
      }
      const joined = yield* makeJoined(identity, channels)
      if (!(yield* isProbe)) yield* Effect.forkScoped(Effect.catch(joined.now, warn))
      yield* serveMcp(joined)
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.andThen(Effect.sleep(goodbyeMillis)),
    // A pipe that the host does not read, or keeps open, holds nothing up.
    Effect.andThen(Effect.sync(() => process.exit())),
  ),
).pipe(
  Command.withDescription("Serve MCP on stdio, for an agent's host to start"),
  Command.withExamples([
    {
      command: "claude mcp add claudemesh -- node /path/to/claudemesh/packages/cli/bin/claudemesh.mjs mcp",
      description: "Connect Claude Code",
    },
    { command: "claudemesh mcp --tag reviewer --channel builds", description: "As one of a group from the start" },
  ]),
)
