/**
 * `hook`: what the hooks of a host call, and no model. It says what the host does to the meshes, confirms what was handed
 * over before, and hands over what is due at this moment. It is quick, and silent where there is nothing to say.
 */
import type { HeldMessage } from "@claudemesh/client/inbox/Inbox"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import type { Status } from "@claudemesh/domain/routing/Status"
import { Clock, Effect, Schema } from "effect"
import { asksBroker, handed, handsOver, isOneOf, nothing, roomOf } from "../../host/HandOver.ts"
import { HookEvent } from "../../host/HookMoment.ts"
import type { HostState } from "../../host/HostState.ts"
import { hookPullMillis } from "../../host/Limits.ts"
import type { HookHost } from "../../host/OtherHost.ts"
import { makeReports } from "../../host/ReportStatus.ts"
import { inboxesOf } from "../Inboxes.ts"
import { hasRoomFor } from "../Reading.ts"
import { type Tool, tool, type ToolCall, type ToolResult } from "../Tool.ts"
import * as toolWords from "../../words/tools.ts"

const Input = Schema.Struct({
  event: HookEvent,
  session_id: Schema.String,
  /** Of a subagent; else empty. */
  agent_id: Schema.optionalKey(Schema.String),
})

const silence: ToolResult = { text: nothing, exact: true }

/** `host`: one whose hooks are commands; undefined for Claude Code. */
export const hookTool = (state: HostState, host?: HookHost): Tool => {
  const known: Known = { state, report: makeReports(), room: roomOf(host) }
  const asked = tool({
    name: "hook",
    title: toolWords.whatTheHostDoes,
    description: toolWords.calledByTheHooksOfTheHost,
    readOnly: false,
    input: Input,
    run: (input, call) => (subagent(input) ? Effect.succeed(silence) : answered(input, call, known)),
  })
  // Whatever is wrong here is told by the tools that the agent calls: a hook that fails stands on the person's screen at each step.
  return { ...asked, call: (input, call) => Effect.map(asked.call(input, call), silentIfFailed) }
}

const silentIfFailed = (result: ToolResult): ToolResult => (result.isError === true ? silence : result)

/** What is said to a subagent is not said to its session, and what it does says nothing of the session's turn. */
const subagent = ({ agent_id: id = "" }: typeof Input.Type): boolean => id !== ""

interface Known {
  readonly state: HostState
  readonly report: ReturnType<typeof makeReports>
  readonly room: ReturnType<typeof roomOf>
}

const answered = Effect.fnUntraced(function* (
  { event, session_id: session }: typeof Input.Type,
  { manager, reading, requestId }: ToolCall,
  { report, room, state }: Known,
) {
  const nowMillis = yield* Clock.currentTimeMillis
  const moment = { event, session }
  state.saw(moment, nowMillis)
  yield* reading.wentOn(moment)
  const priorities = handsOver(event, { isDnd: manager.isDnd(nowMillis), stopsInARow: state.stopsInARow })
  if (priorities.size > 0 && asksBroker(event)) yield* pulled(manager)
  const isOfThese = isOneOf(priorities)
  const isDue = (message: HeldMessage) => isOfThese(message) && (room === undefined || hasRoomFor(message, room))
  const due = () => dueIn(manager, reading, isDue)
  const given = due() === 0 ? nothingGiven : yield* reading.hand(inboxesOf(manager), requestId, moment, isDue, room)
  const rest = due()
  // At a prompt alone: a turn is not prolonged for what cannot be handed over.
  const tooLong = event === "UserPromptSubmit" ? dueIn(manager, reading, isOfThese) - rest : 0
  const isPlain = given.texts.length === 0 && tooLong === 0
  if (!isPlain && event === "Stop") state.prolonged()
  const status = statusAt(event, isPlain)
  if (status !== undefined) yield* report(manager, status, nowMillis)
  if (isPlain) return silence
  return { text: handed(event, given, { rest, tooLong }), exact: true }
})

const nothingGiven = { texts: [], boundary: "" }

/** Out of memory: most steps of a host have nothing to hand over, and wait for no file. */
const dueIn = (
  { all }: MeshManager,
  reading: Pick<ToolCall["reading"], "waiting">,
  isDue: (message: HeldMessage) => boolean,
): number => [...all.flatMap(({ inbox }) => inbox.waiting), ...reading.waiting()].filter(isDue).length

/** What its hooks say of a host. At the start it is idle without a word. */
const statusAt = (event: HookEvent, hasEnded: boolean): Status | undefined => {
  switch (event) {
    case "UserPromptSubmit":
    case "PreToolUse":
    case "PostToolUse":
    case "PostToolBatch":
      return "working"
    case "Stop":
      return hasEnded ? "idle" : "working"
    case "StopFailure":
    case "Notification":
    case "SessionStart":
      return "idle"
    case "SessionEnd":
      return undefined
  }
}

/** A mesh that is not connected is not waited for. */
const pulled = ({ all }: MeshManager) =>
  Effect.forEach(
    all,
    (client) =>
      Effect.flatMap(client.state, ({ _tag }) =>
        _tag === "Connected" ? Effect.ignore(Effect.timeoutOption(client.pull(), hookPullMillis)) : Effect.void,
      ),
    { concurrency: "unbounded", discard: true },
  )
