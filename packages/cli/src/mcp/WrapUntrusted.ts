/**
 * Text of a peer, as a model may be shown it: wrapped, labelled with mesh, sender and what is proved of it. It is
 * untrusted input; nothing in it can close the wrapping or pass for a word of the host.
 */
import type { InboxMessage } from "@claudemesh/client/inbox/PushBuffer"
import type { MemberStanding } from "@claudemesh/client/trust/MemberStanding"
import { formatTarget, isDirect, parseTarget } from "@claudemesh/domain/routing/Target"
import { Option } from "effect"
import { printable } from "../Output.ts"

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

/** Whether the sender is proved to be in the mesh, by the owner's word and not by the broker's. */
export type Membership = "compared" | "verified" | "revoked" | "unverified"

/** `compared`: also by voice. `revoked`: it was a member when it wrote, for all that is known. */
export const membershipOf = (standing: MemberStanding): Membership => {
  switch (standing._tag) {
    case "Verified":
      return standing.byVoiceAt === undefined ? "verified" : "compared"
    case "Revoked":
      return "revoked"
    case "Unverified":
    case "KeyChanged":
      return "unverified"
  }
}

/** `bound`: key, target, id and time are proved. `key`: only that the sender's key sealed this text. `no`: nothing, not even who wrote it. */
export type Verification = "bound" | "key" | "no"

/**
 * When it was said: by the sender's own time, where that is sealed with the text. The broker's says only when it took the
 * message, or what it likes.
 */
export const saidAt = ({ content, createdAt }: InboxMessage) =>
  content._tag === "Opened" ? (content.sentAt ?? createdAt) : createdAt

export const verificationOf = ({ content }: InboxMessage): Verification => {
  if (content._tag !== "Opened") return "no"
  switch (content.binding) {
    case "bound":
      return "bound"
    case "bare":
      return "key"
    case "clear":
      return "no"
  }
}

/** The group that it was said to, so that an answer is not taken for one that only the reader awaits. */
export const groupOf = ({ targetSpec }: InboxMessage): string | undefined => {
  const target = Option.flatMap(Option.fromUndefinedOr(targetSpec), parseTarget)
  return Option.isSome(target) && !isDirect(target.value) ? formatTarget(target.value) : undefined
}

/** It came in clear: the sender's name and key are only what the broker, or anybody in between, says they are. */
export const isClear = ({ content }: InboxMessage): boolean => content._tag === "Opened" && content.binding === "clear"

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
