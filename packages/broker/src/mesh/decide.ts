/**
 * What a mesh does about a command: a function of its state, the command and the time, without any I/O. It
 * changes the state that the actor owns and returns what is to be done, in order.
 */
import { accepted, refusalChecked, send } from "../delivery/Accept.ts"
import { attach, detach, sessionRecorded } from "../session/Attach.ts"
import { counted } from "../delivery/Backlog.ts"
import { channelRecorded } from "../session/Channels.ts"
import { consumed, notTaken, pageRead } from "../delivery/Deliver.ts"
import { Exit } from "effect"
import { reasonOf } from "../store/MessageStore.ts"
import { enrol, enrolled } from "../membership/Enrol.ts"
import { type Decision, decisionOf, type Sockets } from "../state/Decision.ts"
import { Action, type Command, type Completion } from "../state/MeshCommand.ts"
import type { MeshState } from "../state/MeshState.ts"
import { leaseCleared, leaseRecorded } from "../delivery/MessageLease.ts"
import { deliveryReportRead } from "../delivery/MessageStatus.ts"
import { pulled } from "../delivery/Remaining.ts"
import { request } from "./Requests.ts"
import { scheduleTelling } from "../presence/Roster.ts"
import { report } from "../presence/StatusReports.ts"
import { tick } from "./Tick.ts"
import { writeAgain } from "./WriteAgain.ts"
import { inboxWasMoved } from "../delivery/InboxMove.ts"

export const decide = (
  state: MeshState,
  input: Command | Completion,
  nowMillis: number,
  sockets: Sockets,
): ReadonlyArray<Action> => {
  const decision = decisionOf(state, nowMillis, sockets)
  handle(decision, input)
  // Whatever it was about: what this owner has in memory is not the mesh any more.
  if ("outcome" in input && Exit.isFailure(input.outcome) && reasonOf(input.outcome.cause) === "fenced") {
    decision.actions.push(Action.Fenced())
  }
  scheduleTelling(state, nowMillis)
  return decision.actions
}

const handle = (decision: Decision, input: Command | Completion): void => {
  const { connections } = decision.state
  switch (input._tag) {
    case "Attach":
      return attach(decision, input)
    case "Detach":
      return detach(decision, input)
    case "Send": {
      const connection = connections.get(input.peer)
      return connection === undefined ? dropped(decision, input) : send(decision, connection, input)
    }
    case "Request": {
      const connection = connections.get(input.peer)
      return connection === undefined ? dropped(decision, input) : request(decision, connection, input.frame)
    }
    case "Report":
      return report(decision, input)
    case "Enrol":
      return enrol(decision, input)
    case "Enrolled":
      return enrolled(decision, input)
    case "Accepted":
      return accepted(decision, input)
    case "Consumed":
      return consumed(decision, input)
    case "NotTaken":
      return notTaken(decision, input)
    case "LeaseRecorded":
      return leaseRecorded(decision, input)
    case "LeaseCleared":
      return leaseCleared(decision, input)
    case "SessionRecorded":
      return sessionRecorded(decision, input)
    case "InboxMoved":
      return inboxWasMoved(decision, input)
    case "PageRead":
      return pageRead(decision, input)
    case "ChannelRecorded":
      return channelRecorded(decision, input)
    case "Pulled":
      return pulled(decision, input)
    case "Counted":
      return counted(decision.state, input)
    case "DeliveryReportRead":
      return deliveryReportRead(decision, input)
    case "RefusalChecked":
      return refusalChecked(decision, input)
    case "WriteAgain":
      return writeAgain(decision, input.unwritten)
    case "Tick":
      return tick(decision)
  }
}

/** Its connection is not attached any more: its socket is closing, which is its answer. What it had taken is given back. */
const dropped = (
  { actions }: Decision,
  { frame, peer }: Extract<Command, { readonly _tag: "Send" | "Request" }>,
): void => {
  if (frame.type === "send" || frame.type === "lease") actions.push(Action.Settle({ peer }))
}
