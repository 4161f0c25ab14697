/**
 * A place at which an agent works: a member of a mesh, on a machine, under the session id that its host has. Processes come and go there,
 * and now and then the host's session ends for good and another one begins. At a twin's place a second process is given
 * the session id of the first.
 */
import type { Membership } from "@claudemesh/client/keys/Membership"
import { Label, type SessionId } from "@claudemesh/domain/Ids"
import type { Agent } from "./Agent.ts"
import type { Machine } from "./Machine.ts"

export interface Seat {
  readonly membership: Membership
  readonly machine: Machine
  readonly tags: ReadonlyArray<Label>
  readonly sessionId: () => SessionId
  readonly isTwin: boolean
  agent: Agent | undefined
  /** In virtual time: nobody looks at this agent's messages before. */
  drowsyUntilMillis: number
  /** Another session begins here. */
  readonly replaceSession: () => void
}

export const channelNames = ["builds", "reviews"].map((name) => Label.make(name))
export const tagNames = ["linux", "gpu"].map((name) => Label.make(name))
