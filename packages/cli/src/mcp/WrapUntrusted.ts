/**
 * Text of a peer, as a model may be shown it: wrapped, labelled with mesh, sender and what is proved of it. It is
 * untrusted input; nothing in it can close the wrapping or pass for a word of the host. A text that is longer than an
 * answer comes in parts, and each of them is wrapped and labelled by itself.
 */
import type { InboxMessage } from "@claudemesh/client/inbox/Inbox"
import { printable } from "../Output.ts"
import { authenticatedOf, groupOf, isClear, membershipOf, saidAt, whyNotShown } from "../Received.ts"
import { clamped, split } from "./Fit.ts"
import { messagesCharactersMax, partCharactersMax } from "./Limits.ts"

/** Tags that would end a wrapping of ours, or that hosts give a meaning to. */
const meaningful = [
  "peer-[\\w-]+",
  "system(?:-[\\w-]+)?",
  "function_(?:results?|calls?)",
  "tool_(?:results?|use|use_error)",
  "invoke",
  "task-notification",
  "teammate-message",
  "user-prompt-submit-hook",
  "local-command-[\\w-]+",
  "command-(?:name|message|args)",
].join("|")
const tags = new RegExp(`<(?=\\s*(?:\\/\\s*)?(?:[\\w-]+:)?(?:${meaningful})\\b)`, "gi")

/** Words of others, wrapped or not: nothing hidden in them, no tag that means something. */
export const harmless = (text: string): string => printable(text).replace(tags, "&lt;")

/** The same on one line, as the value of an attribute or between quotation marks. */
const attribute = (value: string): string =>
  printable(value).replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;").replaceAll(/\s+/g, " ")

/** What a member says of itself in a list: on one line and between quotation marks, which nothing in it can end. */
export const quoted = (text: string, charactersMax: number): string => `"${clamped(attribute(text), charactersMax)}"`

export type Wrapped = Omit<InboxMessage, "arrival" | "meshId">

/** The text that is inside the wrapping, in as many parts as it takes to show it. */
export const bodiesOf = (message: Wrapped): ReadonlyArray<string> => {
  const { content } = message
  const body = content._tag === "Opened" ? harmless(content.text) : `[not shown: ${whyNotShown(content)}]`
  if (wrapped(message, body).length <= messagesCharactersMax) return [body]
  // A tag that was none before may end where a part ends.
  return split(body, partCharactersMax).map(harmless)
}

export interface Part {
  /** From 1. */
  readonly number: number
  readonly of: number
}

export const wrapped = (message: Wrapped, body: string, part: Part = { number: 1, of: 1 }): string => {
  const attributes: ReadonlyArray<readonly [string, string]> = [
    ["mesh", message.slug],
    ["from", message.sender.name ?? "unknown"],
    ["key", message.senderKey],
    ["session", message.senderSessionId ?? ""],
    ["to", groupOf(message) ?? ""],
    ["member", membershipOf(message.sender.standing)],
    ["authenticated", authenticatedOf(message)],
    ["encrypted", isClear(message) ? "no" : ""],
    ["priority", message.priority],
    ["at", saidAt(message)],
    ["id", message.messageId],
    ["reply_to", message.replyTo ?? ""],
    ["redelivered", message.redelivered ? "yes" : ""],
    ["part", part.of === 1 ? "" : `${part.number} of ${part.of}`],
  ]
  const shown = attributes.filter(([, value]) => value !== "").map(([name, value]) => `${name}="${attribute(value)}"`)
  return `<peer-message ${shown.join(" ")}>\n${body}\n</peer-message>`
}
