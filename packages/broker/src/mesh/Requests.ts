/** The small requests of an attached session: acks, pulls, its profile and the lists. */
import type { Base64 } from "@claudemesh/domain/Base64"
import type { ListMembers, Pull, SetProfile } from "@claudemesh/domain/wire/ClientFrame"
import { joinChannel, leaveChannel, listChannels } from "../session/Channels.ts"
import { acked, pump } from "../delivery/Deliver.ts"
import type { Decision } from "../state/Decision.ts"
import { errorFrame } from "../state/ErrorReply.ts"
import { Action, type MeshRequest } from "../state/MeshCommand.ts"
import { type Connection, inboxesOf } from "../state/MeshState.ts"
import { lease, release } from "../delivery/MessageLease.ts"
import { messageStatus } from "../delivery/MessageStatus.ts"
import { listPeers } from "../presence/Presence.ts"
import { recall } from "../delivery/Recall.ts"
import { settlePull } from "../delivery/Remaining.ts"
import { touch } from "../presence/Roster.ts"
import { setStatus } from "../presence/StatusReports.ts"
import { entryOf } from "../membership/MemberEntry.ts"
import { getTrust } from "../membership/Trust.ts"

export const request = (decision: Decision, connection: Connection, frame: MeshRequest): void => {
  const { nowMillis } = decision
  if (isAsk(frame) && !connection.session.member.allowance.asks.take(nowMillis)) {
    return refuseAsk(decision, connection, frame)
  }
  switch (frame.type) {
    case "client_ack":
      connection.lastActiveMillis = nowMillis
      return acked(decision, connection, frame.messageIds)
    case "lease":
      return lease(decision, connection, frame)
    case "release":
      return release(decision, connection, frame)
    case "pull":
      return pull(decision, connection, frame)
    case "set_status":
      return setStatus(decision, connection, frame)
    case "set_profile":
      return setProfile(decision, connection, frame)
    case "list_peers":
      return listPeers(decision, connection, frame)
    case "list_members":
      return listMembers(decision, connection, frame)
    case "get_trust":
      return getTrust(decision, connection, frame)
    case "list_channels":
      return listChannels(decision, connection, frame)
    case "join_channel":
      return joinChannel(decision, connection, frame)
    case "leave_channel":
      return leaveChannel(decision, connection, frame)
    case "message_status":
      return messageStatus(decision, connection, frame)
  }
}

/** What is answered from the store, or with much. */
type Ask = Extract<MeshRequest, { readonly type: `list_${string}` | "lease" | "pull" | "get_trust" | "message_status" }>
const askTypes: ReadonlySet<MeshRequest["type"]> = new Set<Ask["type"]>([
  "lease",
  "pull",
  "list_peers",
  "list_members",
  "list_channels",
  "get_trust",
  "message_status",
])
const isAsk = (frame: MeshRequest): frame is Ask => askTypes.has(frame.type)

const refuseAsk = ({ actions }: Decision, { peer, protocol }: Connection, { id, type }: Ask): void => {
  const message = "this member asks too much at once; ask again in a second"
  actions.push(Action.Send({ peer, frame: errorFrame(protocol, "rate_limited", message, id) }))
  // It counts like a send against what may be under way.
  if (type === "lease") actions.push(Action.Settle({ peer }))
}

const pull = (decision: Decision, connection: Connection, frame: Pull): void => {
  const { actions, nowMillis } = decision
  connection.lastActiveMillis = nowMillis
  if (connection.pull !== undefined) {
    const busy = errorFrame(connection.protocol, "busy", "a pull of this connection is under way", frame.id)
    actions.push(Action.Send({ peer: connection.peer, frame: busy }))
    return
  }
  connection.session.member.allowance.chargeEntries(lookedThrough(connection))
  connection.pull = { id: frame.id, budget: Math.min(frame.max ?? connection.window.max, connection.window.max) }
  // Before it is ready nothing can be pushed to it: then it is recalled later.
  const left = connection.ready ? recall(decision, connection) : []
  for (const inbox of inboxesOf(connection)) inbox.readSoon()
  for (const inbox of [connection, ...left].flatMap(inboxesOf)) pump(decision, inbox)
  settlePull(decision, connection)
}

/** By a pull, for what it may recall and for what waits elsewhere: all sessions of the member, and what each has unacked. */
const lookedThrough = ({ session: { member } }: Connection): number =>
  [...member.connections].reduce((sum, { window }) => sum + window.size, member.sessions.size)

const setProfile = (decision: Decision, connection: Connection, frame: SetProfile): void => {
  const { actions, state } = decision
  const { ciphertext, id, nonce, sealedKeys } = frame
  const before = connection.session.profile
  const isSameText = before?.text.nonce === nonce && before.text.ciphertext === ciphertext
  const keys = new Map<string, Base64>(isSameText ? before.keys : [])
  // A key that is nobody's here could be read by nobody, and would be kept all the same.
  for (const { key, pubkey } of sealedKeys) if (state.members.has(pubkey)) keys.set(pubkey, key)
  if (Math.max(keys.size, sealedKeys.length) > state.rules.limits.sealedKeysMax) {
    const refusal = errorFrame(connection.protocol, "too_large", "sealed to too many members", id)
    actions.push(Action.Send({ peer: connection.peer, frame: refusal }))
    return
  }
  connection.session.profile = { text: isSameText ? before.text : { nonce, ciphertext }, keys }
  touch(state, connection.session)
  actions.push(Action.Send({ peer: connection.peer, frame: { type: "ok", id } }))
}

/** All of them, or a page, in the order of their keys. There are no more than one answer has room for. */
const listMembers = (decision: Decision, connection: Connection, { after, id, limit }: ListMembers): void => {
  const { actions, state } = decision
  const { listPageMax } = state.rules.limits
  const behind = [...state.members.values()].filter(({ key }) => after === undefined || key > after)
  const isPage = limit !== undefined || after !== undefined
  const listed = isPage
    ? behind
        .toSorted((left, right) => (left.key < right.key ? -1 : 1))
        .slice(0, Math.min(limit ?? listPageMax, listPageMax))
    : behind
  const more = listed.length < behind.length ? listed.at(-1)?.key : undefined
  connection.session.member.allowance.chargeEntries(listed.length)
  const answer = {
    type: "members",
    id,
    members: listed.map(entryOf),
    revocations: state.register.version,
    ...(after !== undefined && { after }),
    ...(more !== undefined && { more }),
  } as const
  actions.push(Action.Send({ peer: connection.peer, frame: answer }))
}
