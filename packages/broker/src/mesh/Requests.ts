/** The small requests of an attached session: acks, pulls, its profile and the lists. */
import type { Base64 } from "@claudemesh/domain/Base64"
import type { Member as MemberEntry } from "@claudemesh/domain/wire/BrokerFrame"
import type { ListMembers, Pull, SetProfile } from "@claudemesh/domain/wire/ClientFrame"
import { joinChannel, leaveChannel, listChannels } from "../session/Channels.ts"
import { acked, pump } from "../delivery/Deliver.ts"
import { errorFrame } from "../state/ErrorReply.ts"
import { Action, type MeshRequest } from "../state/MeshCommand.ts"
import { type Connection, inboxesOf, type Member, type MeshState } from "../state/MeshState.ts"
import { lease, release } from "../delivery/MessageLease.ts"
import { messageStatus } from "../delivery/MessageStatus.ts"
import { list } from "../presence/Presence.ts"
import { recall } from "../delivery/Recall.ts"
import { settlePull } from "../delivery/Remaining.ts"
import { touch } from "../presence/Roster.ts"
import { setStatus } from "../presence/StatusReports.ts"
import { getTrust } from "../membership/Trust.ts"

export const request = (
  state: MeshState,
  connection: Connection,
  frame: MeshRequest,
  nowMillis: number,
  actions: Array<Action>,
): void => {
  switch (frame.type) {
    case "client_ack":
      connection.lastActiveMillis = nowMillis
      return acked(state, connection, frame.messageIds, nowMillis, actions)
    case "lease":
      return lease(state, connection, frame, nowMillis, actions)
    case "release":
      return release(state, connection, frame, actions)
    case "pull":
      return pull(state, connection, frame, nowMillis, actions)
    case "set_status":
      return setStatus(state, connection, frame, nowMillis, actions)
    case "set_profile":
      return setProfile(state, connection, frame, actions)
    case "list_peers":
      actions.push(list(state, connection, frame.id, nowMillis))
      return
    case "list_members":
      return listMembers(state, connection, frame, actions)
    case "get_trust":
      return getTrust(state, connection, frame, actions)
    case "list_channels":
      return listChannels(state, connection, frame, actions)
    case "join_channel":
      return joinChannel(state, connection, frame, nowMillis, actions)
    case "leave_channel":
      return leaveChannel(state, connection, frame, actions)
    case "message_status":
      return messageStatus(connection, frame, actions)
  }
}

const pull = (
  state: MeshState,
  connection: Connection,
  frame: Pull,
  nowMillis: number,
  actions: Array<Action>,
): void => {
  connection.lastActiveMillis = nowMillis
  if (connection.pull !== undefined) {
    const busy = errorFrame(connection.protocol, "busy", "a pull of this connection is under way", frame.id)
    actions.push(Action.Send({ peer: connection.peer, frame: busy }))
    return
  }
  connection.pull = { id: frame.id, budget: Math.min(frame.max ?? connection.windowMax, connection.windowMax) }
  // Before it is ready nothing can be pushed to it: then it is recalled later.
  const left = connection.ready ? recall(connection, actions) : []
  for (const inbox of [connection, ...left].flatMap(inboxesOf)) pump(state, inbox, nowMillis, actions)
  settlePull(state, connection, actions)
}

const setProfile = (state: MeshState, connection: Connection, frame: SetProfile, actions: Array<Action>): void => {
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

const listMembers = (state: MeshState, connection: Connection, frame: ListMembers, actions: Array<Action>): void => {
  const members = [...state.members.values()].map(entryOf)
  actions.push(
    Action.Send({
      peer: connection.peer,
      frame: { type: "members", id: frame.id, members, revocations: state.register.version },
    }),
  )
}

export const entryOf = ({ key, lastProtocol, record: { displayName, memberId } }: Member): MemberEntry => ({
  memberId,
  pubkey: key,
  displayName,
  ...(lastProtocol && { protocol: lastProtocol }),
})
