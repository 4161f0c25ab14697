/**
 * What was pushed to a connection and is not acked: the room for it in the connection's window, and the ways out of
 * it. What is taken back is pending again, in its place in the order of its lane.
 */
import type { MessageId } from "@claudemesh/domain/Ids"
import { inFlightBytesMax, inFlightReservedForNow } from "@claudemesh/domain/Limits"
import type { Priority } from "@claudemesh/domain/routing/Status"
import type { Connection, Lane } from "../state/MeshState.ts"

/** How many more messages of this priority the connection's window takes. */
export const room = (connection: Connection, priority: Priority): number => {
  const reserved = priority === "now" ? 0 : Math.min(inFlightReservedForNow, Math.floor(connection.windowMax / 2))
  const slots = connection.windowMax - reserved - connection.inFlight.size
  return connection.inFlightCharacters >= inFlightBytesMax ? 0 : Math.max(0, slots)
}

/** A single message larger than what is left of the bytes still fits an empty window: else it could never go. */
export const fits = (connection: Connection, priority: Priority, characters: number): boolean =>
  room(connection, priority) > 0 &&
  (connection.inFlight.size === 0 || connection.inFlightCharacters + characters <= inFlightBytesMax)

export const leaveWindow = (connection: Connection, messageId: MessageId): void => {
  const flight = connection.inFlight.get(messageId)
  if (flight === undefined) return
  connection.inFlight.delete(messageId)
  connection.inFlightCharacters -= flight.characters
}

/** Pending again: whoever may have it next is pushed it before what came later. The caller pumps. */
export const takeBack = (connection: Connection, messageId: MessageId): void => {
  const flight = connection.inFlight.get(messageId)
  if (flight === undefined) return
  leaveWindow(connection, messageId)
  const { inbox, priority, seq } = flight
  inbox.outstanding.delete(seq)
  rewind(inbox.lanes[priority], seq - 1)
}

/** The lane goes back to there, or stays where it is further back. A page that is being read is of no use. */
export const rewind = (lane: Lane, seq: number): void => {
  lane.cursor = Math.min(lane.cursor, seq)
  lane.behind = true
  lane.outdated = true
}
