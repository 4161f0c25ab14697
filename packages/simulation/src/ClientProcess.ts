/**
 * One process with the production client in it, on a machine. A crash ends it with everything it had in memory, at any moment, also
 * between two things that it writes into its home; it can also end properly, or be stopped for a while.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { Dialer } from "@claudemesh/client/connection/Dialer"
import { History as ShownHistory } from "@claudemesh/client/inbox/History"
import type { Membership } from "@claudemesh/client/keys/Membership"
import type { Sodium } from "@claudemesh/client/keys/Sodium"
import { Processes } from "@claudemesh/client/local/Processes"
import { makeMeshManager, type MeshManager } from "@claudemesh/client/MeshManager"
import type { Label, MessageId, SessionId } from "@claudemesh/domain/Ids"
import { Clock, Context, type Crypto, Effect, Exit, Layer, Scope } from "effect"
import type { Chance } from "./Chance.ts"
import { Gate } from "./Gate.ts"
import type { Confirmed, History } from "./History.ts"
import { homeOf, type Machine } from "./Machine.ts"
import type { Network } from "./Network.ts"
import type { VirtualTime } from "./VirtualTime.ts"

export interface ClientProcess {
  readonly number: number
  readonly machine: Machine
  readonly membership: Membership
  readonly manager: MeshManager
  readonly client: BrokerClient
  readonly shownHistory: typeof ShownHistory.Service
  /** The session id that its host has. */
  readonly sessionId: SessionId
  /** Its session as it is on the wire. */
  readonly session: () => SessionId
  readonly gate: Gate
  readonly note: (what: string) => void
  readonly isAlive: () => boolean
  /** It lives, and its machine is awake. */
  readonly isAwake: () => boolean
  readonly isConnected: () => boolean
  /** By the clock of its machine. */
  readonly inside: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly scope: Scope.Scope
  readonly crash: Effect.Effect<void>
  /** Ends properly: the broker is told, if it can be. */
  readonly end: Effect.Effect<void>
}

export interface ProcessOptions {
  readonly number: number
  readonly machine: Machine
  readonly membership: Membership
  readonly sessionId: SessionId
  readonly tags: ReadonlyArray<Label>
  /** A command: listed nowhere. With a window of 0 it only sends. */
  readonly transient: boolean
  readonly window: number
  readonly time: VirtualTime
  readonly network: Network
  readonly chance: Chance
  readonly history: History
  /** The odds that it is killed at a moment at which it writes. */
  readonly diesAtWrite: () => number
  /** Whether its host, or its person, has seen all of a message. */
  readonly hasSeen: (messageId: MessageId) => boolean
}

export const startProcess = Effect.fnUntraced(function* (
  options: ProcessOptions,
): Effect.fn.Return<ClientProcess, never, Sodium | Crypto.Crypto> {
  const { chance, hasSeen, history, machine, membership, network, number, sessionId, tags, time } = options
  const name = `${membership.slug}:${membership.displayName}/${sessionId}#${number}@${machine.name}`
  const note = (what: string) => history.note(time.nowMillis, `${name} ${what}`)
  const gate = new Gate(machine.gate)
  const clock = time.clock(() => machine.offsetMillis, gate)
  const scope = yield* Scope.make()
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  let alive = true
  const lives = () => alive

  const die = (how: string): void => {
    alive = false
    machine.running.delete(number)
    note(how)
  }
  const crash = Effect.suspend(() => {
    if (!alive) return Effect.void
    die("crashes")
    return Scope.close(scope, Exit.void)
  })
  const end = Effect.suspend(() => {
    if (!alive) return Effect.void
    note("ends")
    return Effect.andThen(
      Scope.close(scope, Exit.void).pipe(Effect.provideService(Clock.Clock, clock)),
      Effect.sync(() => {
        alive = false
        machine.running.delete(number)
      }),
    )
  })

  const home = homeOf(machine, {
    lives,
    atWrite: () => {
      if (!alive || !chance.happens(options.diesAtWrite())) return
      die("is killed while it writes")
      fork(Scope.close(scope, Exit.void))
    },
    shown: (messageIds) => {
      if (!alive) return { written: () => {} }
      const { memberId: member } = membership
      const confirmed = messageIds.map((messageId): Confirmed => {
        // A host that was stopped goes on with everything in the same moment.
        time.after(1, () => {
          if (!hasSeen(messageId)) {
            history.broken(time.nowMillis, `${messageId} was confirmed by ${name}, whose host has not seen all of it`)
          }
        })
        const order = history.nextOrder()
        return { messageId, member, process: number, machine: machine.name, order, written: undefined }
      })
      history.confirmed.push(...confirmed)
      return {
        written: () => {
          for (const one of confirmed) if (alive) one.written = history.nextOrder()
        },
      }
    },
  })

  const hasEnded = (other: { readonly pid: number; readonly host: string }): boolean =>
    machine.tellsNumbers && other.host === machine.name && !machine.running.has(other.pid)

  note("starts")
  machine.running.add(number)
  const { manager, shownHistory } = yield* Effect.gen(function* () {
    const stores = yield* Layer.build(home)
    const manager = yield* makeMeshManager([membership], {
      sessionId,
      client: { name: "simulation", version: "0" },
      tags,
      maxInFlight: options.window,
      ...(options.transient && { transient: true }),
    }).pipe(
      Effect.provide(stores),
      Effect.provideService(Dialer, network.dialer({ number, lives, gate })),
      Effect.provideService(Processes, { own: { pid: number, host: machine.name }, hasEnded }),
    )
    return { manager, shownHistory: Context.get(stores, ShownHistory) }
  }).pipe(Scope.provide(scope), Effect.provideService(Clock.Clock, clock))
  const [client] = manager.all
  if (client === undefined) return yield* Effect.die("one membership is one client")

  const inside = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideService(effect, Clock.Clock, clock)
  return {
    number,
    machine,
    membership,
    manager,
    client,
    shownHistory,
    sessionId,
    session: () => Effect.runSync(client.sessionId),
    gate,
    note,
    isAlive: lives,
    isAwake: () => alive && gate.isOpen,
    isConnected: () => alive && Effect.runSync(client.state)._tag === "Connected",
    inside,
    scope,
    crash,
    end,
  }
})
