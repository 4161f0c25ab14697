/**
 * `hook`: what the hooks of a host call, and no model. It says what the host does to the meshes, confirms what was handed
 * over before, and hands over what is due at this moment. It is quick, and silent where there is nothing to say.
 */
import type { MeshManager } from "@claudemesh/client/MeshManager"
import type { Status } from "@claudemesh/domain/routing/Status"
import { Clock, Effect, Schema } from "effect"
import { asksBroker, handed, handsOver, isOneOf, nothing } from "../../host/HandOver.ts"
import { HookEvent } from "../../host/HookMoment.ts"
import type { HostState } from "../../host/HostState.ts"
import { hookPullMillis } from "../../host/Limits.ts"
import { makeReports } from "../../host/ReportStatus.ts"
import { inboxesOf } from "../Inboxes.ts"
import { type Tool, tool, type ToolCall, type ToolResult } from "../Tool.ts"

const Input = Schema.Struct({
  event: HookEvent,
  session_id: Schema.String,
  /** Of a subagent; else empty. */
  agent_id: Schema.optionalKey(Schema.String),
})

const silence: ToolResult = { text: nothing, exact: true }

export const hookTool = (state: HostState): Tool => {
  const report = makeReports()
  const asked = tool({
    name: "hook",
    title: "What the host does",
    description: "Called by the hooks of the host.",
    readOnly: false,
    listed: false,
    input: Input,
    run: (input, call) => (subagent(input) ? Effect.succeed(silence) : answered(input, call, state, report)),
  })
  // Whatever is wrong here is told by the tools that the agent calls: a hook that fails stands on the person's screen at each step.
  return { ...asked, call: (input, call) => Effect.map(asked.call(input, call), silentIfFailed) }
}

const silentIfFailed = (result: ToolResult): ToolResult => (result.isError === true ? silence : result)

/** What is said to a subagent is not said to its session, and what it does says nothing of the session's turn. */
const subagent = ({ agent_id: id = "" }: typeof Input.Type): boolean => id !== ""

const answered = Effect.fnUntraced(function* (
  { event, session_id: session }: typeof Input.Type,
  { manager, reading, requestId }: ToolCall,
  state: HostState,
  report: ReturnType<typeof makeReports>,
) {
  const nowMillis = yield* Clock.currentTimeMillis
  const moment = { event, session }
  state.saw(moment, nowMillis)
  yield* reading.wentOn(moment)
  const priorities = handsOver(event, { isDnd: manager.isDnd(nowMillis), stopsInARow: state.stopsInARow })
  if (priorities.size > 0 && asksBroker(event)) yield* pulled(manager)
  const isDue = isOneOf(priorities)
  const due = () => dueIn(manager, reading, isDue)
  const given = due() === 0 ? undefined : yield* reading.hand(inboxesOf(manager), requestId, moment, isDue)
  const isPlain = given === undefined || given.texts.length === 0
  if (!isPlain && event === "Stop") state.prolonged()
  const status = statusAt(event, isPlain)
  if (status !== undefined) yield* report(manager, status, nowMillis)
  if (isPlain) return silence
  return { text: handed(event, given, due()), exact: true }
})

/** Out of memory: most steps of a host have nothing to hand over, and wait for no file. */
const dueIn = (
  { all }: MeshManager,
  reading: Pick<ToolCall["reading"], "waiting">,
  isDue: ReturnType<typeof isOneOf>,
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
