/**
 * Who is in which channel. A join counts from the moment it is decided, for what is sent after it is stored after
 * it; it is answered once it is stored, and then outlives connections and brokers. A member is in the channels of
 * all its sessions, also of those that are away.
 */
import type { Label } from "@claudemesh/domain/Ids"
import type { Channel } from "@claudemesh/domain/wire/BrokerFrame"
import type { JoinChannel, LeaveChannel, ListChannels } from "@claudemesh/domain/wire/ClientFrame"
import type { ErrorCode } from "@claudemesh/domain/wire/ErrorCode"
import { Exit } from "effect"
import { reasonOf, Write } from "../store/MessageStore.ts"
import type { Decision } from "../state/Decision.ts"
import { errorFrame } from "../state/ErrorReply.ts"
import { type Completion, Action } from "../state/MeshCommand.ts"
import type { Connection, Session } from "../state/MeshState.ts"

export const joinChannel = (decision: Decision, connection: Connection, { channel, id }: JoinChannel): void => {
  const { actions, nowMillis, state } = decision
  const { peer, session } = connection
  const refuse = (code: ErrorCode, message: string): void => {
    actions.push(Action.Send({ peer, frame: errorFrame(connection.protocol, code, message, id) }))
  }
  if (connection.window.max === 0 || connection.transient) {
    return refuse("unsupported", "a session that takes no messages, or is there for one command, is in no channel")
  }
  if (!session.channels.has(channel) && session.channels.size >= state.rules.limits.channelsPerSessionMax) {
    return refuse("capacity", `a session can be in ${state.rules.limits.channelsPerSessionMax} channels; leave one`)
  }
  const haste = hasteOf(connection, nowMillis)
  if (haste !== undefined) return refuse(...haste)
  put(session, channel, true)
  const where = { meshId: state.mesh.meshId, memberId: session.member.record.memberId, session: session.sessionId }
  actions.push(record(connection, id, channel, Write.ChannelJoined({ ...where, channel, atMillis: nowMillis }), true))
}

/** Also of a channel that the session is not in: the answer is the same. */
export const leaveChannel = (decision: Decision, connection: Connection, { channel, id }: LeaveChannel): void => {
  const { actions, nowMillis, state } = decision
  const { peer, session } = connection
  const haste = hasteOf(connection, nowMillis)
  if (haste !== undefined) {
    actions.push(Action.Send({ peer, frame: errorFrame(connection.protocol, ...haste, id) }))
    return
  }
  put(session, channel, false)
  const where = { meshId: state.mesh.meshId, memberId: session.member.record.memberId, session: session.sessionId }
  actions.push(record(connection, id, channel, Write.ChannelLeft({ ...where, channel, atMillis: nowMillis }), false))
}

/**
 * Why the member may join or leave no channel now. What is written is kept while the database is away, so the rate alone
 * would let it pile up for as long as that lasts.
 */
const hasteOf = ({ session }: Connection, nowMillis: number): readonly [ErrorCode, string] | undefined => {
  const { allowance } = session.member
  if (allowance.changesTooMuch) return ["unavailable", "earlier changes of channels are not stored yet; try again"]
  return allowance.channelChanges.take(nowMillis)
    ? undefined
    : ["rate_limited", "this member joins and leaves channels too fast; try again in a second"]
}

/** The word on it goes into the group commit now. */
const put = (session: Session, channel: Label, joined: boolean): void => {
  const underWay = session.channelsUnderWay.get(channel)
  if (underWay === undefined) {
    session.channelsUnderWay.set(channel, { isStored: session.channels.has(channel), words: 1 })
  } else underWay.words += 1
  remember(session, channel, joined)
}

const remember = (session: Session, channel: Label, joined: boolean): void => {
  if (joined) session.channels.add(channel)
  else session.channels.delete(channel)
  session.member.channelsChanged()
}

const record = ({ peer, session }: Connection, id: string, channel: Label, write: Write, joined: boolean) => {
  session.member.allowance.holdChanges(1)
  return Action.Write({
    write,
    next: {
      _tag: "ChannelRecorded",
      peer,
      id,
      memberId: session.member.record.memberId,
      session: session.sessionId,
      channel,
      joined,
    },
  })
}

export const channelRecorded = (
  decision: Decision,
  completion: Extract<Completion, { readonly _tag: "ChannelRecorded" }>,
): void => {
  const { actions, state } = decision
  const { id, memberId, outcome, peer, session } = completion
  const member = state.membersById.get(memberId)
  member?.allowance.holdChanges(-1)
  const found = member?.sessions.get(session)
  if (found !== undefined) wordEnded(decision, found, completion)
  if (Exit.isSuccess(outcome)) {
    actions.push(Action.Send({ peer, frame: { type: "ok", id } }))
    return
  }
  const failed = errorFrame(2, "internal", "the broker failed to store this; try again", id)
  actions.push(Action.Send({ peer, frame: failed }))
}

/**
 * Behind the last word that is under way memory is as the store is: of words that have all failed nothing is left. The error of one may
 * have come before it took effect, so how it is now is written once more, behind it.
 */
const wordEnded = (
  { actions, nowMillis, state }: Decision,
  session: Session,
  { channel, joined, outcome }: Extract<Completion, { readonly _tag: "ChannelRecorded" }>,
): void => {
  const underWay = session.channelsUnderWay.get(channel)
  // It was forgotten meanwhile, and has come back.
  if (underWay === undefined) return
  if (Exit.isSuccess(outcome)) underWay.isStored = joined
  underWay.words -= 1
  if (underWay.words > 0) return
  session.channelsUnderWay.delete(channel)
  if (Exit.isSuccess(outcome)) return
  remember(session, channel, underWay.isStored)
  if (reasonOf(outcome.cause) !== "unavailable") return
  const where = { meshId: state.mesh.meshId, memberId: session.member.record.memberId, session: session.sessionId }
  const write = underWay.isStored
    ? Write.ChannelJoined({ ...where, channel, atMillis: nowMillis })
    : Write.ChannelLeft({ ...where, channel, atMillis: nowMillis })
  actions.push(Action.Write({ write, next: undefined }))
}

export const listChannels = (decision: Decision, { peer, session }: Connection, { id }: ListChannels): void => {
  const { actions, state } = decision
  const sessions = new Map<Label, number>()
  const members = new Map<Label, number>()
  for (const member of state.members.values()) {
    for (const channel of member.subscriptions) members.set(channel, (members.get(channel) ?? 0) + 1)
    for (const { channels, live } of member.sessions.values()) {
      if (live) for (const channel of channels) sessions.set(channel, (sessions.get(channel) ?? 0) + 1)
    }
  }
  const channels = [...members].map(([channel, count]): Channel => ({
    channel,
    joined: session.channels.has(channel),
    sessions: sessions.get(channel) ?? 0,
    members: count,
  }))
  // A list that is longer than a socket may leave unread would end the socket of whoever asks.
  const listed = channels
    .toSorted((left, right) => Number(right.joined) - Number(left.joined) || right.members - left.members)
    .slice(0, state.rules.limits.channelsListedMax)
    .toSorted((left, right) => (left.channel < right.channel ? -1 : 1))
  session.member.allowance.chargeEntries(listed.length)
  actions.push(Action.Send({ peer, frame: { type: "channels", id, channels: listed } }))
}
