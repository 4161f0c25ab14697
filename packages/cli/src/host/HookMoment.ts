/**
 * The moments of a host at which its hooks call us, and what a moment proves of what was handed over at an earlier one (I8).
 * Measured with Claude Code 2.1.332, see decision 0035: context of a prompt is taken back together with the prompt when a
 * person presses escape before the model has said anything; context of a step or of a stop stays in the conversation.
 */
import { Schema } from "effect"

export const HookEvent = Schema.Literals([
  "SessionStart",
  "UserPromptSubmit",
  "PreToolUse",
  "PostToolUse",
  "PostToolBatch",
  "Stop",
  "StopFailure",
  "Notification",
  "SessionEnd",
])
export type HookEvent = typeof HookEvent.Type

export interface HookMoment {
  readonly event: HookEvent
  /** The host's own id of the conversation: `/clear` begins another one in the same process. */
  readonly session: string
}

/** The model was asked with it, or will be; it is gone; or nothing is known yet. */
export type Became = "shown" | "undone" | "open"

/** Tools of one answer of the model: where a host tells of each tool alone, one may begin and end behind another of the same answer. */
const ofTools: ReadonlySet<HookEvent> = new Set(["PreToolUse", "PostToolUse"])

/** Each of these is something that the model did with the last request. */
const modelActed: ReadonlySet<HookEvent> = new Set(["PreToolUse", "PostToolUse", "PostToolBatch", "Stop"])

export const becomes = (handed: HookMoment, now: HookMoment): Became => {
  // The conversation that had it is gone.
  if (handed.session !== now.session) return "undone"
  if (handed.event === "PostToolUse" && ofTools.has(now.event)) return "open"
  if (modelActed.has(now.event)) return "shown"
  // What came with a prompt went with it. What came with a step is still there, and the model is about to be asked with it.
  return handed.event === "UserPromptSubmit" && now.event === "UserPromptSubmit" ? "undone" : "open"
}
