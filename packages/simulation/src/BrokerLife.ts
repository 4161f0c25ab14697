/**
 * One life of the broker: the production actors, lanes and connections on a store that survives it. A crash ends
 * the life at once: nothing it still does reaches the store or the network. Its store can fail and be slow, before
 * and after a commit took effect, and the crash can come between any two of those.
 */
import { runPeerConnection } from "@claudemesh/broker/connection/PeerConnection"
import type { ServerSocket } from "@claudemesh/broker/connection/ServerSocket"
import { MeshHost } from "@claudemesh/broker/mesh/MeshHost"
import type { MeshRules } from "@claudemesh/broker/mesh/MeshState"
import { CommitLanes } from "@claudemesh/broker/store/CommitLane"
import { MessageStore, StoreError } from "@claudemesh/broker/store/MessageStore"
import { Ed25519 } from "@claudemesh/broker/trust/Ed25519"
import { type Crypto, Effect, Exit, FiberSet, Layer, Scope } from "effect"
import type { Chance } from "./Chance.ts"
import { Window } from "./checkers/Window.ts"
import type { History } from "./History.ts"

/** The odds of each fault, for each call of the store. */
export interface StoreFaults {
  readonly failsBefore: number
  readonly failsAfter: number
  readonly crashesBefore: number
  readonly crashesAfter: number
  readonly slow: number
}

export const noFaults: StoreFaults = { failsBefore: 0, failsAfter: 0, crashesBefore: 0, crashesAfter: 0, slow: 0 }

export interface BrokerLife {
  readonly accept: (socket: ServerSocket) => void
  /** Ends it; `finished` once its fibers are gone. */
  readonly crash: Effect.Effect<void>
}

const unavailable = (what: string) => new StoreError({ reason: "unavailable", cause: what })

/** The store as this life sees it. */
const faultyStore = (
  store: typeof MessageStore.Service,
  chance: Chance,
  faults: () => StoreFaults,
  isAlive: () => boolean,
  crash: () => void,
) => {
  const call = <A>(effect: Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> =>
    Effect.gen(function* () {
      if (!isAlive()) return yield* unavailable("this broker is dead")
      const odds = faults()
      if (chance.happens(odds.slow)) yield* Effect.sleep(chance.between(1, 3_000))
      if (chance.happens(odds.crashesBefore)) crash()
      if (!isAlive() || chance.happens(odds.failsBefore)) return yield* unavailable("before it took effect")
      const result = yield* effect
      if (chance.happens(odds.slow)) yield* Effect.sleep(chance.between(1, 3_000))
      if (chance.happens(odds.crashesAfter)) crash()
      if (!isAlive() || chance.happens(odds.failsAfter)) return yield* unavailable("after it took effect")
      return result
    })
  return MessageStore.of({
    commit: (batch) => call(store.commit(batch)),
    meshExists: (meshId) => call(store.meshExists(meshId)),
    loadMesh: (meshId) => call(store.loadMesh(meshId)),
    page: (request) => call(store.page(request)),
    backlog: (meshId, inboxes, nowMillis) => call(store.backlog(meshId, inboxes, nowMillis)),
    fateOf: (meshId, messageId) => call(store.fateOf(meshId, messageId)),
    retire: (retention, rowsMax, nowMillis) => call(store.retire(retention, rowsMax, nowMillis)),
    createMesh: store.createMesh,
    ping: call(store.ping),
  })
}

export const startBroker = Effect.fnUntraced(function* (options: {
  readonly store: typeof MessageStore.Service
  readonly rules: MeshRules
  readonly chance: Chance
  readonly history: History
  readonly faults: () => StoreFaults
  readonly audiences: ReadonlyArray<string>
  /** Called when a fault of the store ends the life from inside. */
  readonly onCrash: () => void
}) {
  const { audiences, chance, faults, history, onCrash, rules } = options
  let alive = true
  let taken = 0
  const scope = yield* Scope.make()
  const die = () => {
    if (!alive) return
    alive = false
    onCrash()
  }
  const store = faultyStore(options.store, chance, faults, () => alive, die)
  const services = yield* Layer.build(
    MeshHost.local(rules).pipe(
      Layer.provideMerge(CommitLanes.layer(1, rules.limits)),
      Layer.provideMerge(Layer.succeed(MessageStore, store)),
      Layer.provideMerge(Ed25519.layer),
    ),
  ).pipe(Scope.provide(scope))
  const crypto = yield* Effect.context<Crypto.Crypto>()
  const connections = yield* FiberSet.make<void>().pipe(Scope.provide(scope))
  const run = yield* FiberSet.runtime(connections)()
  const life: BrokerLife = {
    accept: (socket) => {
      const window = new Window(history)
      const guarded: ServerSocket = {
        number: ++taken,
        receive: Effect.tap(socket.receive, (text) => Effect.sync(() => window.received(text))),
        isOpen: () => alive && socket.isOpen(),
        saidGoodbye: socket.saidGoodbye,
        send: (text) => {
          if (!alive) return
          window.sent(text)
          socket.send(text)
        },
        close: (code, reason) => {
          if (alive) socket.close(code, reason)
        },
      }
      run(runPeerConnection(guarded, audiences, rules).pipe(Effect.provide(services), Effect.provide(crypto)))
    },
    crash: Effect.suspend(() => {
      alive = false
      return Scope.close(scope, Exit.void)
    }),
  }
  return life
})
