/** `mcp`: the MCP server that an agent's host starts. Stdout is MCP's alone. */
import type { Dialer } from "@claudemesh/client/connection/Dialer"
import type { SeenMessages } from "@claudemesh/client/inbox/SeenMessages"
import type { Sodium } from "@claudemesh/client/keys/Sodium"
import type { BrokerClient, ConnectionState } from "@claudemesh/client/BrokerClient"
import { makeMeshManager, type MeshManager } from "@claudemesh/client/MeshManager"
import type { KnownMembers } from "@claudemesh/client/trust/KnownMembers"
import { Label, SessionId } from "@claudemesh/domain/Ids"
import { Config, type Crypto, Effect, Option, Schedule, Schema, type Scope } from "effect"
import { Command, Flag } from "effect/unstable/cli"
import { goodbyeMillis } from "../mcp/Limits.ts"
import { workplace } from "../mcp/Workplace.ts"
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

const firstTryMillis = 2_000
const lookAgainMillis = 10

/**
 * A call that comes before a mesh was tried would say that it is not connected, and the agent would give up. A mesh
 * that is away says so at once; only one that hangs is waited for, and not for long.
 */
const tried = ({ all }: MeshManager) =>
  Effect.forEach(
    all,
    ({ state }) => Effect.repeat(state, { until: isTried, schedule: Schedule.spaced(lookAgainMillis) }),
    {
      concurrency: "unbounded",
    },
  ).pipe(Effect.timeoutOption(firstTryMillis))

/** In every mesh, and not waited for. One that is away is joined when it is back. */
const joinAll = (clients: ReadonlyArray<BrokerClient>, channels: ReadonlyArray<Label>) =>
  Effect.forEach(
    clients.flatMap((client) => channels.map((channel) => ({ channel, client }))),
    ({ channel, client }) =>
      Effect.catch(client.joinChannel(channel), (error) =>
        Effect.logWarning("a channel is not joined yet", {
          slug: client.membership.slug,
          channel,
          reason: error.message,
        }),
      ),
    { concurrency: "unbounded", discard: true },
  ).pipe(Effect.forkScoped)

/** Of a hello. */
const tagsMax = 16

const isTried = ({ _tag }: ConnectionState): boolean => _tag !== "Connecting"

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
      const memberships = yield* joinedMeshes
      const identity = {
        sessionId: yield* sessionId,
        client: clientIdentity,
        profile: yield* workplace(process.cwd()),
        ...(tags.length > 0 && { tags }),
      }
      const services = yield* Effect.context<
        Dialer | KnownMembers | SeenMessages | Sodium | Crypto.Crypto | Scope.Scope
      >()
      const manager = yield* Effect.cached(
        makeMeshManager(memberships, identity).pipe(
          Effect.tap(tried),
          Effect.tap(({ all }) => joinAll(all, channels)),
          Effect.provide(services),
        ),
      )
      if (!(yield* isProbe)) yield* Effect.forkScoped(manager)
      yield* serveMcp(manager)
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
