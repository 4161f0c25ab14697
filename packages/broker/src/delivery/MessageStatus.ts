/**
 * What became of a message, told to the member that sent it. Who has it is in the store; who has been pushed it and
 * has not acked it, only the inboxes know.
 */
import type { PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import type { DeliveryState, MessageState } from "@claudemesh/domain/wire/BrokerFrame"
import type { MessageStatus } from "@claudemesh/domain/wire/ClientFrame"
import { Exit, Option } from "effect"
import type { DeliveryReport } from "../store/MessageStore.ts"
import type { Decision } from "../state/Decision.ts"
import { errorFrame } from "../state/ErrorReply.ts"
import { lookFor } from "./LateCommit.ts"
import { type Completion, Action } from "../state/MeshCommand.ts"
import { type Connection, inboxOf, type MeshState } from "../state/MeshState.ts"

export const messageStatus = (decision: Decision, { peer }: Connection, { id, messageId }: MessageStatus): void => {
  const { actions } = decision
  actions.push(Action.ReadDeliveryReport({ messageId, next: { _tag: "DeliveryReportRead", peer, id, messageId } }))
}

export const deliveryReportRead = (
  decision: Decision,
  { deliveryReport, id, messageId, peer }: Extract<Completion, { readonly _tag: "DeliveryReportRead" }>,
): void => {
  const { actions, nowMillis, state } = decision
  const member = state.connections.get(peer)?.session.member
  if (member === undefined) return
  if (Exit.isFailure(deliveryReport)) {
    const unavailable = errorFrame(2, "unavailable", "the broker cannot reach its database; ask again", id)
    actions.push(Action.Send({ peer, frame: unavailable }))
    return
  }
  // What others sent is as unknown as what nobody sent.
  const known = Option.filter(deliveryReport.value, ({ senderMemberId }) => senderMemberId === member.record.memberId)
  if (Option.isSome(deliveryReport.value)) member.allowance.chargeEntries(deliveryReport.value.value.deliveries.length)
  const frame = Option.match(known, {
    onNone: () => errorFrame(2, "unknown_message", "this member sent no such message, or long ago", id),
    onSome: (found) => ({ type: "message_state", id, messageId, ...stateOf(state, found, nowMillis) }) as const,
  })
  actions.push(Action.Send({ peer, frame }))
  if (Option.isSome(known)) lookFor(decision, known.value)
}

type RecipientReport = MessageState["recipients"][number]

const furthestBehindFirst: ReadonlyArray<DeliveryState> = ["pending", "delivered", "expired", "consumed"]

const stateOf = (
  state: MeshState,
  deliveryReport: DeliveryReport,
  nowMillis: number,
): Pick<MessageState, "state" | "at" | "recipients"> => {
  const recipients = deliveryReport.deliveries.flatMap((delivery) =>
    recipientReport(state, deliveryReport, delivery, nowMillis),
  )
  const [last] = recipients.toSorted(
    (left, right) =>
      furthestBehindFirst.indexOf(left.state) - furthestBehindFirst.indexOf(right.state) ||
      (right.at ?? "").localeCompare(left.at ?? ""),
  )
  // Without recipients: sent to a group that nobody was in.
  return { state: last?.state ?? "expired", ...(last?.at && { at: last.at }), recipients }
}

const recipientReport = (
  state: MeshState,
  { expiresAtMillis, seq }: DeliveryReport,
  { consumedAtMillis, inbox: address }: DeliveryReport["deliveries"][number],
  nowMillis: number,
): ReadonlyArray<RecipientReport> => {
  const pubkey = state.membersById.get(address.memberId)?.key
  if (pubkey === undefined) return []
  const to: { readonly pubkey: PublicKey; readonly sessionId?: SessionId } = {
    pubkey,
    ...(address.session && { sessionId: address.session }),
  }
  const pushedAtMillis = inboxOf(state, address)?.pushedAtMillis(seq)
  if (consumedAtMillis !== undefined) return [{ ...to, state: "consumed", at: isoFromMillis(consumedAtMillis) }]
  if (pushedAtMillis !== undefined) return [{ ...to, state: "delivered", at: isoFromMillis(pushedAtMillis) }]
  if (expiresAtMillis <= nowMillis) return [{ ...to, state: "expired", at: isoFromMillis(expiresAtMillis) }]
  return [{ ...to, state: "pending" }]
}
