/** What is known of a message that came, and of who sent it: for a person, for a script and for a model alike. */
import type { InboxMessage } from "@claudemesh/client/inbox/PushBuffer"
import type { MemberStanding } from "@claudemesh/client/trust/MemberStanding"
import { formatTarget, isDirect, parseTarget } from "@claudemesh/domain/routing/Target"
import { Option } from "effect"

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

/** As data. What only one of its readers is told, that one adds. */
export const asData = (message: InboxMessage) => ({
  mesh: message.slug,
  messageId: message.messageId,
  from: {
    name: message.sender.name ?? null,
    session: message.senderSessionId ?? null,
    member: membershipOf(message.sender.standing),
  },
  verified: verificationOf(message),
  text: message.content._tag === "Opened" ? message.content.text : null,
  ...(message.content._tag !== "Opened" && { problem: message.content }),
  encrypted: !isClear(message),
  priority: message.priority,
  group: groupOf(message) ?? null,
  target: message.targetSpec ?? null,
  sentAt: saidAt(message),
  redelivered: message.redelivered,
})
