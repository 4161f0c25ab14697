/**
 * Looks at each message the moment the store has it: whether its audience can be right. In the middle of trouble only
 * some of that is certain, and only that is held against it; `Roster` does the rest once all is well.
 */
import type { Label, MemberId, MeshId, SessionId } from "@claudemesh/domain/Ids"
import type { AcceptedMessage, SentMessage } from "../History.ts"
import type { Slot } from "../Slot.ts"
import { isGroup } from "./Delivery.ts"

/** A session that ended for good, and the channels it may still be in. */
export interface PastSession {
  readonly mesh: MeshId
  readonly member: MemberId
  readonly session: SessionId
  readonly channels: ReadonlyArray<Label>
}

export interface Known {
  readonly sent: SentMessage | undefined
  /** Of the message's mesh. */
  readonly slots: ReadonlyArray<Slot>
  readonly past: ReadonlyArray<PastSession>
  /** Whether a process has a link that works. */
  readonly isSound: (process: number) => boolean
  /** Since when it is cut off, while it is certainly live all the same. */
  readonly isExpectedBack: (slot: Slot) => number | undefined
  /** Inboxes are so small that some of the audience may be passed by. */
  readonly mayBeFull: boolean
}

export const checkAccepted = (accepted: AcceptedMessage, known: Known): ReadonlyArray<string> => {
  const { messageId, recipients, sender, senderSession, target } = accepted
  const { sent } = known
  if (sent === undefined) return []
  if (sent.ttlMillis !== undefined && accepted.expiresAtMillis > accepted.createdAtMillis + sent.ttlMillis) {
    return [`${messageId} is kept for longer than its ${sent.ttlMillis} ms`]
  }
  const keys = recipients.map(({ member, session }) => `${member}/${session ?? ""}`)
  if (new Set(keys).size < keys.length) return [`${messageId} has one recipient twice`]
  if (!isGroup(target))
    return recipients.length === 1 ? [] : [`${messageId} has ${recipients.length} recipients, not one`]
  if (keys.includes(`${sender}/${senderSession}`)) return [`${messageId} is for the session that sent it`]
  return [...uninvited(accepted, sent, known), ...(known.mayBeFull ? [] : passedBy(accepted, sent, known))]
}

/** Whether a slot's session belongs to the group: undefined when it changed since the message was sent. */
const belongs = (target: string, slot: Slot, sent: SentMessage): boolean | undefined => {
  if (target === "*") return true
  if (target.startsWith("tag:")) return slot.tags.some((tag) => target === `tag:${tag}`)
  for (const [name, { sinceMillis, state }] of slot.channels) {
    if (target === `#${name}`) return state === "unknown" || sinceMillis >= sent.atMillis ? undefined : state === "in"
  }
  return false
}

const uninvited = (
  { messageId, recipients, target }: AcceptedMessage,
  sent: SentMessage,
  { past, slots }: Known,
): ReadonlyArray<string> =>
  recipients.flatMap(({ member, session }) => {
    const its = slots.filter(({ membership, sessionId }) =>
      session === undefined ? membership.memberId === member : membership.memberId === member && sessionId === session,
    )
    const left = past.some((one) => one.member === member && (session === undefined || one.session === session))
    if (left || its.some((slot) => belongs(target, slot, sent) !== false)) return []
    return [`${messageId} to ${target} is for ${member}/${session ?? ""}, which does not belong to it`]
  })

/** Sessions that are certainly live, attached or not, and belong to the group. */
const passedBy = (
  { messageId, recipients, sender, senderSession, target }: AcceptedMessage,
  sent: SentMessage,
  { isExpectedBack, isSound, slots }: Known,
): ReadonlyArray<string> =>
  slots.flatMap((slot) => {
    const { agent, membership, sessionId } = slot
    const is = (member: string, session: string | undefined) => member === membership.memberId && session === sessionId
    const attachedSince = agent?.isAlive() === true && isSound(agent.number) ? agent.connectedSinceMillis() : undefined
    // Tags come with the hello, and a mesh that begins again meanwhile does not know them.
    const since = attachedSince ?? (target.startsWith("tag:") ? undefined : isExpectedBack(slot))
    if (is(sender, senderSession) || since === undefined || since >= sent.atMillis) return []
    if (belongs(target, slot, sent) !== true || recipients.some(({ member, session }) => is(member, session))) return []
    return [`${messageId} to ${target} is not for ${membership.memberId}/${sessionId}, which belongs to it`]
  })
