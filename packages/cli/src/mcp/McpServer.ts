/**
 * The MCP server over stdio. `initialize` is answered before any broker is reached; nothing but MCP goes to
 * stdout. It knows tools, not meshes: each call is run with the meshes that are joined then.
 */
import { History } from "@claudemesh/client/inbox/History"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Server } from "@modelcontextprotocol/sdk/server/index.js"
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js"
import type { jsonSchemaValidator } from "@modelcontextprotocol/sdk/validation/types.js"
import { type Crypto, Deferred, Effect, Fiber } from "effect"
import type { Failed } from "../Failed.ts"
import { otherHost } from "../host/ClaudeCode.ts"
import { listenForHooks } from "../host/HookSocket.ts"
import type { HostState } from "../host/HostState.ts"
import { wake } from "../host/Wake.ts"
import { capabilities, serverInfo } from "./About.ts"
import { readEarly } from "./FirstAnswer.ts"
import { clamped } from "./Fit.ts"
import { HostPipe } from "./HostPipe.ts"
import { answerRequests } from "./HostRequests.ts"
import { instructions } from "./Instructions.ts"
import type { Joined } from "./Joined.ts"
import { answerCharactersMax, callsMax, lastAnswersMillis, lastMomentMillis } from "./Limits.ts"
import { makeNotices } from "./Notices.ts"
import { makeReading } from "./Reading.ts"
import { checkMessages } from "./tools/checkMessages.ts"
import { hookTool } from "./tools/hook.ts"
import { joinChannel } from "./tools/joinChannel.ts"
import { leaveChannel } from "./tools/leaveChannel.ts"
import { listChannels } from "./tools/listChannels.ts"
import { listPeers } from "./tools/listPeers.ts"
import { messageStatus } from "./tools/messageStatus.ts"
import { readMessage } from "./tools/readMessage.ts"
import { sendMessage } from "./tools/sendMessage.ts"
import { setStatus } from "./tools/setStatus.ts"
import { setSummary } from "./tools/setSummary.ts"
import { failure, type Tool, type ToolCall, type ToolResult } from "./Tool.ts"
import type { RequestId } from "./Unconfirmed.ts"
import { newBoundary } from "./WrapUntrusted.ts"
import * as agentWords from "../words/agent.ts"

export const tools: ReadonlyArray<Tool> = [
  sendMessage,
  checkMessages,
  readMessage,
  messageStatus,
  setStatus,
  setSummary,
  listPeers,
  joinChannel,
  leaveChannel,
  listChannels,
]

export interface Served extends Pick<Joined, "now"> {
  /** Of the meshes that are joined at this moment, also before any is. */
  readonly manager: Pick<MeshManager, "all">
  /** Once they are known; for a probe not before it asks. */
  readonly joined: Effect.Effect<Joined, Failed>
  readonly state: HostState
}

