/**
 * Somebody asks for what waits: what sits unleased in the buffers of the member's other sessions is taken from them,
 * and its cursors go back, so that the one that asks is pushed it in order (I8). What another session was sent by its
 * id, what it has leased, and what the asking session itself sent stay where they are.
 */
import type { MessageId } from "@claudemesh/domain/Ids"
import type { Priority } from "@claudemesh/domain/routing/Status"
import type { Decision } from "../state/Decision.ts"
import { Action, priorities } from "../state/MeshCommand.ts"
import { charactersMax, Inbox, type Unacked } from "../state/Inbox.ts"
import type { Connection } from "../state/MeshState.ts"

interface Held {
  readonly connection: Connection
  readonly messageId: MessageId
  readonly unacked: Unacked
}

/** Whether the asking session may have what is in flight on a connection of its member, its own ones included. */
export const isRecallable = ({ session }: Connection, { inbox, lease, sentBy }: Unacked): boolean =>
  inbox === session.member.inbox && lease === undefined && sentBy !== session.sessionId

/** Gives the connections whose windows have room now. The caller pumps, also what waits for these alone. */
export const recall = (decision: Decision, connection: Connection): ReadonlyArray<Connection> => {
  const { actions } = decision
  const { pull, session, window } = connection
  if (pull === undefined) return []
  const recalled = new Map<Connection, Array<MessageId>>()
  const take = ({ connection: from, messageId }: Held): void => {
    Inbox.takeBack(from.window, messageId)
    const messageIds = recalled.get(from)
    if (messageIds === undefined) recalled.set(from, [messageId])
    else messageIds.push(messageId)
  }
  let messages = 0
  let characters = 0
  for (const priority of priorities) {
    const mayTake = Math.min(pull.budget, window.room(priority))
    const own = heldBy(connection, connection, priority)
    let after = orderedUntil(session.member.inbox.clearUntil(priority), own)
    for (const one of elsewhere(connection, priority)) {
      const { unacked } = one
      const isOnly = window.size + messages === 0
      const size = window.characters + characters + unacked.characters
      if (messages >= mayTake || (!isOnly && size > charactersMax(priority))) break
      after = Math.min(after, unacked.seq)
      messages += 1
      characters += unacked.characters
      take(one)
    }
    // What it has of later is pushed again behind what comes now: what is shown next is in the order of the sends.
    for (const one of own.filter(({ unacked }) => unacked.seq > after)) {
      pull.budget += 1
      messages += 1
      characters += one.unacked.characters
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
    .sort((left, right) => left.unacked.seq - right.unacked.seq)

/**
 * Up to which sequence number the buffer is in order, and stays so. It is not where another session was lost, and what
 * that one had was pushed behind what came later, or still waits.
 */
const orderedUntil = (clearUntil: number, own: ReadonlyArray<Held>): number => {
  let until = clearUntil
  let highest = 0
  for (const { unacked } of own) {
    if (unacked.seq < highest) until = Math.min(until, unacked.seq)
    highest = Math.max(highest, unacked.seq)
  }
  return until
}

/** In the order in which they were pushed. */
const heldBy = (from: Connection, asking: Connection, priority: Priority): ReadonlyArray<Held> =>
  from.window.entries
    .filter(([, unacked]) => unacked.priority === priority && isRecallable(asking, unacked))
    .map(([messageId, unacked]) => ({ connection: from, messageId, unacked }))
