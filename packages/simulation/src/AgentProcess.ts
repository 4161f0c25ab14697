/**
 * One agent's process: the production client, and an agent that looks at its messages when it likes. A crash ends
 * it with everything it had in memory; what it had shown its agent stays shown. It can also end properly.
 */
import { type BrokerClient, makeBrokerClient } from "@claudemesh/client/BrokerClient"
import { Dialer } from "@claudemesh/client/connection/Dialer"
import type { Membership } from "@claudemesh/client/keys/Membership"
import { storesInMemory } from "@claudemesh/client/LocalStores"
import type { Sodium } from "@claudemesh/client/keys/Sodium"
import { type Label, RequestId, type SessionId } from "@claudemesh/domain/Ids"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { Clock, type Crypto, Effect, Exit, Scope } from "effect"
import type { Chance } from "./Chance.ts"
import type { History } from "./History.ts"
import type { Network } from "./Network.ts"
import { ttlSecondsOf } from "./ShortLife.ts"

export interface AgentProcess {
  readonly number: number
  readonly membership: Membership
  readonly sessionId: SessionId
  readonly client: BrokerClient
  readonly note: (what: string) => void
  readonly send: (to: string, priority: Priority, text: string) => Effect.Effect<void>
  readonly look: Effect.Effect<void>
  readonly crash: Effect.Effect<void>
  /** Ends properly: the broker is told, if it can be. */
  readonly end: Effect.Effect<void>
  readonly isAlive: () => boolean
  /** In virtual time; undefined while it is not connected. */
  readonly connectedSinceMillis: () => number | undefined
}

/** How likely an agent's process dies between showing a message and acking it. */
export interface AgentFaults {
  readonly diesBeforeAck: number
}

export const startAgent = Effect.fnUntraced(function* (options: {
  readonly number: number
  readonly membership: Membership
  readonly sessionId: SessionId
  readonly tags: ReadonlyArray<Label>
  readonly network: Network
  readonly chance: Chance
  readonly history: History
  readonly faults: () => AgentFaults
  /** The broker's, and so everybody's: it jumps for all of them. */
  readonly wallClock: Clock.Clock
}): Effect.fn.Return<AgentProcess, never, Sodium | Crypto.Crypto> {
  const { chance, faults, history, membership, network, number, sessionId, tags, wallClock } = options
  const clock = yield* Clock.Clock
  const scope = yield* Scope.make()
  const name = `${membership.slug}:${membership.displayName}/${sessionId}#${number}`
  const note = (what: string) => history.note(clock.currentTimeMillisUnsafe(), `${name} ${what}`)
  let alive = true
  let arrivals = 0
  const client = yield* makeBrokerClient({
    membership,
    sessionId,
    client: { name: "simulation", version: "0" },
    tags,
    // One process after the other at a place: a new one knows that the last one has ended.
    instance: RequestId.make(sessionId),
    // Small windows, so that they are full at times.
    maxInFlight: chance.pick([1, 2, 5, 20, 40]) ?? 1,
    nextArrival: () => ++arrivals,
  }).pipe(
    Scope.provide(scope),
    Effect.provide(storesInMemory),
    Effect.provideService(Clock.Clock, wallClock),
    Effect.provideService(
      Dialer,
      network.dialer(number, () => alive),
    ),
  )

  const crash = Effect.suspend(() => {
    if (!alive) return Effect.void
    alive = false
    note("crashes")
    return Scope.close(scope, Exit.void)
  })

  const end = Effect.suspend(() => {
    if (!alive) return Effect.void
    note("ends")
    return Effect.andThen(
      Scope.close(scope, Exit.void),
      Effect.sync(() => {
        alive = false
      }),
    )
  })

  const shown = Effect.gen(function* () {
    const lease = yield* client.take(chance.between(1, 10))
    // It takes the broker's word, and so time: the process may have died meanwhile.
    if (!alive) return
    for (const message of lease.messages) {
      history.handOvers.push({
        messageId: message.messageId,
        text: message.content._tag === "Opened" ? message.content.text : undefined,
        mesh: membership.meshId,
        member: membership.memberId,
        session: sessionId,
        process: number,
        redelivered: message.redelivered,
        order: history.nextOrder(),
      })
      note(`is shown ${message.messageId.slice(0, 8)}${message.redelivered ? " (redelivered)" : ""}`)
    }
    if (lease.messages.length > 0 && chance.happens(faults().diesBeforeAck)) return yield* crash
    yield* lease.commit
  }).pipe(Effect.provideService(Clock.Clock, wallClock))
  /** An agent makes one call after the other. */
  let isLooking = false
  const look = Effect.suspend(() => {
    if (isLooking) return Effect.void
    isLooking = true
    return Effect.ensuring(
      shown,
      Effect.sync(() => {
        isLooking = false
      }),
    )
  })

  const send = Effect.fnUntraced(function* (to: string, priority: Priority, text: string) {
    const enqueued = yield* Effect.exit(client.enqueue({ to, text, priority }))
    if (Exit.isFailure(enqueued)) return note(`cannot send to ${shortTarget(to)}`)
    const { ack, id, messageId } = enqueued.value
    const ttlSeconds = ttlSecondsOf(id)
    history.sent.set(messageId, {
      text,
      messageId,
      mesh: membership.meshId,
      from: membership.pubkey,
      session: sessionId,
      process: number,
      to,
      priority,
      atMillis: clock.currentTimeMillisUnsafe(),
      ttlMillis: ttlSeconds && ttlSeconds * 1_000,
      outcome: undefined,
      refusal: undefined,
    })
    note(`sends ${messageId.slice(0, 8)} to ${shortTarget(to)} as ${priority}`)
    const answered = (outcome: "acked" | "refused", refusal?: string) =>
      Effect.sync(() => {
        const sent = history.sent.get(messageId)
        if (sent === undefined || !alive) return
        sent.outcome = outcome
        sent.refusal = refusal
        note(`has ${messageId.slice(0, 8)} ${outcome}${refusal === undefined ? "" : ` (${refusal})`}`)
      })
    yield* Effect.forkIn(
      Effect.matchEffect(ack, {
        onFailure: (error) => answered("refused", error._tag === "SendRefused" ? error.code : error._tag),
        onSuccess: () => answered("acked"),
      }),
      scope,
    )
  })

  const connectedSinceMillis = (): number | undefined => {
    const state = Effect.runSync(client.state)
    return state._tag === "Connected" ? state.sinceMillis : undefined
  }

  note("starts")
  const isAlive = () => alive
  return { number, membership, sessionId, client, note, send, look, crash, end, isAlive, connectedSinceMillis }
})

const shortTarget = (to: string): string => (/^[0-9a-f]{64}/.test(to) ? `${to.slice(0, 8)}${to.slice(64)}` : to)
