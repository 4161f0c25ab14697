/** An agent at its work: a client's process with its host. It sends, looks at its messages, and joins channels. */
import type { Sodium } from "@claudemesh/client/keys/Sodium"
import type { Label } from "@claudemesh/domain/Ids"
import { type Crypto, Effect } from "effect"
import { type ClientProcess, type ProcessOptions, startProcess } from "./ClientProcess.ts"
import { Eyes } from "./Eyes.ts"
import { type Host, type HostFaults, startHost } from "./Host.ts"
import { send, type SendOptions } from "./Sending.ts"

export interface Agent {
  readonly process: ClientProcess
  readonly host: Host
  readonly send: (message: SendOptions) => Effect.Effect<void>
  /** A join or leave is under way: one at a time. */
  changing: boolean
  /** Channels that it asked for last: its client joins them again under another session id, too. */
  readonly wanted: Set<Label>
  /** It asked for dnd, which goes with its process; whether a later status arrived is not known. */
  mayBeInDnd: boolean
}

export interface AgentOptions extends Omit<ProcessOptions, "hasSeen" | "transient" | "window"> {
  readonly hostFaults: () => HostFaults
}

export const startAgent = Effect.fnUntraced(function* (
  options: AgentOptions,
): Effect.fn.Return<Agent, never, Sodium | Crypto.Crypto> {
  const { chance, history, hostFaults, time } = options
  const eyes = new Eyes()
  const process = yield* startProcess({
    ...options,
    transient: false,
    // Small windows, so that they are full at times.
    window: chance.pick([1, 2, 5, 20, 40]) ?? 1,
    hasSeen: (messageId) => eyes.hasSeen(messageId),
  })
  const host = yield* startHost({ process, eyes, time, chance, history, faults: hostFaults })
  return {
    process,
    host,
    send: (message) => Effect.asVoid(send(process, message, { history, time })),
    changing: false,
    wanted: new Set(),
    mayBeInDnd: false,
  }
})
