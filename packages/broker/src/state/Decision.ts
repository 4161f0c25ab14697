/**
 * One decision of a mesh, as its handlers are given it: the state that they may change, the time, and what they ask
 * for. A handler that asks for anything takes it first; what only looks takes what it looks at.
 */
import type { Action } from "./MeshCommand.ts"
import type { MeshState } from "./MeshState.ts"
import type { PeerId } from "./PeerId.ts"

/** What is known of the sockets behind the connections, by whoever holds them. */
export interface Sockets {
  /** What it was sent and has not read yet. */
  readonly unreadBytes: (peer: PeerId) => number
  /** When its last frame came. */
  readonly heardAtMillis: (peer: PeerId) => number
}

export interface Decision {
  readonly state: MeshState
  readonly nowMillis: number
  readonly sockets: Sockets
  /** Carried out after the decision, in this order. */
  readonly actions: Array<Action>
}

export const decisionOf = (state: MeshState, nowMillis: number, sockets: Sockets): Decision => ({
  state,
  nowMillis,
  sockets,
  actions: [],
})