/** Serves until the host closes stdin. `initialized`: it has the first answer. */
export const serveMcp = Effect.fnUntraced(function* (
  { joined: loaded, manager, now, state }: Served,
  initialized: () => void,
) {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const scope = yield* Effect.scope
  const history = yield* History
  const boundary = Effect.provide(newBoundary, yield* Effect.context<Crypto.Crypto>())
  const calls = new Map<RequestId, Fiber.Fiber<ToolResult>>()
  const listeners = new Set<() => void>()
  const ending = yield* Deferred.make<ToolResult>()
  const hostGone = yield* Deferred.make<void>()

  const host = new HostPipe(
    process.stdin,
    process.stdout,
    {
      leaving: (id) => reading.leaving(id),
      left: (id) => {
        reading.left(id)
        run(notices.told(id))
      },
      cancelled: (id) => void run(cancel(id)),
      spoke: () => listeners.forEach((listener) => listener()),
    },
    readEarly(),
  )
  const reading = yield* makeReading({
    ping: Effect.callback<void>((resume) => {
      const forget = host.ping(() => resume(Effect.void))
      return Effect.sync(forget)
    }),
    spoken: Effect.callback<void>((resume) => {
      const listener = () => resume(Effect.void)
      listeners.add(listener)
      return Effect.sync(() => void listeners.delete(listener))
    }),
  })
  const notices = makeNotices(reading)
  const hook = hookTool(state, yield* otherHost)
  const waking = Effect.flatMap(loaded, (ready) => wake({ manager: ready.manager, reading, state }))
  yield* Effect.forkScoped(Effect.ignore(waking))
  const hooks = {
    call: (input: unknown, id: RequestId) => hook.call(input, callFor(id)),
    leaving: reading.leaving,
    cancelled: reading.cancelled,
  }
  yield* Effect.forkScoped(listenForHooks(hooks))

  const cancel = Effect.fnUntraced(function* (id: RequestId) {
    const fiber = calls.get(id)
    if (fiber !== undefined) yield* Fiber.interrupt(fiber)
    notices.untold(id)
    yield* reading.cancelled(id)
  })

  const callFor = (requestId: RequestId, progress: ToolCall["progress"] = () => Effect.void) =>
    now.pipe(
      Effect.map((joined): ToolCall => ({
        manager: joined,
        reading,
        history,
        requestId,
        newBoundary: boundary,
        progress,
        hostGone: Deferred.await(hostGone),
      })),
      Effect.mapError((error) => failure(error.message)),
    )

  const answer = Effect.fnUntraced(function* (
    found: Tool,
    { progress, requestId }: Pick<ToolCall, "progress" | "requestId">,
    input: unknown,
  ) {
    let clients: MeshManager["all"] = []
    const call = Effect.tap(callFor(requestId, progress), (ready) =>
      Effect.sync(() => {
        clients = ready.manager.all
      }),
    )
    const result = yield* found.call(input, call)
    if (result.exact === true) return result
    const ends = yield* notices.take(clients, requestId, result.saysWhatWaits === true)
    const end = ends.length === 0 ? "" : `\n\n${ends.join("\n")}`
    const data = result.data !== undefined && { data: { ...result.data, ...(ends.length > 0 && { notices: ends }) } }
    return { ...result, ...data, text: clamped(result.text, answerCharactersMax - end.length) + end }
  })

  /** A call that takes longer than the host is there goes on without an answer, as far as it gets. */
  const orEnding = (fiber: Fiber.Fiber<ToolResult>) => Effect.raceFirst(Fiber.join(fiber), Deferred.await(ending))

  const server = new Server(serverInfo, { capabilities, instructions, jsonSchemaValidator: noValidator })
  const promise = Effect.runPromiseWith(yield* Effect.context<never>())
  const telling = answerRequests(server, {
    manager,
    reading,
    callFor,
    promise: (effect, signal) => promise(effect, { signal }),
  })
  let isTold = false
  server.oninitialized = () => {
    initialized()
    // Some hosts say it twice.
    if (!isTold) run(Effect.forkIn(telling, scope))
    isTold = true
  }

  server.onerror = ({ message }) => void run(Effect.logWarning("from the host", { problem: clamped(message, 300) }))

  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: tools.map(asListed),
  }))

  server.setRequestHandler(
    CallToolRequestSchema,
    async ({ params }, { _meta, requestId, sendNotification, signal }) => {
      // It was cancelled by the next line that came: nothing is begun of which nobody would be told.
      if (signal.aborted) throw new Error(cancelledWords)
      const found = [...tools, hook].find(({ name }) => name === params.name)
      if (found === undefined) {
        return asContent(
          failure(agentWords.thereIsNoToolThereAre(params.name, tools.map(({ name }) => name).join(", "))),
        )
      }
      if (calls.size >= callsMax) return asContent(failure(agentWords.callsAreUnderWayWaitForTheir(calls.size)))
      const fiber = run(
        answer(
          found,
          { requestId, progress: progressTo(_meta?.progressToken, sendNotification) },
          params.arguments,
        ).pipe(
          Effect.catchDefect((defect) =>
            Effect.as(
              Effect.logError("a tool failed", { name: params.name }, defect),
              failure(agentWords.failedTellYourUserTheReasonIs(params.name)),
            ),
          ),
        ),
      )
      calls.set(requestId, fiber)
      fiber.addObserver(() => calls.delete(requestId))
      return asContent(await finished(run(orEnding(fiber))))
    },
  )

  yield* Effect.acquireRelease(
    Effect.promise(() => server.connect(host)),
    () => Effect.promise(() => server.close()),
  )
  yield* Effect.promise(() => host.ended).pipe(Effect.ensuring(Effect.forkDetach(lastMoment)))
  reading.hostGone()
  yield* Effect.timeoutOption(
    Effect.promise(() => host.answered),
    lastAnswersMillis,
  )
  yield* Deferred.succeed(hostGone, undefined)
  yield* Effect.timeoutOption(
    Effect.promise(() => host.answered),
    lastAnswersMillis / 4,
  )
  yield* Deferred.succeed(ending, failure(agentWords.theHostClosedItsConnectionToClaudemesh))
  yield* Effect.timeoutOption(
    Effect.promise(() => host.answered),
    lastAnswersMillis / 4,
  )
})

/** Whatever still holds the process then: a socket that does not close, a file that is locked. */
const lastMoment = Effect.andThen(
  Effect.sleep(lastMomentMillis),
  Effect.sync(() => process.exit()),
)

/** Nothing is ever asked of a host that it would have to answer in a form. The SDK's own takes 20 ms to load and to make. */
const noValidator: jsonSchemaValidator = {
  getValidator: () => () => ({ valid: false, data: undefined, errorMessage: agentWords.noFormIsAskedFor }),
}

const cancelledWords = agentWords.theCallWasCancelled

const asListed = ({
  description,
  destructive,
  idempotent,
  inputSchema,
  local,
  name,
  outputSchema,
  readOnly,
  title,
}: Tool) => ({
  name,
  title,
  description,
  inputSchema,
  ...(outputSchema !== undefined && { outputSchema }),
  annotations: {
    title,
    readOnlyHint: readOnly,
    ...(!readOnly && { destructiveHint: destructive === true, idempotentHint: idempotent === true }),
    openWorldHint: local !== true,
  },
})

type SendNotification = (notification: {
  readonly method: "notifications/progress"
  readonly params: {
    readonly progressToken: string | number
    readonly progress: number
    readonly total: number
    readonly message: string
  }
}) => Promise<void>

/** Only a host that gave a token wants to be told. */
const progressTo =
  (progressToken: string | number | undefined, send: SendNotification): ToolCall["progress"] =>
  (progress, total, message) =>
    progressToken === undefined
      ? Effect.void
      : Effect.sync(() => {
          // A host that does not read holds no call up.
          send({ method: "notifications/progress", params: { progressToken, progress, total, message } }).catch(
            () => undefined,
          )
        })

const asContent = ({ data, isError, text }: ToolResult) => ({
  content: [{ type: "text" as const, text }],
  ...(data !== undefined && { structuredContent: data }),
  ...(isError === true && { isError: true }),
})

const finished = (fiber: Fiber.Fiber<ToolResult>): Promise<ToolResult> =>
  new Promise((resolve, reject) => {
    fiber.addObserver((exit) => (exit._tag === "Success" ? resolve(exit.value) : reject(new Error(cancelledWords))))
  })
