/**
 * The connections that a mesh's actor holds, by the name that its state knows them by. Nothing else of the mesh can reach
 * a socket. A connection is in it from when it asks to be attached until the mesh has taken note that it has left.
 */
import type { BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import type { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import type { Sockets } from "../state/Decision.ts"
import type { PeerId } from "../state/PeerId.ts"
import type { SharedFrame } from "../state/SharedFrame.ts"

/** A connection as its mesh's actor reaches it: where frames go, in order. */
export interface PeerHandle {
  readonly id: PeerId
  /** False: its socket has closed, so nobody will get the frame. */
  readonly send: (frame: BrokerFrame) => boolean
  /** The same for what goes to many. */
  readonly tell: (shared: SharedFrame) => boolean
  /** What it was sent and has not read yet. */
  readonly unreadBytes: () => number
  readonly close: (reason: CloseCode) => void
  /** When its last frame came. */
  readonly heardAtMillis: () => number
  /** One of its sends or leases was answered: the connection may take another one. */
  readonly settle: () => void
}

export class Peers implements Sockets {
  readonly #handles = new Map<PeerId, PeerHandle>()

  add(handle: PeerHandle): void {
    this.#handles.set(handle.id, handle)
  }

  remove(peer: PeerId): void {
    this.#handles.delete(peer)
  }

  get(peer: PeerId): PeerHandle | undefined {
    return this.#handles.get(peer)
  }

  /** Its socket is gone, so it reads nothing any more. */
  unreadBytes(peer: PeerId): number {
    return this.#handles.get(peer)?.unreadBytes() ?? 0
  }

  heardAtMillis(peer: PeerId): number {
    return this.#handles.get(peer)?.heardAtMillis() ?? 0
  }

  closeAll(reason: CloseCode): void {
    for (const handle of this.#handles.values()) handle.close(reason)
    this.#handles.clear()
  }
}
