/**
 * Text of a peer, as a model may be shown it: wrapped, labelled with mesh, sender and what is proved of it. It is
 * untrusted input; nothing in it can close the wrapping or pass for a word of the host.
 */
import type { InboxMessage } from "@claudemesh/client/inbox/PushBuffer"
import { printable } from "../Output.ts"
import { groupOf, isClear, membershipOf, saidAt, verificationOf } from "../Received.ts"

/** Tags that would end the wrapping, or that hosts give a meaning to. */
const tags =
  /<(?=\s*\/?\s*(?:[\w-]+:)?(?:peer-message|system-reminder|system|function_results|function_calls|invoke|task-notification)\b)/gi

/** Words of others outside of a wrapping, such as names: nothing hidden in them, no tag that means something. */
export const harmless = (text: string): string => printable(text).replace(tags, "&lt;")

/** The same for a whole answer: a host may show a model the data instead of the text. */
export const harmlessData = (value: unknown): unknown => {
  if (typeof value === "string") return harmless(value)
  if (Array.isArray(value)) return value.map(harmlessData)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, harmlessData(inner)]))
}

const attribute = (value: string): string =>
  printable(value).replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;")

/** What cannot be read is said, never shown. */
const bodyOf = ({ content }: InboxMessage): string => {
  switch (content._tag) {
    case "Opened":
      return harmless(content.text)
    case "Mismatch":
      return `[not shown: its sender sealed it for something else than it was delivered as (${content.field} differs)]`
    case "Undecryptable":
      if (content.reason === "unsealed")
        return "[not shown: it came unencrypted, and this mesh takes sealed messages only]"
      if (content.reason === "not_signed") return "[not shown: it was not written by the member it is said to be from]"
      return `[cannot be read: ${content.reason}]`
  }
}

export const wrapUntrusted = (message: InboxMessage): string => {
  const attributes: ReadonlyArray<readonly [string, string]> = [
    ["mesh", message.slug],
    ["from", message.sender.name ?? "unknown"],
    ["key", message.senderKey],
    ["session", message.senderSessionId ?? ""],
    ["to", groupOf(message) ?? ""],
    ["member", membershipOf(message.sender.standing)],
    ["verified", verificationOf(message)],
    ["encrypted", isClear(message) ? "no" : ""],
    ["priority", message.priority],
    ["at", saidAt(message)],
    ["id", message.messageId],
    ["redelivered", message.redelivered ? "yes" : ""],
  ]
  const shown = attributes.filter(([, value]) => value !== "").map(([name, value]) => `${name}="${attribute(value)}"`)
  return `<peer-message ${shown.join(" ")}>\n${bodyOf(message)}\n</peer-message>`
}
