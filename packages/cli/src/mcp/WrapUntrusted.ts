/**
 * Text of a peer, as a model may be shown it: as it was written, between two tags that nobody could know when it was
 * written, and labelled with mesh, sender and what is proved of it. The tags are drawn for each answer, so a text that
 * guesses them, repeats those of an earlier answer, or speaks as the host does, is still inside of them. A text that is
 * longer than an answer comes in parts, and each of them is wrapped and labelled by itself.
 */
import type { InboxMessage } from "@claudemesh/client/inbox/Inbox"
import { randomHex } from "@claudemesh/client/keys/RandomBytes"
import { isPlainName } from "@claudemesh/client/roster/FindNamed"
import { printable, shortKey } from "../Output.ts"
import { authenticatedOf, groupOf, isClear, membershipOf, saidAt, whyNotShown } from "../Received.ts"
import { visible } from "../Visible.ts"
import { clamped, split } from "./Fit.ts"
import { boundaryBytes, partCharactersMax, wholeCharactersMax } from "./Limits.ts"
import * as agentWords from "../words/agent.ts"

/** What the tags of one answer end with. */
export const newBoundary = randomHex(boundaryBytes)

/** As long as any, to measure with before one is drawn. */
export const someBoundary = "0".repeat(2 * boundaryBytes)

/** Of the tags of an answer: its first line says it, before any word of a peer. */
export const tagOf = (boundary: string): string => `peer-message-${boundary}`

/** How an answer says what is in it, before it. */
export const betweenTags = (boundary: string): string =>
  agentWords.whatStandsBetweenAndWasWrittenBy(tagOf(boundary), tagOf(boundary))

/** What opens a tag, of any kind. */
const tagStart = /<(?=[\s/]*[a-z!?])/gi

/** Words of others that stand in ours, and not between tags: nothing hidden in them, and nothing that is a tag. */
export const harmless = (text: string): string => printable(text).replace(tagStart, "&lt;")

/** The same on one line, as the value of an attribute or between quotation marks. */
const attribute = (value: string): string =>
  printable(value).replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;").replaceAll(/\s+/g, " ")

/** What a member says of itself in a list: on one line and between quotation marks, which nothing in it can end. */
export const quoted = (text: string, charactersMax: number): string => `"${clamped(attribute(text), charactersMax)}"`

const nameCharactersMax = 64

/** A member's name among our words: as it is where it is plain, so that answers stay short, and else between quotation marks. */
export const memberName = (name: string): string => (isPlainName(name) ? name : quoted(name, nameCharactersMax))

export type Wrapped = Omit<InboxMessage, "arrival" | "meshId">

/** The text that is between the tags, in as many parts as it takes to show it. */
export const bodiesOf = (message: Wrapped): ReadonlyArray<string> => {
  const { content } = message
  const body = content._tag === "Opened" ? visible(content.text).text : `[not shown: ${whyNotShown(content)}]`
  // It may come again, and is in as many parts then.
  const longest = wrapped({ ...message, redelivered: true }, body, someBoundary).length
  return longest <= wholeCharactersMax ? [body] : split(body, partCharactersMax)
}

export interface Part {
  /** From 1. */
  readonly number: number
  readonly of: number
}

export const wrapped = (
  message: Wrapped,
  body: string,
  boundary: string,
  part: Part = { number: 1, of: 1 },
): string => {
  const { content } = message
  const codes = content._tag === "Opened" ? visible(content.text).codes : 0
  const attributes: ReadonlyArray<readonly [string, string]> = [
    ["mesh", message.slug],
    ["from", message.sender.name ?? "unknown"],
    ["key", shortKey(message.senderKey)],
    ["session", shortSession(message.senderSessionId ?? "")],
    ["to", groupOf(message) ?? ""],
    ["member", membershipOf(message.sender.standing)],
    ["authenticated", authenticatedOf(message)],
    ["encrypted", isClear(message) ? "no" : ""],
    ["priority", message.priority],
    ["at", saidAt(message)],
    ["id", message.messageId],
    ["reply_to", message.replyTo ?? ""],
    ["redelivered", message.redelivered ? "yes" : ""],
    ["shown_as_codes", codes === 0 ? "" : String(codes)],
    ["part", part.of === 1 ? "" : `${part.number} of ${part.of}`],
  ]
  const shown = attributes.filter(([, value]) => value !== "").map(([name, value]) => `${name}="${attribute(value)}"`)
  return `<${tagOf(boundary)} ${shown.join(" ")}>\n${body}\n</${tagOf(boundary)}>`
}

/** Ids that begin at random, as those of Claude Code and ours do, are told apart by 8 characters; others may not be. */
export const shortSession = (id: string): string => (/^[0-9a-f]{8}-/.test(id) ? id.slice(0, 8) : id)
