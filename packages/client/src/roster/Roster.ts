/** Who is in the mesh, as the broker last said it: all members, and the sessions that are attached. */
import type { Member, Peer, Presence } from "@claudemesh/domain/wire/BrokerFrame"

export interface Roster {
  readonly members: ReadonlyArray<Member>
  readonly peers: ReadonlyArray<Peer>
}

export const withPresence = (roster: Roster, { event, peer }: typeof Presence.Type): Roster => {
  const others = roster.peers.filter((p) => p.pubkey !== peer.pubkey || p.sessionId !== peer.sessionId)
  return { ...roster, peers: event === "left" ? others : [...others, peer] }
}
