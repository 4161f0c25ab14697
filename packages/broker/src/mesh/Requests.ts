/** The small requests of an attached session: acks, pulls, status, profile and the lists. */
import type { Member as MemberEntry, Peer } from "@claudemesh/domain/wire/BrokerFrame"
import type { ListMembers, ListPeers, Pull, SetProfile, SetStatus } from "@claudemesh/domain/wire/ClientFrame"
import { withReport } from "@claudemesh/domain/routing/Status"
import { joinChannel, leaveChannel, listChannels } from "./Channels.ts"
import { acked, pump } from "./Deliver.ts"
import { errorFrame } from "./ErrorReply.ts"
import { Effects, type MeshRequest } from "./MeshCommand.ts"
import { type Connection, inboxesOf, type MeshState, statusOf, wakeBy } from "./MeshState.ts"
import { lease, release } from "./MessageLease.ts"
import { messageStatus } from "./MessageStatus.ts"
import { recall } from "./Recall.ts"
import { settlePull } from "./Remaining.ts"
import { endSessionLease } from "./SessionLease.ts"
import { getTrust } from "./Trust.ts"

export const request = (
  state: MeshState,
  connection: Connection,
  frame: MeshRequest,
  nowMillis: number,
  effects: Array<Effects>,
): void => {
  switch (frame.type) {
    case "client_ack":
      connection.lastActiveMillis = nowMillis
      return acked(state, connection, frame.messageIds, nowMillis, effects)
    case "lease":
      return lease(state, connection, frame, nowMillis, effects)
    case "release":
      return release(state, connection, frame, effects)
    case "pull":
      return pull(state, connection, frame, nowMillis, effects)
    case "set_status":
      return setStatus(state, connection, frame, nowMillis, effects)
    case "set_profile":
      return setProfile(state, connection, frame, effects)
    case "list_peers":
      return listPeers(state, connection, frame, nowMillis, effects)
    case "list_members":
      return listMembers(state, connection, frame, effects)
    case "get_trust":
      return getTrust(state, connection, frame, effects)
    case "list_channels":
      return listChannels(state, connection, frame, effects)
    case "join_channel":
      return joinChannel(state, connection, frame, nowMillis, effects)
    case "leave_channel":
      return leaveChannel(state, connection, frame, effects)
    case "message_status":
      return messageStatus(connection, frame, effects)
  }
}

const pull = (
  state: MeshState,
  connection: Connection,
  frame: Pull,
  nowMillis: number,
  effects: Array<Effects>,
): void => {
  connection.lastActiveMillis = nowMillis
  if (connection.pull !== undefined) {
    const busy = errorFrame(connection.protocol, "busy", "a pull of this connection is under way", frame.id)
    effects.push(Effects.Send({ peer: connection.peer, frame: busy }))
    return
  }
  connection.pull = { id: frame.id, budget: Math.min(frame.max ?? connection.windowMax, connection.windowMax) }
  // Before it is ready nothing can be pushed to it: then it is recalled later.
  const left = connection.ready ? recall(connection, effects) : []
  for (const inbox of [connection, ...left].flatMap(inboxesOf)) pump(state, inbox, nowMillis, effects)
  settlePull(state, connection, effects)
}

const setStatus = (
  state: MeshState,
  connection: Connection,
  frame: SetStatus,
  nowMillis: number,
  effects: Array<Effects>,
): void => {
  const { session } = connection
  connection.lastActiveMillis = nowMillis
  session.reports = withReport(session.reports, { status: frame.status, source: "manual", atMillis: nowMillis })
  const { untilMillis } = statusOf(state, session, nowMillis)
  if (untilMillis !== undefined) wakeBy(state, untilMillis)
  if (frame.id !== undefined) effects.push(Effects.Send({ peer: connection.peer, frame: { type: "ok", id: frame.id } }))
  for (const inbox of inboxesOf(connection)) pump(state, inbox, nowMillis, effects)
}

const setProfile = (state: MeshState, connection: Connection, frame: SetProfile, effects: Array<Effects>): void => {
  const { id, sealedKeys } = frame
  if (sealedKeys.length > state.rules.limits.sealedKeysMax) {
    const refusal = errorFrame(connection.protocol, "too_large", "sealed to too many members", id)
    effects.push(Effects.Send({ peer: connection.peer, frame: refusal }))
    return
  }
  connection.session.profile = {
    nonce: frame.nonce,
    ciphertext: frame.ciphertext,
    keys: new Map(sealedKeys.map(({ key, pubkey }) => [pubkey, key])),
  }
  effects.push(Effects.Send({ peer: connection.peer, frame: { type: "ok", id } }))
}

const listPeers = (
  state: MeshState,
  connection: Connection,
  frame: ListPeers,
  nowMillis: number,
  effects: Array<Effects>,
): void => {
  const reader = connection.session.member.key
  const attached = [...state.connections.values()].filter(({ session }) => session.attached)
  const live = [...attached.map(({ session }) => session), ...state.expectedBack]
  const peers = live.map((session): Peer => {
    const sealedKey = session.profile?.keys.get(reader)
    return {
      pubkey: session.member.key,
      memberId: session.member.record.memberId,
      displayName: session.displayName,
      sessionId: session.sessionId,
      attached: session.attached,
      status: statusOf(state, session, nowMillis).status,
      protocol: session.connection?.protocol ?? 2,
      ...(session.profile &&
        sealedKey && {
          profile: { nonce: session.profile.nonce, ciphertext: session.profile.ciphertext, sealedKey },
        }),
    }
  })
  effects.push(Effects.Send({ peer: connection.peer, frame: { type: "peers", id: frame.id, peers } }))
}

const listMembers = (state: MeshState, connection: Connection, frame: ListMembers, effects: Array<Effects>): void => {
  const members = [...state.members.values()].map((member): MemberEntry => ({
    memberId: member.record.memberId,
    pubkey: member.key,
    displayName: member.record.displayName,
    ...(member.lastProtocol && { protocol: member.lastProtocol }),
  }))
  effects.push(
    Effects.Send({
      peer: connection.peer,
      frame: { type: "members", id: frame.id, members, revocations: state.register.version },
    }),
  )
}

/** Statuses may have changed by themselves, sessions may have stayed away, and pages that could not be read are tried again. */
export const tick = (state: MeshState, nowMillis: number, effects: Array<Effects>): void => {
  state.wakeAtMillis = undefined
  for (const session of state.expectedBack) {
    const until = session.liveUntilMillis ?? nowMillis
    if (until <= nowMillis) endSessionLease(state, session, effects)
    else wakeBy(state, until)
  }
  for (const connection of state.connections.values()) {
    const { untilMillis } = statusOf(state, connection.session, nowMillis)
    if (untilMillis !== undefined) wakeBy(state, untilMillis)
    for (const inbox of inboxesOf(connection)) pump(state, inbox, nowMillis, effects)
    settlePull(state, connection, effects)
  }
}
