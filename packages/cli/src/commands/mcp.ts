/** `mcp`: the MCP server that an agent's host starts. Stdout is MCP's alone. */
import type { Dialer } from "@claudemesh/client/connection/Dialer"
import type { Sodium } from "@claudemesh/client/keys/Sodium"
import { makeMeshManager } from "@claudemesh/client/MeshManager"
import { SessionId } from "@claudemesh/domain/Ids"
import { Config, type Crypto, Effect, Option, Schema, type Scope } from "effect"
import { Command } from "effect/unstable/cli"
import { clientIdentity, clientLayer, joinedMeshes, newSessionId } from "../Meshes.ts"

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

export const mcp = Command.make(
  "mcp",
  {},
  Effect.fn(
    function* () {
      const { serveMcp } = yield* Effect.promise(() => import("../mcp/McpServer.ts"))
      const memberships = yield* joinedMeshes
      const identity = { sessionId: yield* sessionId, client: clientIdentity }
      const services = yield* Effect.context<Dialer | Sodium | Crypto.Crypto | Scope.Scope>()
      const manager = yield* Effect.cached(Effect.provide(makeMeshManager(memberships, identity), services))
      if (!(yield* isProbe)) yield* Effect.forkScoped(manager)
      yield* serveMcp(manager)
    },
    Effect.scoped,
    Effect.provide(clientLayer),
  ),
).pipe(
  Command.withDescription("Serve MCP on stdio, for an agent's host to start"),
  Command.withExamples([
    { command: "claude mcp add claudemesh -- npx claudemesh mcp", description: "Connect Claude Code" },
  ]),
)
