/** Staying with the meshes: what comes is shown, and stderr says when a connection is lost, back, or over. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { ClientStopped, type ConnectionState } from "@claudemesh/client/connection/ConnectionState"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import type { Membership } from "@claudemesh/client/keys/Membership"
import { Effect, Semaphore, Stream, SubscriptionRef } from "effect"
import { failed } from "../Failed.ts"
import { shortSession } from "../mcp/WrapUntrusted.ts"
import { connect } from "../Meshes.ts"
import { aside, printable } from "../Output.ts"
import { awaitChange } from "../watch/AwaitChange.ts"
import * as readingWords from "../words/reading.ts"

/**
 * Until every mesh is over, which is a failure. `showAll` shows what can be had now. While an agent of ours is connected in a mesh,
 * what comes there is its, unless it is taken: a second connection is only had where there is none, so that the broker pushes nothing
 * here that an agent waits for.
 */
export const followed = Effect.fnUntraced(function* <E, R>(
  meshes: ReadonlyArray<Membership>,
  take: boolean,
  showAll: (manager: MeshManager) => Effect.Effect<number, E, R>,
) {
  const looking = yield* connect(meshes, take ? "inbox" : "command", { presence: !take })
  const reading = take ? looking : yield* connect([], "inbox")
  yield* aside(readingWords.followingCtrlCEndsThis(meshes.map(({ slug }) => slug).join(", ")))
  const pulled = (client: BrokerClient) => Effect.forkChild(Effect.ignore(client.pull()))
  const shown = Effect.forever(Effect.andThen(Effect.tap(showAll(reading), idle), reading.awaitAvailable))
  const over = Effect.flatMap(
    Effect.forEach(looking.all, (client) => watched(client, take ? pulled(client) : Effect.void), {
      concurrency: "unbounded",
    }),
    ([first]) => first ?? Effect.never,
  )
  const parts = take ? [shown, over] : [shown, over, leftToAgents(looking, reading, meshes)]
  return yield* Effect.onInterrupt(Effect.raceAllFirst(parts), () => aside(readingWords.endedItWasToldToStop))
})

/** Reads where no agent of ours is, and says where it does not. */
const leftToAgents = Effect.fnUntraced(function* (
  looking: MeshManager,
  reading: MeshManager,
  meshes: ReadonlyArray<Membership>,
) {
  const free = new Set<string>()
  const said = new Map<string, boolean>()
  const inTurn = yield* Semaphore.make(1)
  const become = Effect.fnUntraced(function* (client: BrokerClient, agents: ReadonlyArray<string>) {
    const { slug } = client.membership
    const isFree = agents.length === 0
    if (said.get(slug) === isFree) return
    if (!isFree) {
      yield* aside(readingWords.yourAgentIsConnectedSessionSoWhat(slug, agents.map(shortSession).join(", ")))
    } else if (said.has(slug)) {
      yield* aside(readingWords.noAgentOfYoursIsConnectedAny(slug))
    }
    said.set(slug, isFree)
    if (isFree) free.add(slug)
    else free.delete(slug)
    yield* reading.sync(meshes.filter((mesh) => free.has(mesh.slug)))
    const now = reading.all.find(({ membership }) => membership.slug === slug)
    if (now !== undefined) yield* Effect.forkScoped(pulledAtEach(now, client))
  }, Semaphore.withPermit(inTurn))
  const look = Effect.fnUntraced(function* (client: BrokerClient) {
    const changed = yield* awaitChange(client)
    while (true) {
      yield* client.awaitConnected("10 seconds").pipe(
        Effect.andThen(client.peers),
        Effect.flatMap((peers) => {
          const own = peers.filter(({ attached, pubkey }) => attached && pubkey === client.membership.pubkey)
          return become(
            client,
            own.map(({ sessionId }) => sessionId),
          )
        }),
        Effect.ignore,
      )
      yield* changed
    }
  }, Effect.scoped)
  return yield* Effect.forEach(looking.all, look, { concurrency: "unbounded", discard: true })
}, Effect.scoped)

/**
 * What is held back for others, or was pushed to another session, is asked for at each connection. The other connection is had at
 * once then, too: it is the one that is told of.
 */
const pulledAtEach = (client: BrokerClient, looking: BrokerClient) =>
  SubscriptionRef.changes(client.states).pipe(
    Stream.filter(({ _tag }) => _tag === "Connected"),
    Stream.runForEach(() =>
      Effect.all([Effect.ignore(client.pull()), Effect.ignore(looking.awaitConnected("5 seconds"))], {
        concurrency: 2,
        discard: true,
      }),
    ),
  )

/** What waits and may not be shown yet, such as until the clock is right, is not looked at all the time. */
const idle = (shown: number) => (shown === 0 ? Effect.sleep("500 millis") : Effect.void)

/** What is told of a connection. */
export interface Told<E = never, R = never> {
  readonly lost: (text: string) => Effect.Effect<void>
  /** At every connection; with words where it was said to be lost. */
  readonly back: (text: string | undefined) => Effect.Effect<unknown, E, R>
}

const watched = <A, E, R>(client: BrokerClient, pull: Effect.Effect<A, E, R>) => {
  const say = (text: string) => aside(printable(`claudemesh: ${client.membership.slug}: ${text}`))
  return saidOfConnection(client, {
    lost: say,
    back: (text) => Effect.andThen(text === undefined ? Effect.void : say(text), pull),
  })
}

/** Says what becomes of the connection; ends with what it is over by. */
export const saidOfConnection = Effect.fnUntraced(function* <E, R>(client: BrokerClient, { back, lost }: Told<E, R>) {
  let before: ConnectionState["_tag"] | "Lost" = "Connecting"
  const over = yield* SubscriptionRef.changes(client.states).pipe(
    Stream.filterEffect((state) =>
      Effect.gen(function* () {
        if (state._tag === "Waiting" && before !== "Lost") {
          const what = before === "Connected" ? readingWords.theConnectionIsLost : "Not connected"
          yield* lost(readingWords.itIsTriedAgain(what, state.lastError))
        }
        if (state._tag === "Connected") yield* back(before === "Lost" ? "Connected again." : undefined)
        if (state._tag === "Waiting") before = "Lost"
        else if (state._tag !== "Connecting") before = state._tag
        return state._tag === "Stopped"
      }),
    ),
    Stream.runHead,
  )
  const stopped = over._tag === "Some" && over.value._tag === "Stopped" ? over.value : undefined
  const error = failed(new ClientStopped({ reason: stopped?.reason ?? "ended", code: stopped?.code }))
  yield* lost(error.message)
  return error
})
