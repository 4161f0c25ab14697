/**
 * Which messages a hook hands over (the ladder): `now` at the next step; `next` at the end of the turn; at a prompt all but
 * `low`, which waits until somebody looks. And the answer that a host takes from a hook.
 */
import type { Priority } from "@claudemesh/domain/routing/Status"
import { separator } from "../mcp/Reading.ts"
import { betweenTags } from "../mcp/WrapUntrusted.ts"
import type { HookEvent } from "./HookMoment.ts"
import { stopsInARowMax } from "./Limits.ts"

const urgent: ReadonlySet<Priority> = new Set(["now"])
const allButLow: ReadonlySet<Priority> = new Set(["now", "next"])
const none: ReadonlySet<Priority> = new Set()

export const handsOver = (
  event: HookEvent,
  { isDnd, stopsInARow }: { readonly isDnd: boolean; readonly stopsInARow: number },
): ReadonlySet<Priority> => {
  if (isDnd) return none
  switch (event) {
    case "UserPromptSubmit":
      return allButLow
    case "Stop":
      return stopsInARow < stopsInARowMax ? allButLow : none
    case "PostToolBatch":
      return urgent
    default:
      return none
  }
}

/** Of what was held back while the session was busy, the broker tells only who asks. */
export const asksBroker = (event: HookEvent): boolean => event === "UserPromptSubmit" || event === "Stop"

/** A host takes it for a hook without a word: an empty answer would be told to the model as a success. */
export const nothing = "{}"

export const handed = (
  event: HookEvent,
  given: { readonly texts: ReadonlyArray<string>; readonly boundary: string },
  rest: number,
): string => {
  const count = given.texts.length === 1 ? "1 message" : `${given.texts.length} messages, oldest first`
  const left = `${rest} more ${rest === 1 ? "waits" : "wait"}: call check_messages, or go on: they come with your next steps.`
  const additionalContext = [
    `claudemesh hands over ${count}. ${betweenTags(given.boundary)} Answer with send_message where that helps, then go on.`,
    ...given.texts,
    ...(rest === 0 ? [] : [left]),
  ].join(separator)
  return JSON.stringify({ hookSpecificOutput: { hookEventName: event, additionalContext } })
}

export const isOneOf = (priorities: ReadonlySet<Priority>) => (message: { readonly priority: Priority }) =>
  priorities.has(message.priority)
