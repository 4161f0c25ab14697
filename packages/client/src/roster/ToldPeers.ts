/**
 * The sessions that are there, as the broker tells them on one connection after the other: a list, page by page, and from its
 * first page on what changes. What is known is replaced once the last page is there. Each change names the version that it makes of the one before, so what was missed is seen, and a list is needed.
 * What is known outlives the connection: a list after it says what has changed meanwhile.
 */
import type { Peer, Peers, Presence } from "@claudemesh/domain/wire/BrokerFrame"
import type { PeersCursor } from "@claudemesh/domain/wire/PeersCursor"
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

/** A list whose last page is not there yet, with what has changed since its first. */
interface Gathered {
  known: Known
  version: number | undefined
  /** Behind which the next page begins. */
  readonly more: PeersCursor
}

const keyOf = ({ pubkey, sessionId }: Peer): string => `${pubkey}/${sessionId}`

export class ToldPeers {
  /** Replaced with each change, so that whoever holds an older one can compare. */
  #known: Known | undefined
  #version: number | undefined
  #gathered: Gathered | undefined

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
    this.#gathered = undefined
  }

  /** A list, or a page of one. False: it is not whole yet. */
  list({ after, more, peers, version }: Peers): boolean {
    const before = after === undefined ? undefined : this.#gathered
    // Of a list that was given up for another one.
    if (after !== undefined && before?.more !== after) return this.isTold
    const known = new Map([...(before?.known ?? []), ...peers.map((peer) => [keyOf(peer), peer] as const)])
    const upTo = after === undefined ? version : before?.version
    if (more !== undefined && known.size <= rosterSessionsMax) {
      this.#version = undefined
      this.#gathered = { known, version: this.isSubscribed ? upTo : undefined, more }
      return false
    }
    this.#gathered = undefined
    this.#known = known
    this.#version = this.isSubscribed ? upTo : undefined
    return true
  }

  /** False: something was missed, and a list has to be asked for. */
  changed(frame: Presence): boolean {
    if (this.#gathered !== undefined) {
      const { known, more, version } = this.#gathered
      const changed = changedBy(known, version, frame)
      this.#gathered = changed === "missed" ? undefined : { ...changed, more }
      return changed !== "missed"
    }
    const changed = changedBy(this.#known ?? new Map(), this.#version, frame)
    if (changed === "missed") {
      this.#version = undefined
      return false
    }
    if (this.#known !== undefined || changed.known.size > 0) this.#known = changed.known
    this.#version = changed.version
    return true
  }
}

const changedBy = (
  known: Known,
  version: number | undefined,
  frame: Presence,
): Pick<Gathered, "known" | "version"> | "missed" => {
  if (version === undefined || frame.version < version) return { known, version }
  if (frame.after > version) return "missed"
  const next = new Map(known)
  for (const { event, peer, sameProfile } of frame.changes) {
    const before = next.get(keyOf(peer))
    if (event === "left") next.delete(keyOf(peer))
    else next.set(keyOf(peer), sameProfile === true ? withProfileOf(before, peer) : peer)
  }
  return next.size > rosterSessionsMax ? "missed" : { known: next, version: frame.version }
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
