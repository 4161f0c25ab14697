/**
 * The MCP server as a host starts it. Its first answer waits for nothing but MCP: the meshes, and the libraries that they
 * need, are loaded once the host has it.
 */
import { startedIn } from "../Launch.ts"
import { supervised } from "@claudemesh/client/connection/Supervised"
import { type Label, SessionId } from "@claudemesh/domain/Ids"
import { Config, Deferred, Effect, Layer, Option, Schema } from "effect"
import { type Failed, failed } from "../Failed.ts"
import { otherHost } from "../host/ClaudeCode.ts"
import { HostState } from "../host/HostState.ts"
import type { Joined } from "./Joined.ts"
import { goodbyeMillis, initializedMillis } from "./Limits.ts"
import { serveMcp } from "./McpServer.ts"
import { followed, workplace } from "./Workplace.ts"
import * as agentWords from "../words/agent.ts"

/** How this session is called by who starts it. */
export interface AgentOptions {
  readonly tags: ReadonlyArray<Label>
  readonly channels: ReadonlyArray<Label>
}

const isSessionId = Schema.is(SessionId)

/** Claude Code names its session; any other host gets a name that lasts as long as the process. */
const claudeCodeSession = Effect.gen(function* () {
  if ((yield* otherHost) !== undefined) return undefined
  const named = Option.getOrUndefined(yield* Config.option(Config.String("CLAUDE_CODE_SESSION_ID")))
  return isSessionId(named) ? named : undefined
})

/**
 * Claude Code also starts the server for a moment to see whether it works (`claude mcp list`), without its
 * messaging socket: no mesh is joined for that, since a session would come and go that nobody is behind.
 */
const isProbe = Effect.gen(function* () {
  if ((yield* otherHost) !== undefined) return false
  const inClaudeCode = yield* Config.option(Config.String("CLAUDECODE"))
  const socket = yield* Config.option(Config.String("CLAUDE_CODE_MESSAGING_SOCKET"))
  return Option.isSome(inClaudeCode) && Option.isNone(socket)
})

/** Every tool says the same when it is called. */
const warn = ({ reason }: Failed) => Effect.logWarning(agentWords.noMeshCanBeReached, { reason })

const loadJoined = Effect.fnUntraced(function* ({ channels, tags }: AgentOptions) {
  const [{ makeJoined }, { clientIdentity, clientLayer, newSessionId }] = yield* Effect.promise(() =>
    Promise.all([import("./Joined.ts"), import("../Meshes.ts")]),
  )
  const identity = {
    sessionId: (yield* claudeCodeSession) ?? (yield* newSessionId("mcp")),
    client: clientIdentity,
    profile: yield* workplace(startedIn),
    ...(tags.length > 0 && { tags }),
  }
  return yield* Effect.provide(makeJoined(identity, channels), yield* Layer.build(clientLayer))
}, Effect.mapError(failed))

/** What a person says at a terminal, and what is inferred from the host's transcript. */
const statusKept = Effect.fnUntraced(function* (manager: Joined["manager"], state: HostState) {
  const { takesPersonsWord } = yield* Effect.promise(() => import("./PersonsWord.ts"))
  yield* Effect.forkScoped(supervised("", agentWords.takingThePersonsWord, takesPersonsWord(manager)))
  const session = yield* Effect.orElseSucceed(claudeCodeSession, () => undefined)
  if (session === undefined) return
  const { inferStatus } = yield* Effect.promise(() => import("../host/InferStatus.ts"))
  yield* inferStatus({ session, manager, hooksSeen: () => state.hooksWork })
})

/** For as long as the host is there. */
export const serveAgent = Effect.fn(
  function* (options: AgentOptions) {
    const probe = yield* isProbe
    const wanted = yield* Deferred.make<void>()
    const joined = yield* Deferred.make<Joined, Failed>()
    let loaded: Pick<Joined["manager"], "all"> = { all: [] }
    const state = new HostState()
    const want = () => Deferred.doneUnsafe(wanted, Effect.void)
    yield* Effect.gen(function* () {
      // Also for a host that never says that it has the first answer.
      yield* probe ? Deferred.await(wanted) : Effect.timeoutOption(Deferred.await(wanted), initializedMillis)
      const { manager, now } = yield* Effect.onExit(loadJoined(options), (exit) => Deferred.done(joined, exit))
      loaded = manager
      if (probe) return
      yield* statusKept(manager, state)
      yield* Effect.forkScoped(Effect.ignore(followed(manager, startedIn)))
      yield* now
    }).pipe(Effect.catch(warn), Effect.forkScoped)
    const now = Effect.andThen(
      Effect.sync(want),
      Effect.flatMap(Deferred.await(joined), (known) => known.now),
    )
    const manager = {
      get all() {
        return loaded.all
      },
    }
    yield* serveMcp({ joined: Deferred.await(joined), manager, now, state }, probe ? () => {} : want)
  },
  Effect.scoped,
  Effect.andThen(Effect.sleep(goodbyeMillis)),
  // A pipe that the host does not read, or keeps open, holds nothing up.
  Effect.andThen(Effect.sync(() => process.exit())),
)
