/**
 * Text of a peer, as a model may be shown it: wrapped, labelled with mesh, sender and what is proved of it. It is
 * untrusted input; nothing in it can close the wrapping or pass for a word of the host.
 */
import type { InboxMessage } from "@claudemesh/client/inbox/PushBuffer"
import { printable } from "../Output.ts"

/** Tags that would end the wrapping, or that hosts give a meaning to. */
const tags = /<(?=\s*\/?\s*(?:peer-message|system-reminder|system|function_results|function_calls)\b)/gi

export const escapeTags = (text: string): string => text.replace(tags, "&lt;")

const attribute = (value: string): string =>
  printable(value).replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;")

/** `bound`: key, target, id and time are proved. `key`: only that the sender's key sealed this text. `no`: nothing. */
export type Verification = "bound" | "key" | "no"

export const verificationOf = ({ content }: InboxMessage): Verification => {
  if (content._tag !== "Opened") return "no"
  return content.binding === "bound" ? "bound" : "key"
}

/** What cannot be read is said, never shown. */
const bodyOf = ({ content }: InboxMessage): string => {
  switch (content._tag) {
    case "Opened":
      return escapeTags(printable(content.text))
    case "Mismatch":
      return `[not shown: its sender sealed it for something else than it was delivered as (${content.field} differs)]`
    case "Undecryptable":
      return `[cannot be read: ${content.reason}]`
  }
}

export const wrapUntrusted = (message: InboxMessage): string => {
  const attributes: ReadonlyArray<readonly [string, string]> = [
    ["mesh", message.slug],
    ["from", message.senderName ?? "unknown"],
    ["key", message.senderKey],
    ["session", message.senderSessionId ?? ""],
    ["verified", verificationOf(message)],
    ["priority", message.priority],
    ["at", message.createdAt],
    ["id", message.messageId],
    ["redelivered", message.redelivered ? "yes" : ""],
  ]
  const shown = attributes.filter(([, value]) => value !== "").map(([name, value]) => `${name}="${attribute(value)}"`)
  return `<peer-message ${shown.join(" ")}>\n${bodyOf(message)}\n</peer-message>`
}
