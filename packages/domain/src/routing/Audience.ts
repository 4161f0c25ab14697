/**
 * Who gets a message: one pure, total function from a target and the roster to recipients, used for sending,
 * resending and listing alike (I5, I14). It knows nothing of gates and windows: those say when, this says who.
 */
import { Data } from "effect"
import type { Label, PublicKey, SessionId } from "../Ids.ts"
import type { Target } from "./Target.ts"

export interface RosterSession {
  readonly sessionId: SessionId
  /** Attached, or cut off and expected back. */
  readonly live: boolean
  readonly channels: ReadonlySet<Label>
  readonly tags: ReadonlySet<Label>
}

export interface RosterMember {
  readonly key: PublicKey
  /** Every session known, also those away. */
  readonly sessions: ReadonlyMap<SessionId, RosterSession>
  readonly subscriptions: ReadonlySet<Label>
}

export type Roster = ReadonlyMap<PublicKey, RosterMember>

/** One inbox: a member's, from which exactly one of its sessions takes, or one session's own. */
export interface Recipient {
  readonly key: PublicKey
  readonly session: SessionId | undefined
}

export interface Sender {
  readonly key: PublicKey
  readonly session: SessionId
}

export type Audience = Data.TaggedEnum<{
  Resolved: { readonly recipients: ReadonlyArray<Recipient> }
  UnknownMember: { readonly key: PublicKey }
  UnknownSession: { readonly key: PublicKey; readonly session: SessionId }
}>
export const Audience = Data.taggedEnum<Audience>()

export const audience = (target: Target, roster: Roster, sender: Sender): Audience => {
  switch (target._tag) {
    case "Member":
      return roster.has(target.key)
        ? Audience.Resolved({ recipients: [{ key: target.key, session: undefined }] })
        : Audience.UnknownMember({ key: target.key })
    case "Session": {
      const member = roster.get(target.key)
      if (member === undefined) return Audience.UnknownMember({ key: target.key })
      return member.sessions.has(target.session)
        ? Audience.Resolved({ recipients: [{ key: target.key, session: target.session }] })
        : Audience.UnknownSession({ key: target.key, session: target.session })
    }
    case "Channel":
      return group(roster, sender, {
        takes: (session) => session.channels.has(target.channel),
        inboxWhenAway: (member) => member.subscriptions.has(target.channel),
      })
    case "Tag":
      return group(roster, sender, { takes: (session) => session.tags.has(target.tag), inboxWhenAway: () => false })
    case "Everyone":
      return group(roster, sender, { takes: () => true, inboxWhenAway: () => true })
  }
}

const group = (
  roster: Roster,
  sender: Sender,
  rule: {
    readonly takes: (session: RosterSession) => boolean
    readonly inboxWhenAway: (member: RosterMember) => boolean
  },
): Audience => {
  const recipients: Array<Recipient> = []
  for (const member of roster.values()) {
    let anyLive = false
    for (const session of member.sessions.values()) {
      if (!session.live) continue
      anyLive = true
      const isSender = member.key === sender.key && session.sessionId === sender.session
      if (!isSender && rule.takes(session)) recipients.push({ key: member.key, session: session.sessionId })
    }
    // A member that sends is not away, though its session may be one that takes no messages.
    if (!anyLive && member.key !== sender.key && rule.inboxWhenAway(member))
      recipients.push({ key: member.key, session: undefined })
  }
  return Audience.Resolved({ recipients })
}
