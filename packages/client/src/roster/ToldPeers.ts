/**
 * The sessions that are there, as the broker tells them on one connection after the other: a list, and from then on what
 * changes. Each change names the version that it makes of the one before, so what was missed is seen, and a list is needed.
 * What is known outlives the connection: a list after it says what has changed meanwhile.
 */
import type { Peer, Peers, Presence } from "@claudemesh/domain/wire/BrokerFrame"
import { Data, Equal } from "effect"
import { rosterSessionsMax } from "../Limits.ts"

/** Of a session, since somebody looked last. */
export type PeerEdge = Data.TaggedEnum<{
  Joined: { readonly peer: Peer }
  Left: { readonly peer: Peer }
  Changed: { readonly peer: Peer }
}>
export const PeerEdge = Data.taggedEnum<PeerEdge>()

type Known = ReadonlyMap<string, Peer>

const keyOf = ({ pubkey, sessionId }: Peer): string => `${pubkey}/${sessionId}`

export class ToldPeers {
  /** Replaced with each change, so that whoever holds an older one can compare. */
  #known: Known | undefined
  #version: number | undefined

  constructor(
    /** Whether the connections ask to be told. Without that, and by an older broker, there are only lists. */
    readonly isSubscribed: boolean,
  ) {}

  /** Undefined before the first list. */
  get known(): Known | undefined {
    return this.#known
  }

  get all(): ReadonlyArray<Peer> {
    return [...(this.#known?.values() ?? [])]
  }

  /** It is as the broker has it, but for what is under way. */
  get isTold(): boolean {
    return this.#version !== undefined
  }

  /** There is no connection, or another one: nothing is told before there is a list. */
  lost(): void {
    this.#version = undefined
  }

  list({ peers, version }: Peers): void {
    this.#known = new Map(peers.map((peer) => [keyOf(peer), peer]))
    this.#version = this.isSubscribed ? version : undefined
  }

  /** False: something was missed, and a list has to be asked for. */
  changed({ after, changes, version }: Presence): boolean {
    if (this.#version === undefined || version < this.#version) return true
    const known = new Map(this.#known)
    for (const { event, peer, sameProfile } of changes) {
      const before = known.get(keyOf(peer))
      if (event === "left") known.delete(keyOf(peer))
      else known.set(keyOf(peer), sameProfile === true ? withProfileOf(before, peer) : peer)
    }
    if (after > this.#version || known.size > rosterSessionsMax) {
      this.#version = undefined
      return false
    }
    this.#known = known
    this.#version = version
    return true
  }
}

const withProfileOf = (before: Peer | undefined, peer: Peer): Peer =>
  before?.profile === undefined ? peer : { ...peer, profile: before.profile }

/** Whoever knew nobody yet has nothing to be told: the first list is no news. */
export const edgesBetween = (before: Known | undefined, after: Known | undefined): ReadonlyArray<PeerEdge> => {
  if (before === undefined || after === undefined || before === after) return []
  const edges: Array<PeerEdge> = []
  for (const [key, peer] of before) if (!after.has(key)) edges.push(PeerEdge.Left({ peer }))
  for (const [key, peer] of after) {
    const known = before.get(key)
    if (known === undefined) edges.push(PeerEdge.Joined({ peer }))
    else if (known !== peer && !Equal.equals(known, peer)) edges.push(PeerEdge.Changed({ peer }))
  }
  return edges
}
