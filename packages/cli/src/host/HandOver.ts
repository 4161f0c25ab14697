/**
 * Which messages a hook hands over (the ladder): `now` at the next step; `next` at the end of the turn; at a prompt all but
 * `low`, which waits until somebody looks. And the answer that a host takes from a hook.
 */
import type { Priority } from "@claudemesh/domain/routing/Status"
import { type Room, separator } from "../mcp/Reading.ts"
import { betweenTags } from "../mcp/WrapUntrusted.ts"
import type { HookEvent } from "./HookMoment.ts"
import { handedBytesMax, stopsInARowMax } from "./Limits.ts"
import { handedWords, type HookHost } from "./OtherHost.ts"
import * as hostWords from "../words/host.ts"

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
    // Of a host that tells of each tool alone.
    case "PostToolUse":
    case "PostToolBatch":
      return urgent
    default:
      return none
  }
}

/** Of what was held back while the session was busy, the broker tells only who asks. */
export const asksBroker = (event: HookEvent): boolean => event === "UserPromptSubmit" || event === "Stop"

/** Codex CLI counts bytes. Undefined where the usual bound is right. */
export const roomOf = (host: HookHost | undefined): Room | undefined =>
  host === "codex" ? { max: handedBytesMax, measure: (text) => Buffer.byteLength(text) } : undefined

/** A host takes it for a hook without a word: an empty answer would be told to the model as a success. */
export const nothing = "{}"

export const handed = (
  event: HookEvent,
  given: { readonly texts: ReadonlyArray<string>; readonly boundary: string },
  { rest, tooLong }: Rest,
): string => {
  if (given.texts.length === 0) return asContext(event, `${handedWords} nothing here. ${tooLongWords(tooLong)}`)
  const count = given.texts.length === 1 ? "1 message" : `${given.texts.length} messages, oldest first`
  const left = hostWords.moreCallCheckMessagesOrGoOn(rest, rest === 1 ? "waits" : "wait")
  const text = [
    hostWords.answerWithSendMessageWhereThatHelps(handedWords, count, betweenTags(given.boundary)),
    ...given.texts,
    ...(rest === 0 ? [] : [left]),
    ...(tooLong === 0 ? [] : [tooLongWords(tooLong)]),
  ].join(separator)
  return asContext(event, text)
}

/** What waits behind what is handed over: for the next steps, and what no hook of this host can have. */
interface Rest {
  readonly rest: number
  readonly tooLong: number
}

const tooLongWords = (count: number): string =>
  count === 1 ? hostWords.such1MessageWaitsThatIsTooLong : hostWords.messagesWaitThatAreTooLongFor(count)

const asContext = (event: HookEvent, additionalContext: string): string =>
  JSON.stringify({ hookSpecificOutput: { hookEventName: event, additionalContext } })

export const isOneOf = (priorities: ReadonlySet<Priority>) => (message: { readonly priority: Priority }) =>
  priorities.has(message.priority)
