/**
 * What a host asks for beside tools: resources, prompts, completions; and what it is told without asking. What is asked for
 * reads, and changes nothing of what waits.
 */
import type { MeshManager } from "@claudemesh/client/MeshManager"
import type { Server } from "@modelcontextprotocol/sdk/server/index.js"
import {
  CompleteRequestSchema,
  ErrorCode,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js"
import { Effect } from "effect"
import { completed } from "./Completion.ts"
import { promptMessage, prompts } from "./Prompts.ts"
import type { Reading } from "./Reading.ts"
import { inboxUri, resources, resourceText } from "./Resources.ts"
import type { ToolCall, ToolResult } from "./Tool.ts"
import type { RequestId } from "./Unconfirmed.ts"
import { watch } from "./Watch.ts"
import * as agentWords from "../words/agent.ts"

interface Context {
  readonly manager: Pick<MeshManager, "all">
  readonly reading: Reading
  readonly callFor: (requestId: RequestId) => Effect.Effect<ToolCall, ToolResult>
  /** Until it is done, or the host wants it no more. */
  readonly promise: <A>(effect: Effect.Effect<A>, signal: AbortSignal) => Promise<A>
}

/** Gives what the host is told without asking, to be run for as long as it is there. */
export const answerRequests = (
  server: Server,
  { callFor, manager, promise, reading }: Context,
): Effect.Effect<never> => {
  let isSubscribed = false

  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources }))
  // Hosts ask for them where there are resources.
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: [] }))
  server.setRequestHandler(ReadResourceRequestSchema, async ({ params: { uri } }, { requestId, signal }) => {
    const text = resourceText(uri, callFor(requestId))
    if (text === undefined) throw unknownResource(uri)
    return { contents: [{ uri, mimeType: "text/plain", text: await promise(text, signal) }] }
  })
  server.setRequestHandler(SubscribeRequestSchema, ({ params: { uri } }) => {
    if (uri !== inboxUri) throw unknownResource(uri)
    isSubscribed = true
    return {}
  })
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params: { uri } }) => {
    if (uri === inboxUri) isSubscribed = false
    return {}
  })
  server.setRequestHandler(ListPromptsRequestSchema, () => ({ prompts }))
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) => {
    const found = promptMessage(params.name, params.arguments)
    if ("problem" in found) throw new McpError(ErrorCode.InvalidParams, found.problem)
    const { description, text } = found
    return { description, messages: [{ role: "user", content: { type: "text", text } }] }
  })
  server.setRequestHandler(CompleteRequestSchema, async ({ params: { argument, ref } }, { requestId, signal }) => {
    if (ref.type !== "ref/prompt") return { completion: { values: [], total: 0, hasMore: false } }
    const joined = callFor(requestId).pipe(
      Effect.flatMap((call) => completed(call.manager, argument.name, argument.value)),
      Effect.orElseSucceed(() => ({ values: [], total: 0, hasMore: false })),
    )
    return { completion: await promise(joined, signal) }
  })

  const sent = (notification: Promise<void>): void => void notification.catch(() => undefined)
  return watch(manager, reading, {
    inboxChanged: () => {
      if (isSubscribed) sent(server.sendResourceUpdated({ uri: inboxUri }))
    },
    alarm: (mesh, words) =>
      sent(server.sendLoggingMessage({ level: "alert", logger: "claudemesh", data: { mesh, alarm: words } })),
  })
}

/** Of the protocol, for a resource that is not there or cannot be subscribed. */
const resourceNotFound = -32_002

const unknownResource = (uri: string): McpError =>
  new McpError(
    resourceNotFound,
    agentWords.thereIsNoSuchResourceThereAre(uri.slice(0, 200), resources.map((one) => one.uri).join(", ")),
  )
