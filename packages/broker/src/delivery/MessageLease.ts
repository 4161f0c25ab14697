/**
 * The lease of a message: from when a client is about to show it until it says what became of that (I8). It is asked
 * for, written down, and only then granted, so that what was granted is known after a crash. What is not leased may
 * be recalled (`Pull.ts`). A lease that ends with its connection leaves the mark in the store; every other end, also
 * that of one that was never granted, clears it.
 */
import type { MessageId } from "@claudemesh/domain/Ids"
import type { Lease as LeaseFrame, Release } from "@claudemesh/domain/wire/ClientFrame"
import { Exit } from "effect"
import { reasonOf, Write } from "../store/MessageStore.ts"
import type { Decision } from "../state/Decision.ts"
import { errorFrame } from "../state/ErrorReply.ts"
import { type AskedLease, type Completion, Completion as Completions, Action } from "../state/MeshCommand.ts"
import { type Connection, type InFlight, inboxOf, type MeshState } from "../state/MeshState.ts"

/** What is not in flight on this connection, or not any more, is passed over: the answer does not name it. */
export const lease = (decision: Decision, connection: Connection, { id, messageIds }: LeaseFrame): void => {
  const { actions, nowMillis, state } = decision
  const { inFlight, peer } = connection
  connection.lastActiveMillis = nowMillis
  const asked: Array<AskedLease> = []
  const deliveries = [...new Set(messageIds)].flatMap((messageId) => {
    const flight = inFlight.get(messageId)
    if (flight === undefined) return []
    flight.lease ??= { granted: false }
    asked.push({ messageId, lease: flight.lease })
    return flight.lease.granted ? [] : [{ inbox: flight.inbox.address, seq: flight.seq }]
  })
  if (deliveries.length === 0) return grant(decision, connection, id, asked)
  actions.push(
    Action.Write({
      write: Write.Lease({ meshId: state.mesh.meshId, deliveries, atMillis: nowMillis }),
      completion: (outcome) => Completions.LeaseRecorded({ peer, id, asked, outcome }),
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
  // Its socket is closing, which is its answer.
  if (connection === undefined) return
  if (Exit.isSuccess(outcome)) return grant(decision, connection, id, asked)
  const ended = asked.flatMap(({ lease, messageId }) => {
    const flight = connection.inFlight.get(messageId)
    return flight !== undefined && flight.lease === lease && !lease.granted ? [flight] : []
  })
  for (const flight of ended) flight.lease = undefined
  // The error may have come after it took effect. What is being cleared already is cleared after that.
  clear(
    decision,
    ended.filter(({ inbox, seq }) => !inbox.clearing.has(seq)),
  )
  const frame =
    reasonOf(outcome.cause) === "unavailable"
      ? errorFrame(2, "unavailable", "the broker cannot reach its database; lease again", id)
      : errorFrame(2, "internal", "the broker failed to store this; lease again", id)
  actions.push(Action.Send({ peer, frame }), Action.Settle({ peer }))
}

const grant = (
  decision: Decision,
  { inFlight, peer }: Connection,
  id: string,
  asked: ReadonlyArray<AskedLease>,
): void => {
  const { actions } = decision
  const messageIds: Array<MessageId> = []
  for (const { lease, messageId } of asked) {
    if (inFlight.get(messageId)?.lease !== lease) continue
    lease.granted = true
    messageIds.push(messageId)
  }
  actions.push(Action.Send({ peer, frame: { type: "leased", id, messageIds } }), Action.Settle({ peer }))
}

/** Nothing was shown. The messages stay where they are, and may be recalled. */
export const release = (decision: Decision, { inFlight }: Connection, { messageIds }: Release): void => {
  const released = messageIds.flatMap((messageId) => {
    const flight = inFlight.get(messageId)
    if (flight?.lease === undefined) return []
    flight.lease = undefined
    return [flight]
  })
  clear(decision, released)
}

/** Of a connection that was lost: what was never granted was never shown. */
export const leasesLost = (decision: Decision, flights: ReadonlyArray<InFlight>): void =>
  clear(
    decision,
    flights.filter(({ lease }) => lease !== undefined && !lease.granted),
  )

/** An earlier lease that ended without a word is not undone: its message may have been shown then. */
const clear = (decision: Decision, flights: ReadonlyArray<InFlight>): void => {
  const { actions, state } = decision
  const deliveries = flights
    .filter(({ redelivered }) => !redelivered)
    .map(({ inbox, priority, seq }) => {
      inbox.clearing.set(seq, (inbox.clearing.get(seq) ?? 0) + 1)
      return { inbox: inbox.address, seq, priority }
    })
  if (deliveries.length === 0) return
  actions.push(
    Action.Write({
      write: Write.Release({ meshId: state.mesh.meshId, deliveries }),
      completion: () => Completions.LeaseCleared({ deliveries }),
    }),
  )
}

export const leaseCleared = (
  state: MeshState,
  { deliveries }: Extract<Completion, { readonly _tag: "LeaseCleared" }>,
): void => {
  for (const { inbox: address, priority, seq } of deliveries) {
    const inbox = inboxOf(state, address)
    if (inbox === undefined) continue
    const left = (inbox.clearing.get(seq) ?? 0) - 1
    if (left > 0) inbox.clearing.set(seq, left)
    else inbox.clearing.delete(seq)
    // A page that is being read may have been read before, and nothing would tell any more that its mark is old.
    const lane = inbox.lanes[priority]
    if (seq > lane.cursor) lane.outdated = true
  }
}
