/**
 * One decision of a mesh, as its handlers are given it: the state that they may change, the time, and what they ask
 * for. A handler that asks for anything takes it first; what only looks takes what it looks at.
 */
import type { Action } from "./MeshCommand.ts"
import type { MeshState } from "./MeshState.ts"

export interface Decision {
  readonly state: MeshState
  readonly nowMillis: number
  /** Carried out after the decision, in this order. */
  readonly actions: Array<Action>
}

export const decisionOf = (state: MeshState, nowMillis: number): Decision => ({ state, nowMillis, actions: [] })
