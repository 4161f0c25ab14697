/** What a connection knows of who is there, from the frames alone: written from `docs/protocol.md`, without the client's code. */
import type { BrokerFrame, Peer } from "@claudemesh/domain/wire/BrokerFrame"

export class ToldRoster {
  #version: number | undefined
  readonly #peers = new Map<string, Peer>()
  /** What the broker said that does not follow from what it had said before. */
  readonly problems: Array<string> = []
  /** Where the next page begins, while the list is not whole. */
  more: string | undefined

  get isTold(): boolean {
    return this.#version !== undefined
  }

  /** In one order, whatever it came in. */
  get sessions(): ReadonlyArray<string> {
    return [...this.#peers.values()].map((peer) => JSON.stringify(inOrder(peer))).toSorted()
  }

  get names(): ReadonlyArray<string> {
    return [...this.#peers.keys()]
  }

  heard(frame: BrokerFrame): void {
    if (frame.type === "peers") {
      if (frame.after === undefined) {
        this.#version = frame.version
        this.#peers.clear()
      }
      this.more = frame.more
      for (const peer of frame.peers) this.#peers.set(nameOf(peer), peer)
    }
    if (frame.type !== "presence") return
    if (this.#version === undefined) this.problems.push("changes were told before a list")
    if (frame.after !== this.#version) this.problems.push(`${frame.after} is told to who has ${this.#version}`)
    this.#version = frame.version
    for (const { event, peer, sameProfile } of frame.changes) {
      const name = nameOf(peer)
      const before = this.#peers.get(name)
      if (event === "left") this.#peers.delete(name)
      else
        this.#peers.set(name, {
          ...peer,
          ...(sameProfile === true && before?.profile !== undefined && { profile: before.profile }),
        })
    }
  }
}

const inOrder = (peer: Peer): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(peer).toSorted(([left], [right]) => (left < right ? -1 : 1)))

const nameOf = ({ memberId, sessionId }: Peer): string => `${memberId}/${sessionId}`
