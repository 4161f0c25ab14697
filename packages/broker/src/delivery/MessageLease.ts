/**
 * The lease of a message: from when a client is about to show it until it says what became of that (I8). It is asked
 * for, written down, and only then granted, so that what was granted is known after a crash. What is not leased may
 * be recalled (`Recall.ts`). A lease that ends with its connection leaves the mark in the store; every other end, also
 * that of one that was never granted, clears it.
 */
import type { MessageId } from "@claudemesh/domain/Ids"
import type { Lease as LeaseFrame, Release } from "@claudemesh/domain/wire/ClientFrame"
import { Exit } from "effect"
import { reasonOf, Write } from "../store/MessageStore.ts"
import { tryLater } from "./Unwritten.ts"
import type { Decision } from "../state/Decision.ts"
import { errorFrame } from "../state/ErrorReply.ts"
import { type AskedLease, type Completion, Action, type Unwritten } from "../state/MeshCommand.ts"
import type { Unacked } from "../state/Inbox.ts"
import { type Connection, inboxOf } from "../state/MeshState.ts"

/** What is not in flight on this connection, or not any more, is passed over: the answer does not name it. */
export const lease = (decision: Decision, connection: Connection, { id, messageIds }: LeaseFrame): void => {
  const { actions, nowMillis, state } = decision
  const { peer, session, window } = connection
  connection.lastActiveMillis = nowMillis
  session.member.allowance.chargeLeases(messageIds.length)
  const asked: Array<AskedLease> = []
  const deliveries = [...new Set(messageIds)].flatMap((messageId) => {
    const unacked = window.get(messageId)
    if (unacked === undefined) return []
    if (unacked.lease === undefined) unacked.inbox.leased(unacked.priority, unacked.seq)
    unacked.lease ??= { granted: false }
    asked.push({ messageId, lease: unacked.lease })
    return unacked.lease.granted ? [] : [{ inbox: unacked.inbox.address, seq: unacked.seq }]
  })
  if (deliveries.length === 0) return grant(decision, connection, id, asked)
  actions.push(
    Action.Write({
      write: Write.Lease({ meshId: state.mesh.meshId, deliveries, atMillis: nowMillis }),
      next: { _tag: "LeaseRecorded", peer, id, asked },
    }),
  )
}

/** It is written down. What was acked, released or lost meanwhile has no lease any more, or another one. */
export const leaseRecorded = (
  decision: Decision,
  { asked, id, outcome, peer }: Extract<Completion, { readonly _tag: "LeaseRecorded" }>,
): void => {
  const { actions, state } = decision
  const connection = state.connections.get(peer)
  if (connection === undefined) {
    // Its socket is closing, which is its answer.
    decision.actions.push(Action.Settle({ peer }))
    return
  }
  if (Exit.isSuccess(outcome)) return grant(decision, connection, id, asked)
  const ended = asked.flatMap(({ lease, messageId }) => {
    const unacked = connection.window.get(messageId)
    return unacked !== undefined && unacked.lease === lease && !lease.granted ? [unacked] : []
  })
  for (const unacked of ended) unacked.lease = undefined
  // The error may have come after it took effect. What is being cleared already is cleared after that.
  clear(
    decision,
    ended.filter(({ inbox, seq }) => !inbox.leaseFailed(seq)),
  )
  const frame =
    reasonOf(outcome.cause) === "unavailable"
      ? errorFrame(2, "unavailable", "the broker cannot reach its database; lease again", id)
      : errorFrame(2, "internal", "the broker failed to store this; lease again", id)
  actions.push(Action.Send({ peer, frame }), Action.Settle({ peer }))
}

const grant = (
  decision: Decision,
  { peer, window }: Connection,
  id: string,
  asked: ReadonlyArray<AskedLease>,
): void => {
  const { actions } = decision
  const messageIds: Array<MessageId> = []
  for (const { lease, messageId } of asked) {
    if (window.get(messageId)?.lease !== lease) continue
    lease.granted = true
    messageIds.push(messageId)
  }
  actions.push(Action.Send({ peer, frame: { type: "leased", id, messageIds } }), Action.Settle({ peer }))
}

/** Nothing was shown. The messages stay where they are, and may be recalled. */
export const release = (decision: Decision, { window }: Connection, { messageIds }: Release): void => {
  const released = messageIds.flatMap((messageId) => {
    const unacked = window.get(messageId)
    if (unacked?.lease === undefined) return []
    unacked.lease = undefined
    return [unacked]
  })
  clear(decision, released)
}

/** Of a connection that was lost: what was never granted was never shown. */
export const leasesLost = (decision: Decision, messages: ReadonlyArray<Unacked>): void =>
  clear(
    decision,
    messages.filter(({ lease }) => lease !== undefined && !lease.granted),
  )

/** An earlier lease that ended without a word is not undone: its message may have been shown then. */
const clear = (decision: Decision, messages: ReadonlyArray<Unacked>): void => {
  const { actions, state } = decision
  const deliveries = messages
    .filter(({ redelivered }) => !redelivered)
    .map(({ inbox, priority, seq }) => {
      inbox.clears(seq)
      return { inbox: inbox.address, seq, priority }
    })
  if (deliveries.length === 0) return
  actions.push(
    Action.Write({
      write: Write.Release({ meshId: state.mesh.meshId, deliveries }),
      next: { _tag: "LeaseCleared", deliveries },
    }),
  )
}

export const leaseCleared = (
  decision: Decision,
  { outcome, ...unwritten }: Extract<Completion, { readonly _tag: "LeaseCleared" }>,
): void => {
  // Until it is written a page may show the mark, which says what is not so.
  const { deliveries } = unwritten
  const { state } = decision
  if (Exit.isFailure(outcome) && tryLater(decision, unwritten, outcome.cause)) {
    for (const { inbox, priority, seq } of deliveries) inboxOf(state, inbox)?.notCleared(priority, seq)
    return
  }
  for (const { inbox: address, priority, seq } of deliveries) {
    inboxOf(state, address)?.cleared(priority, seq)
  }
}

export const clearAgain = (
  { actions, state }: Decision,
  next: Extract<Unwritten, { readonly _tag: "LeaseCleared" }>,
): void => {
  // What was leased again meanwhile keeps its mark.
  const deliveries = next.deliveries.filter(({ inbox, seq }) => inboxOf(state, inbox)?.clearsNow(seq) === true)
  if (deliveries.length === 0) return
  const write = Write.Release({ meshId: state.mesh.meshId, deliveries })
  actions.push(Action.Write({ write, next: { ...next, deliveries } }))
}
