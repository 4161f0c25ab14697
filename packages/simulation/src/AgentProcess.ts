/**
 * One agent's process: the production client, and an agent that looks at its messages when it likes. A crash ends
 * it with everything it had in memory; what it had shown its agent stays shown.
 */
import { type BrokerClient, makeBrokerClient } from "@claudemesh/client/BrokerClient"
import type { Dialer } from "@claudemesh/client/connection/Dialer"
import type { Membership } from "@claudemesh/client/keys/Membership"
import type { Sodium } from "@claudemesh/client/keys/Sodium"
import type { SessionId } from "@claudemesh/domain/Ids"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { Clock, type Crypto, Effect, Exit, Scope } from "effect"
import type { Chance } from "./Chance.ts"
import type { History } from "./History.ts"

export interface AgentProcess {
  readonly number: number
  readonly membership: Membership
  readonly sessionId: SessionId
  readonly client: BrokerClient
  readonly send: (to: string, priority: Priority, text: string) => Effect.Effect<void>
  readonly look: Effect.Effect<void>
  readonly crash: Effect.Effect<void>
  readonly isAlive: () => boolean
}

/** How likely an agent's process dies between showing a message and acking it. */
export interface AgentFaults {
  readonly diesBeforeAck: number
}

export const startAgent = Effect.fnUntraced(function* (options: {
  readonly number: number
  readonly membership: Membership
  readonly sessionId: SessionId
  readonly chance: Chance
  readonly history: History
  readonly faults: () => AgentFaults
}): Effect.fn.Return<AgentProcess, never, Dialer | Sodium | Crypto.Crypto> {
  const { chance, faults, history, membership, number, sessionId } = options
  const clock = yield* Clock.Clock
  const scope = yield* Scope.make()
  const name = `${membership.displayName}/${sessionId}#${number}`
  const note = (what: string) => history.note(clock.currentTimeMillisUnsafe(), `${name} ${what}`)
  let alive = true
  let arrivals = 0
  const client = yield* makeBrokerClient({
    membership,
    sessionId,
    client: { name: "simulation", version: "0" },
    // Small windows, so that they are full at times.
    maxInFlight: chance.pick([1, 2, 5, 20, 40]) ?? 1,
    nextArrival: () => ++arrivals,
  }).pipe(Scope.provide(scope))

  const crash = Effect.suspend(() => {
    if (!alive) return Effect.void
    alive = false
    note("crashes")
    return Scope.close(scope, Exit.void)
  })

  const look = Effect.gen(function* () {
    const lease = yield* client.inbox.take(chance.between(1, 10))
    for (const message of lease.messages) {
      history.handOvers.push({
        messageId: message.messageId,
        text: message.content._tag === "Opened" ? message.content.text : undefined,
        mesh: membership.meshId,
        member: membership.pubkey,
        session: sessionId,
        process: number,
        redelivered: message.redelivered,
      })
      note(`is shown ${message.messageId.slice(0, 8)}${message.redelivered ? " (redelivered)" : ""}`)
    }
    if (lease.messages.length > 0 && chance.happens(faults().diesBeforeAck)) return yield* crash
    yield* lease.consumed
  })

  const send = Effect.fnUntraced(function* (to: string, priority: Priority, text: string) {
    const enqueued = yield* Effect.exit(client.enqueue({ to, text, priority }))
    if (Exit.isFailure(enqueued)) return note(`cannot send to ${to.slice(0, 8)}`)
    const { ack, messageId } = enqueued.value
    history.sent.set(messageId, {
      text,
      messageId,
      mesh: membership.meshId,
      from: membership.pubkey,
      process: number,
      to,
      priority,
      outcome: undefined,
    })
    note(`sends ${messageId.slice(0, 8)} to ${to.slice(0, 8)}${to.slice(64)} as ${priority}`)
    yield* Effect.forkIn(
      Effect.map(Effect.exit(ack), (exit) => {
        const sent = history.sent.get(messageId)
        const outcome = Exit.isSuccess(exit) ? "acked" : "refused"
        if (sent !== undefined && alive) sent.outcome = outcome
        note(`has ${messageId.slice(0, 8)} ${outcome}`)
      }),
      scope,
    )
  })

  note("starts")
  return { number, membership, sessionId, client, send, look, crash, isAlive: () => alive }
})
