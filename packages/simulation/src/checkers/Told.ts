/**
 * What one connection was told of who is there, from the frames alone: no version is skipped, a session that is expected back is
 * not said to have left, and what is known in the end is what the broker answers when it is asked.
 */
import type { MemberId, SessionId } from "@claudemesh/domain/Ids"
import type { Peer, Peers, Presence } from "@claudemesh/domain/wire/BrokerFrame"

export interface ToldSession {
  readonly member: MemberId
  readonly session: SessionId
}

/** What the broker and a client say of a session in the same words. */
type Said = Pick<Peer, "memberId" | "sessionId" | "attached" | "status" | "statusSource" | "dndUntil">

export const wordsOf = ({ attached, dndUntil, memberId, sessionId, status, statusSource }: Said): string =>
  `${memberId}/${sessionId} ${attached ? "" : "cut off, "}${status} by ${statusSource ?? "nobody"} until ${dndUntil ?? "then"}`

export const differences = (
  what: string,
  said: ReadonlyArray<Said>,
  told: ReadonlyArray<Said>,
): ReadonlyArray<string> => {
  const [are, were] = [said.map(wordsOf), told.map(wordsOf)]
  return [
    ...are.filter((one) => !were.includes(one)).map((one) => `${what}: it is ${one}, and that was not told`),
    ...were.filter((one) => !are.includes(one)).map((one) => `${what}: it was told ${one}, and that is not so`),
  ]
}

export class Told {
  #version: number | undefined
  readonly #peers = new Map<string, Peer>()

  constructor(
    readonly broken: (what: string) => void,
    readonly left: (who: ToldSession) => void,
  ) {}

  get isTold(): boolean {
    return this.#version !== undefined
  }

  get peers(): ReadonlyArray<Peer> {
    return [...this.#peers.values()]
  }

  /** `isForComparison`: when all is well, and nothing can have changed since it was told. */
  list({ after, peers, version }: Peers, isForComparison: boolean): void {
    if (isForComparison && this.isTold) differences("presence", peers, this.peers).forEach(this.broken)
    // A later page adds to the first, and to what was told since.
    if (after === undefined) {
      this.#version = version
      this.#peers.clear()
    }
    for (const peer of peers) this.#peers.set(keyOf(peer), peer)
  }

  changed({ after, changes, version }: Presence): void {
    if (this.#version === undefined) this.broken("changes were told to who has no list")
    else if (after !== this.#version) this.broken(`what follows version ${after} was told to who has ${this.#version}`)
    this.#version = version
    for (const { event, peer } of changes) {
      if (event === "left") {
        this.#peers.delete(keyOf(peer))
        this.left({ member: peer.memberId, session: peer.sessionId })
      } else this.#peers.set(keyOf(peer), peer)
    }
  }
}

const keyOf = ({ pubkey, sessionId }: Peer): string => `${pubkey}/${sessionId}`
