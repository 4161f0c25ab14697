/**
 * What a mesh does about a command: a function of its state, the command and the time, without any I/O. It
 * changes the state that the actor owns and returns what is to be done, in order. A command of a connection that
 * is no longer attached is dropped: its socket is closing, which is its answer.
 */
import { accepted, refusalChecked, send } from "../delivery/Accept.ts"
import { attach, detach, sessionRecorded } from "../session/Attach.ts"
import { counted } from "../delivery/Backlog.ts"
import { channelRecorded } from "../session/Channels.ts"
import { consumed, pageRead } from "../delivery/Deliver.ts"
import { enrol, enrolled } from "../membership/Enrol.ts"
import type { Command, Completion, Action } from "../state/MeshCommand.ts"
import type { MeshState } from "../state/MeshState.ts"
import { leaseCleared, leaseRecorded } from "../delivery/MessageLease.ts"
import { fateRead } from "../delivery/MessageStatus.ts"
import { pulled } from "../delivery/Remaining.ts"
import { request } from "./Requests.ts"
import { scheduleTelling } from "../presence/Roster.ts"
import { report } from "../presence/StatusReports.ts"
import { tick } from "./Tick.ts"
import { inboxWasMoved } from "../session/SessionLease.ts"

export const decide = (state: MeshState, input: Command | Completion, nowMillis: number): ReadonlyArray<Action> => {
  const actions: Array<Action> = []
  switch (input._tag) {
    case "Attach":
      attach(state, input, nowMillis, actions)
      break
    case "Detach":
      detach(state, input, nowMillis, actions)
      break
    case "Send": {
      const connection = state.connections.get(input.peer)
      if (connection !== undefined) send(state, connection, input, nowMillis, actions)
      break
    }
    case "Request": {
      const connection = state.connections.get(input.peer)
      if (connection !== undefined) request(state, connection, input.frame, nowMillis, actions)
      break
    }
    case "Report":
      report(state, input, nowMillis, actions)
      break
    case "Enrol":
      enrol(state, input, nowMillis, actions)
      break
    case "Enrolled":
      enrolled(state, input, nowMillis, actions)
      break
    case "Accepted":
      accepted(state, input, nowMillis, actions)
      break
    case "Consumed":
      consumed(state, input, nowMillis, actions)
      break
    case "LeaseRecorded":
      leaseRecorded(state, input, actions)
      break
    case "LeaseCleared":
      leaseCleared(state, input)
      break
    case "SessionRecorded":
      sessionRecorded(state, input, nowMillis, actions)
      break
    case "InboxMoved":
      inboxWasMoved(state, input, nowMillis, actions)
      break
    case "PageRead":
      pageRead(state, input, nowMillis, actions)
      break
    case "ChannelRecorded":
      channelRecorded(state, input, actions)
      break
    case "Pulled":
      pulled(state, input, nowMillis, actions)
      break
    case "Counted":
      counted(state, input)
      break
    case "FateRead":
      fateRead(state, input, nowMillis, actions)
      break
    case "RefusalChecked":
      refusalChecked(state, input, nowMillis, actions)
      break
    case "Tick":
      tick(state, nowMillis, actions)
      break
  }
  scheduleTelling(state, nowMillis)
  return actions
}
