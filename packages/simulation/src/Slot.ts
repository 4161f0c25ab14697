/**
 * One place at which an agent works: a member of a mesh in a session. Processes come and go there, and now and then
 * the session itself ends for good and another one begins. It knows what the agent was told of its channels.
 */
import type { Membership } from "@claudemesh/client/keys/Membership"
import { Label, type SessionId } from "@claudemesh/domain/Ids"
import type { AgentProcess } from "./AgentProcess.ts"

/** `unknown`: it was asked for, and there was no answer. `since`: in virtual time. */
export interface InChannel {
  readonly state: "in" | "out" | "unknown"
  readonly sinceMillis: number
}

export interface Slot {
  readonly membership: Membership
  readonly place: number
  readonly tags: ReadonlyArray<Label>
  sessionId: SessionId
  agent: AgentProcess | undefined
  channels: Map<Label, InChannel>
  /** A join or leave is under way: one at a time. */
  changing: boolean
  /** It asked for dnd, which outlives its process; whether a later status arrived is not known. */
  mayBeInDnd: boolean
  /** How many sessions there were here. */
  sessions: number
}

export const channelNames = ["builds", "reviews"].map((name) => Label.make(name))
export const tagNames = ["linux", "gpu"].map((name) => Label.make(name))
