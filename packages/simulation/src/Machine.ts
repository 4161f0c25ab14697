/**
 * A machine of one person: a clock of its own, a lid, and one home that all processes on it share, as `state.db`. The
 * home outlives them. Each process has its own access to it, which ends when the process is killed: it can be killed
 * before or after anything that it writes.
 */
import { type LocalStores, localStores } from "@claudemesh/client/LocalStores"
import { SeenMessages } from "@claudemesh/client/inbox/SeenMessages"
import { StateDb, StateDbUnusable } from "@claudemesh/client/local/StateDb"
import { OutboxStore } from "@claudemesh/client/outbox/OutboxStore"
import type { MessageId } from "@claudemesh/domain/Ids"
import { type Clock, ConfigProvider, Context, Effect, FileSystem, Layer } from "effect"
import type { Chance } from "./Chance.ts"
import { Gate } from "./Gate.ts"
import type { VirtualTime } from "./VirtualTime.ts"

export interface Machine {
  readonly name: string
  /** Shut while it sleeps. */
  readonly gate: Gate
  readonly clock: Clock.Clock
  /** How far its clock is ahead of the time of the run. */
  offsetMillis: number
  readonly state: typeof StateDb.Service
  readonly outbox: typeof OutboxStore.Service
  /** The numbers of processes that run on it. */
  readonly running: Set<number>
  /** Whether a process can tell by its number that another one has ended: not across containers. */
  readonly tellsNumbers: boolean
}

export const makeMachine = Effect.fnUntraced(function* (options: {
  readonly name: string
  readonly time: VirtualTime
  readonly chance: Chance
  readonly offsetMillis: number
}) {
  const { chance, name, offsetMillis, time } = options
  const home = yield* Layer.build(Layer.provideMerge(OutboxStore.layer, StateDb.memory))
  const gate = new Gate()
  const machine: Machine = {
    name,
    gate,
    offsetMillis,
    clock: time.clock(() => machine.offsetMillis, gate),
    state: Context.get(home, StateDb),
    outbox: Context.get(home, OutboxStore),
    running: new Set(),
    tellsNumbers: chance.happens(0.7),
  }
  return machine
})

/** What a process does that others hear of, and when it may be killed. */
export interface HomeUse {
  readonly lives: () => boolean
  /** It is about to write, or has just written. */
  readonly atWrite: () => void
  /** It writes down that it has shown these; `written` once that has come to an end. */
  readonly shown: (messageIds: ReadonlyArray<MessageId>) => { readonly written: () => void }
}

/** The home as one process of the machine has it. */
export const homeOf = ({ state }: Machine, { atWrite, lives, shown }: HomeUse) => {
  const dead = new StateDbUnusable({ path: state.path, problem: "this process is dead", todo: "" })
  const whileAlive = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | StateDbUnusable> => (lives() ? effect : Effect.fail(dead)))
  const own = StateDb.of({
    ...state,
    read: (query) => whileAlive(state.read(query)),
    transaction: (change, options) =>
      Effect.suspend(() => {
        atWrite()
        return whileAlive(state.transaction(change, options))
      }).pipe(
        Effect.tap(() =>
          Effect.suspend(() => {
            atWrite()
            return whileAlive(Effect.void)
          }),
        ),
      ),
  })
  const watched = Layer.effect(
    SeenMessages,
    Effect.map(SeenMessages, ({ open }) =>
      SeenMessages.of({
        open: (meshId, sessionId) =>
          Effect.map(open(meshId, sessionId), (seen) => ({
            ...seen,
            add: (messageIds) =>
              Effect.suspend(() => {
                const { written } = shown(messageIds)
                return Effect.tap(seen.add(messageIds), () => Effect.sync(written))
              }),
          })),
      }),
    ),
  )
  const layer: Layer.Layer<LocalStores> = Layer.provideMerge(watched, localStores).pipe(
    Layer.provide(Layer.succeed(StateDb, own)),
    Layer.provide(FileSystem.layerNoop({})),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({}))),
  )
  return layer
}
