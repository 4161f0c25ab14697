/** What is known of a message that came, and of who sent it: for a person, for a script and for a model alike. */
import type { InboxMessage } from "@claudemesh/client/inbox/Inbox"
import type { Content } from "@claudemesh/client/seal/OpenPush"
import type { MemberStanding } from "@claudemesh/client/trust/MemberStanding"
import { formatTarget, isDirect, parseTarget } from "@claudemesh/domain/routing/Target"
import { Option } from "effect"
import * as messageWords from "./words/messages.ts"

/** Whether the sender is proved to be in the mesh, by the owner's word and not by the broker's. */
export type Membership = "verified" | "certified" | "revoked" | "uncertified"

/** `verified`: two people compared the safety number as well. `revoked`: it was a member when it wrote, for all that is known. */
export const membershipOf = (standing: MemberStanding): Membership => {
  switch (standing._tag) {
    case "Certified":
      return standing.byVoiceAt === undefined ? "certified" : "verified"
    case "Revoked":
      return "revoked"
    case "Uncertified":
    case "KeyChanged":
      return "uncertified"
  }
}

/**
 * Whether the member that it names wrote it. `yes`: sender, text, target, id and time are proved. `text`: only that the
 * sender's key sealed this text. `no`: nothing, not even who wrote it.
 */
export type Authenticated = "yes" | "text" | "no"

/**
 * When it was said: by the sender's own time, where that is sealed with the text. The broker's says only when it took the
 * message, or what it likes.
 */
export const saidAt = ({ content, createdAt }: Pick<InboxMessage, "content" | "createdAt">) =>
  content._tag === "Opened" ? (content.sentAt ?? createdAt) : createdAt

export const authenticatedOf = ({ content }: Pick<InboxMessage, "content">): Authenticated => {
  if (content._tag !== "Opened") return "no"
  switch (content.binding) {
    case "bound":
      return "yes"
    case "bare":
      return "text"
    case "clear":
      return "no"
  }
}

/** The group that it was said to, so that an answer is not taken for one that only the reader awaits. */
export const groupOf = ({ targetSpec }: Pick<InboxMessage, "targetSpec">): string | undefined => {
  const target = Option.flatMap(Option.fromUndefinedOr(targetSpec), parseTarget)
  return Option.isSome(target) && !isDirect(target.value) ? formatTarget(target.value) : undefined
}

/** It came in clear: the sender's name and key are only what the broker, or anybody in between, says they are. */
export const isClear = ({ content }: Pick<InboxMessage, "content">): boolean =>
  content._tag === "Opened" && content.binding === "clear"

const changedByBroker = (what: string): string => messageWords.theBrokerDeliversItWithThanIts(what)

const mismatches: Readonly<Record<Extract<Content, { readonly _tag: "Mismatch" }>["field"], string>> = {
  meshId: messageWords.itWasWrittenForAnotherMesh,
  senderSessionId: changedByBroker("another sender's session"),
  targetSpec: messageWords.itWasWrittenToSomebodyElseOr,
  priority: changedByBroker("another priority"),
  replyTo: changedByBroker(messageWords.anotherMessageThatItAnswers),
  messageId: changedByBroker("another id"),
  createdAt: messageWords.theSendersClockIsMoreThan5,
  shape: messageWords.itsContentIsDamagedAskItsSender,
  sentAt: messageWords.itIsMoreThan31DaysOld,
  downgraded: messageWords.itIsSealedTheWayTheFirst,
}

const unreadable: Readonly<Record<Extract<Content, { readonly _tag: "Undecryptable" }>["reason"], string>> = {
  bad_key: messageWords.theSendersKeyIsNotAValid,
  not_sealed_to_us: messageWords.itWasNotEncryptedForThisMembers,
  not_text: messageWords.itIsNotText,
  not_signed: messageWords.theMemberThatItNamesDidNot,
  unsealed: messageWords.itCameUnencryptedAndThisMeshTakes,
}

/** Why there is no text to show, as whole sentences behind "not shown:". */
export const whyNotShown = (content: Content): string | undefined => {
  switch (content._tag) {
    case "Opened":
      return undefined
    case "Mismatch":
      return mismatches[content.field]
    case "Undecryptable":
      return unreadable[content.reason]
  }
}

/** As data. What only one of its readers is told, that one adds. */
export const asData = (message: InboxMessage) => ({
  mesh: message.slug,
  messageId: message.messageId,
  from: {
    name: message.sender.name ?? null,
    session: message.senderSessionId ?? null,
    member: membershipOf(message.sender.standing),
  },
  authenticated: authenticatedOf(message),
  text: message.content._tag === "Opened" ? message.content.text : null,
  ...(message.content._tag !== "Opened" && { problem: { ...message.content, words: whyNotShown(message.content) } }),
  encrypted: !isClear(message),
  priority: message.priority,
  group: groupOf(message) ?? null,
  target: message.targetSpec ?? null,
  replyTo: message.replyTo ?? null,
  sentAt: saidAt(message),
  redelivered: message.redelivered,
})
