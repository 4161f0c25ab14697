/**
 * Looks at each message the moment the store has it: whether its audience can be right. In the middle of trouble only
 * some of that is certain, and only that is held against it; `Roster` does the rest once all is well.
 */
import { type AcceptedMessage, isGroup, type SentMessage } from "../History.ts"
import type { Session } from "../Sessions.ts"

export interface Known {
  readonly sent: SentMessage | undefined
  /** Of the message's mesh, all that there ever were. */
  readonly sessions: ReadonlyArray<Session>
  /** Since when it is attached by a connection that works. */
  readonly isSoundSince: (session: Session) => number | undefined
  /** Since when it is cut off, while it is certainly live all the same. */
  readonly isExpectedBack: (session: Session) => number | undefined
  /** Inboxes are so small that some of the audience may be passed by. */
  readonly mayBeFull: boolean
}

export const checkAccepted = (accepted: AcceptedMessage, known: Known): ReadonlyArray<string> => {
  const { messageId, recipients, sender, senderSession, target } = accepted
  const { sent, sessions } = known
  const transient = recipients.filter(({ member, session }) =>
    sessions.some((one) => one.isTransient && one.member === member && one.id === session),
  )
  if (transient.length > 0) return [`${messageId} is for ${transient[0]?.session}, which is a command`]
  if (sent === undefined) return []
  if (sent.session !== undefined && senderSession !== sent.session)
    return [`${messageId} was written by ${sent.session}, and is said to be by ${senderSession}`]
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

/** Whether a session belongs to the group: undefined when it changed since the message was sent. */
const belongs = (target: string, { channels, tags }: Session, sent: SentMessage): boolean | undefined => {
  if (target === "*") return true
  if (target.startsWith("tag:")) return tags.some((tag) => target === `tag:${tag}`)
  for (const [name, { sinceMillis, state }] of channels) {
    if (target === `#${name}`) return state === "unknown" || sinceMillis >= sent.atMillis ? undefined : state === "in"
  }
  return false
}

const uninvited = (
  { messageId, recipients, target }: AcceptedMessage,
  sent: SentMessage,
  { sessions }: Known,
): ReadonlyArray<string> =>
  recipients.flatMap(({ member, session }) => {
    const its = sessions.filter((one) => one.member === member && (session === undefined || one.id === session))
    // A member that was never there is of everyone.
    if (session === undefined && target === "*") return []
    if (its.some((one) => belongs(target, one, sent) !== false)) return []
    return [`${messageId} to ${target} is for ${member}/${session ?? ""}, which does not belong to it`]
  })

/** Sessions that are certainly live, attached or not, and belong to the group. */
const passedBy = (
  { messageId, recipients, sender, senderSession, target }: AcceptedMessage,
  sent: SentMessage,
  { isExpectedBack, isSoundSince, sessions }: Known,
): ReadonlyArray<string> =>
  sessions.flatMap((one) => {
    if (one.isTransient) return []
    const is = (member: string, session: string | undefined) => member === one.member && session === one.id
    // Tags come with the hello, and a mesh that begins again meanwhile does not know them.
    const since = isSoundSince(one) ?? (target.startsWith("tag:") ? undefined : isExpectedBack(one))
    if (is(sender, senderSession) || since === undefined || since >= sent.atMillis) return []
    if (belongs(target, one, sent) !== true || recipients.some(({ member, session }) => is(member, session))) return []
    return [`${messageId} to ${target} is not for ${one.member}/${one.id}, which belongs to it`]
  })
