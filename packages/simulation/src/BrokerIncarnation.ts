/**
 * One incarnation of the broker: the production actors, group commits, retention sweep and connections on a store that survives it, by a
 * clock of its own that can jump. A crash ends it at once: nothing it still does reaches the store or the
 * network.
 */
import { runPeerConnection } from "@claudemesh/broker/connection/PeerConnection"
import type { ReceivedFrame, ServerSocket } from "@claudemesh/broker/connection/ServerSocket"
import { MeshHost } from "@claudemesh/broker/mesh/MeshHost"
import type { MeshRules } from "@claudemesh/broker/state/MeshState"
import { PeerId } from "@claudemesh/broker/state/PeerId"
import { GroupCommits } from "@claudemesh/broker/store/GroupCommit"
import { withDeadlines } from "@claudemesh/broker/store/Deadlines"
import { RetentionSweep } from "@claudemesh/broker/store/RetentionSweep"
import { MessageStore } from "@claudemesh/broker/store/MessageStore"
import type { Ed25519 } from "@claudemesh/broker/trust/Ed25519"
import type { MeshId, MessageId } from "@claudemesh/domain/Ids"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { Clock, Crypto, Effect, Exit, FiberSet, Layer, Scope } from "effect"
import type { Chance } from "./Chance.ts"
import type { Authenticated, Leases } from "./checkers/Leases.ts"
import type { ToldSession } from "./checkers/Told.ts"
import { type Refusals, Window } from "./checkers/Window.ts"
import type { AcceptedMessage, History } from "./History.ts"
import { type StoreFaults, storeUnderWatch } from "./StoreUnderWatch.ts"

export interface BrokerIncarnation {
  readonly accept: (socket: ServerSocket) => void
  /** Its connections, as they are seen from outside. */
  readonly windows: ReadonlySet<Window>
  /** How many connections are still there though their socket has closed before then, by the time of the run. */
  readonly outlivingSockets: (beforeMillis: number) => number
  /** From now on nothing of it reaches the store or the network. */
  readonly kill: () => void
  /** Ends its fibers. */
  readonly end: Effect.Effect<void>
}

export interface BrokerOptions {
  readonly store: typeof MessageStore.Service
  readonly ed25519: Layer.Layer<Ed25519>
  readonly rules: MeshRules
  readonly clock: Clock.Clock
  /** The time of the run, which does not jump. */
  readonly runMillis: () => number
  readonly chance: Chance
  readonly history: History
  readonly refusals: Refusals
  readonly leases: Leases
  readonly faults: () => StoreFaults
  readonly audiences: ReadonlyArray<string>
  readonly broken: (what: string) => void
  readonly onAccepted: (accepted: AcceptedMessage) => void
  readonly onPushed: (messageId: MessageId) => void
  readonly onAttached: (who: Authenticated) => void
  /** Somebody was told so. */
  readonly onLeft: (mesh: MeshId, who: ToldSession) => void
  readonly hooked: Set<string>
  readonly onDetached: (who: Authenticated, saidGoodbye: boolean) => void
  /** A fault of the store ends it from inside. */
  readonly onCrash: () => void
}

export const startBroker = Effect.fnUntraced(function* (options: BrokerOptions) {
  const { audiences, broken, chance, clock, faults, history, onAttached, onCrash, onDetached, onPushed, rules } =
    options
  let alive = true
  let taken = 0
  const scope = yield* Scope.make()
  const kill = () => {
    if (!alive) return
    alive = false
    options.leases.brokerCrashed()
  }
  const crash = () => {
    if (!alive) return
    kill()
    onCrash()
  }
  const store = storeUnderWatch(options.store, {
    chance,
    history,
    faults,
    isAlive: () => alive,
    crash,
    broken,
    onAccepted: options.onAccepted,
  })
  const services = yield* Layer.build(
    Layer.mergeAll(MeshHost.local(rules), RetentionSweep.layer(rules.limits)).pipe(
      Layer.provideMerge(GroupCommits.layer(1, rules.limits)),
      Layer.provideMerge(Layer.succeed(MessageStore, withDeadlines(store, rules.limits))),
      Layer.provideMerge(options.ed25519),
    ),
  ).pipe(Scope.provide(scope), Effect.provideService(Clock.Clock, clock))
  const crypto = yield* Crypto.Crypto
  const connections = yield* FiberSet.make<void>().pipe(Scope.provide(scope))
  const run = yield* FiberSet.runtime(connections)()
  const windows = new Set<Window>()
  const closedAtMillis = new Map<Window, number>()
  const incarnation: BrokerIncarnation = {
    windows,
    outlivingSockets: (beforeMillis) =>
      [...closedAtMillis.values()].filter((atMillis) => atMillis < beforeMillis).length,
    accept: (socket) => {
      const window = new Window({
        history,
        refusals: options.refusals,
        leases: options.leases,
        nowMillis: () => clock.currentTimeMillisUnsafe(),
        workingTtlMillis: rules.workingTtlMillis,
        instanceSilentMillis: rules.limits.instanceSilentMillis,
        broken,
        pushed: onPushed,
        attached: onAttached,
        left: options.onLeft,
        hooked: options.hooked,
        others: () => windows,
      })
      windows.add(window)
      // It may end while its socket is still being closed.
      let isOver = false
      socket.onClosed(() => {
        if (!isOver) closedAtMillis.set(window, options.runMillis())
      })
      const seen = (received: ReceivedFrame) => window.received(typeof received === "object" ? undefined : received)
      const guarded: ServerSocket = {
        id: PeerId.make(++taken),
        receive: socket.receive.pipe(
          Effect.tap((received) => Effect.sync(() => seen(received))),
          Effect.tapError(() => Effect.sync(() => window.closed())),
        ),
        receiveEach: (handle) =>
          socket
            .receiveEach((received) => {
              // What was killed handles nothing any more.
              if (!alive) return undefined
              seen(received)
              return handle(received)
            })
            .pipe(Effect.tapError(() => Effect.sync(() => window.closed()))),
        isOpen: () => alive && socket.isOpen(),
        saidGoodbye: socket.saidGoodbye,
        onClosed: socket.onClosed,
        unreadBytes: socket.unreadBytes,
        send: (text) => {
          if (!alive) return false
          const wasGreeted = window.authenticated !== undefined
          window.sent(text)
          if (!wasGreeted && window.isClosed && window.authenticated !== undefined) {
            onDetached(window.authenticated, socket.saidGoodbye())
          }
          return socket.send(text)
        },
        close: (code, reason) => {
          if (!window.isClosed && code === CloseCode.replaced) window.replacedAtMillis = clock.currentTimeMillisUnsafe()
          window.closed()
          if (alive) socket.close(code, reason)
        },
      }
      run(
        runPeerConnection(guarded, audiences, rules).pipe(
          Effect.provide(services),
          Effect.provideService(Crypto.Crypto, crypto),
          Effect.provideService(Clock.Clock, clock),
          Effect.ensuring(
            Effect.sync(() => {
              // One that has ended of its own has closed its socket, or does so by this.
              isOver = true
              closedAtMillis.delete(window)
              window.closed()
              if (alive && window.authenticated !== undefined) onDetached(window.authenticated, socket.saidGoodbye())
            }),
          ),
        ),
      )
    },
    kill,
    end: Effect.suspend(() => {
      kill()
      return Scope.close(scope, Exit.void)
    }),
  }
  return incarnation
})
