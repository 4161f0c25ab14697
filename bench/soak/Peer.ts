/** One agent's process: the production client, an agent that reads, and a way to die before it has acked. */
import { type BrokerClient, makeBrokerClient } from "@claudemesh/client/BrokerClient"
import type { Membership } from "@claudemesh/client/keys/Membership"
import { storesInMemory } from "@claudemesh/client/LocalStores"
import { type Label, SessionId } from "@claudemesh/domain/Ids"
import type { Priority, Status } from "@claudemesh/domain/routing/Status"
import { Cause, Effect, Exit, Schedule, Scope } from "effect"
import type { Chance } from "@claudemesh/simulation/Chance"
import type { Ledger, Sent } from "./Ledger.ts"

const diesBeforeAckUsually = 0.002
const processes = { count: 0 }

export interface PeerOptions {
  readonly membership: Membership
  readonly session: string
  readonly tags: ReadonlyArray<Label>
  readonly channels: ReadonlyArray<Label>
  readonly chance: Chance
  readonly ledger: Ledger
  /** How likely it dies over a message that it has shown and not acked. */
  readonly diesBeforeAck?: number
}

export class Peer {
  deaths = 0
  #client: BrokerClient | undefined
  #process = 0

  constructor(readonly options: PeerOptions) {}

  get process(): number {
    return this.#process
  }

  get client(): BrokerClient | undefined {
    return this.#client
  }

  /** One process after the other, for as long as the scope is open. */
  get lives() {
    return Effect.forever(Effect.suspend(() => this.#live()))
  }

  #live() {
    const { chance, channels, membership, session, tags } = this.options
    return Effect.gen({ self: this }, function* () {
      const scope = yield* Scope.make()
      this.#process = ++processes.count
      let arrivals = 0
      const client = yield* makeBrokerClient({
        membership,
        sessionId: SessionId.make(session),
        client: { name: "soak", version: "1" },
        tags,
        maxInFlight: chance.pick([5, 20, 100, 500]) ?? 100,
        nextArrival: () => ++arrivals,
      }).pipe(Scope.provide(scope), Effect.provide(storesInMemory))
      this.#client = client
      yield* client.awaitConnected("30 seconds").pipe(Effect.ignore)
      for (const channel of channels) yield* Effect.forkIn(this.#keepJoining(client, channel), scope)
      yield* Effect.forkIn(this.#pulls(client), scope)
      yield* this.#reads(client)
      // Dies with what it had shown and not acked; the next process has the same session.
      this.deaths += 1
      this.#client = undefined
      this.#process = 0
      yield* Scope.close(scope, Exit.void)
    })
  }

  #keepJoining(client: BrokerClient, channel: Label) {
    return Effect.ignore(Effect.retry(client.joinChannel(channel), Schedule.spaced("200 millis")))
  }

  #pulls(client: BrokerClient) {
    return Effect.gen(function* () {
      while (true) {
        const left = yield* Effect.orElseSucceed(client.pull(), () => ({ remaining: 0 }))
        yield* Effect.sleep(left.remaining > 0 ? "10 millis" : "300 millis")
      }
    })
  }

  /** Until it dies over a message. */
  #reads(client: BrokerClient) {
    const { chance, diesBeforeAck = diesBeforeAckUsually, ledger, membership, session } = this.options
    const number = this.#process
    return Effect.gen(function* () {
      while (true) {
        yield* client.inbox.awaitAvailable
        const lease = yield* client.take(chance.between(1, 50))
        for (const { content, messageId, redelivered } of lease.messages) {
          const text = content._tag === "Opened" ? content.text : undefined
          ledger.shown.push({
            messageId,
            text,
            process: number,
            memberId: membership.memberId,
            session,
            redelivered,
            at: performance.now(),
          })
        }
        if (chance.happens(diesBeforeAck * lease.messages.length)) return
        yield* lease.commit
      }
    })
  }

  /** Sends, and notes the outcome whenever it comes. A process that dies takes its outbox along. */
  send(to: string, priority: Priority, text: string) {
    const { ledger } = this.options
    return Effect.suspend(() => {
      const client = this.#client
      const number = this.#process
      if (client === undefined) return Effect.succeed(false)
      return client.enqueue({ to, text, priority }).pipe(
        Effect.map(({ ack, messageId }) => {
          const sent: Sent = {
            messageId,
            text,
            process: number,
            target: to,
            priority,
            outcome: undefined,
            recipients: 0,
          }
          ledger.sent.set(messageId, sent)
          Effect.runFork(
            Effect.map(Effect.exit(ack), (exit) => {
              if (Exit.isFailure(exit)) {
                // With its process dead nobody knows whether it was accepted.
                sent.outcome = this.#process === number ? "refused" : "unknown"
                sent.why = String(Cause.squash(exit.cause))
                return
              }
              sent.outcome = "acked"
              sent.ackedAt = performance.now()
              sent.recipients = exit.value.recipients.filter(({ state }) => state !== "full").length
            }),
          )
          return true
        }),
        // A client that ends meanwhile interrupts what it was asked for.
        Effect.catchCause(() => Effect.succeed(false)),
      )
    })
  }

  setStatus(status: Status) {
    return Effect.suspend(() => (this.#client ? Effect.ignore(this.#client.setStatus(status)) : Effect.void))
  }
}
