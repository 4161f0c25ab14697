/**
 * Somebody asks for what waits: what sits unleased in the buffers of the member's other sessions is taken from them,
 * and its lanes go back, so that the one that asks is pushed it in order (I8). What another session was sent by its
 * id, what it has leased, and what the asking session itself sent stay where they are.
 */
import type { MessageId } from "@claudemesh/domain/Ids"
import { inFlightBytesMax } from "@claudemesh/domain/Limits"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { room, takeBack } from "./InFlight.ts"
import type { Decision } from "../state/Decision.ts"
import { Action, priorities } from "../state/MeshCommand.ts"
import type { Connection, InFlight, Lane } from "../state/MeshState.ts"

interface Held {
  readonly connection: Connection
  readonly messageId: MessageId
  readonly flight: InFlight
}

/** Whether the asking session may have what is in flight on a connection of its member, its own ones included. */
export const isRecallable = ({ session }: Connection, { inbox, lease, sentBy }: InFlight): boolean =>
  inbox === session.member.inbox && lease === undefined && sentBy !== session.sessionId

/** Gives the connections whose windows have room now. The caller pumps, also what waits for these alone. */
export const recall = (decision: Decision, connection: Connection): ReadonlyArray<Connection> => {
  const { actions } = decision
  const { pull, session } = connection
  if (pull === undefined) return []
  const recalled = new Map<Connection, Array<MessageId>>()
  const take = ({ connection: from, messageId }: Held): void => {
    takeBack(from, messageId)
    const messageIds = recalled.get(from)
    if (messageIds === undefined) recalled.set(from, [messageId])
    else messageIds.push(messageId)
  }
  let messages = 0
  let characters = 0
  for (const priority of priorities) {
    const mayTake = Math.min(pull.budget, room(connection, priority))
    const own = heldBy(connection, connection, priority)
    let after = orderedUntil(session.member.inbox.lanes[priority], own)
    for (const one of elsewhere(connection, priority)) {
      const { flight } = one
      const isOnly = connection.inFlight.size + messages === 0
      const size = connection.inFlightCharacters + characters + flight.characters
      if (messages >= mayTake || (!isOnly && size > inFlightBytesMax)) break
      after = Math.min(after, flight.seq)
      messages += 1
      characters += flight.characters
      take(one)
    }
    // What it has of later is pushed again behind what comes now: what is shown next is in the order of the sends.
    for (const one of own.filter(({ flight }) => flight.seq > after)) {
      pull.budget += 1
      messages += 1
      characters += one.flight.characters
      take(one)
    }
  }
  for (const [{ peer }, messageIds] of recalled) {
    actions.push(Action.Send({ peer, frame: { type: "recalled", messageIds } }))
  }
  return [...recalled.keys()]
}

const elsewhere = (connection: Connection, priority: Priority): ReadonlyArray<Held> =>
  [...connection.session.member.connections]
    .filter((other) => other !== connection && other.protocol === 2)
    .flatMap((other) => heldBy(other, connection, priority))
    .sort((left, right) => left.flight.seq - right.flight.seq)

/**
 * Up to which sequence number the buffer is in order, and stays so. It is not where another session was lost, and what
 * that one had was pushed behind what came later, or still waits.
 */
const orderedUntil = ({ behind, cursor }: Lane, own: ReadonlyArray<Held>): number => {
  let until = behind ? cursor : Number.POSITIVE_INFINITY
  let highest = 0
  for (const { flight } of own) {
    if (flight.seq < highest) until = Math.min(until, flight.seq)
    highest = Math.max(highest, flight.seq)
  }
  return until
}

/** In the order in which they were pushed. */
const heldBy = (from: Connection, asking: Connection, priority: Priority): ReadonlyArray<Held> =>
  [...from.inFlight]
    .filter(([, flight]) => flight.priority === priority && isRecallable(asking, flight))
    .map(([messageId, flight]) => ({ connection: from, messageId, flight }))
