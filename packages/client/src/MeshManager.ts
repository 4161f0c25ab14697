/**
 * All joined meshes of one host process: a client for each, started together and independent of each other. What is asked of all of
 * them is asked at once, and answered mesh by mesh. A mesh that is joined, left or changed while it runs begins, ends or begins anew.
 */
import type { Slug } from "@claudemesh/domain/Ids"
import type { Status } from "@claudemesh/domain/routing/Status"
import { isDirect, type Target } from "@claudemesh/domain/routing/Target"
import { Clock, type Crypto, Data, Effect, Equal, Exit, Latch, Scope } from "effect"
import { type BrokerClient, makeBrokerClient } from "./BrokerClient.ts"
import type { Dialer } from "./connection/Dialer.ts"
import type { Identity } from "./connection/Handshake.ts"
import type { History } from "./inbox/History.ts"
import { type HeldMessage, type Lease, oldestFirst } from "./inbox/Inbox.ts"
import type { SeenMessages } from "./inbox/SeenMessages.ts"
import type { Membership } from "./keys/Membership.ts"
import type { Sodium } from "./keys/Sodium.ts"
import { statusEverywhereTimeoutMillis } from "./Limits.ts"
import { Line } from "./outbox/Line.ts"
import type { StatusOptions } from "./session/OwnSession.ts"
import type { OutboxStore } from "./outbox/OutboxStore.ts"
import { bare } from "./roster/FindNamed.ts"
import { noSuchMesh, saidMesh, type UnknownMesh, whichMesh } from "./roster/WhichMesh.ts"
import type { KeptHeads } from "./trust/KeptHeads.ts"
import type { KnownMembers } from "./trust/KnownMembers.ts"

export type StatusOutcome = Data.TaggedEnum<{
  Taken: { readonly slug: Slug }
  /** Remembered all the same, and set at the next connect. */
  Failed: { readonly slug: Slug; readonly reason: string }
}>
export const StatusOutcome = Data.taggedEnum<StatusOutcome>()

/** What became of the clients when they were told of the memberships. */
export interface Synced {
  /** Those that are new, or began anew. */
  readonly started: ReadonlyArray<BrokerClient>
  readonly ended: ReadonlyArray<Slug>
}

export interface MeshManager {
  /** As it is at this moment. */
  readonly all: ReadonlyArray<BrokerClient>
  readonly get: (slug: string) => Effect.Effect<BrokerClient, UnknownMesh>
  /** `slug:target`, or the target alone where one mesh is joined, or where in one of them alone somebody is called so. */
  readonly route: (to: string) => Effect.Effect<{ readonly client: BrokerClient; readonly to: string }, UnknownMesh>
  /** These are joined now: the rest ends, and what is as before goes on untouched. */
  readonly sync: (memberships: ReadonlyArray<Membership>) => Effect.Effect<Synced>
  /** What may be taken in all meshes, the oldest first. */
  readonly look: Effect.Effect<ReadonlyArray<HeldMessage>>
  /** Of those, what the brokers grant, as one lease. A mesh that is away or slow delays the others by no more than its deadline. */
  readonly lease: (messages: ReadonlyArray<HeldMessage>) => Effect.Effect<Lease>
  /** The oldest of what may be taken in all meshes. */
  readonly takeAll: (max?: number) => Effect.Effect<Lease>
  /** Until a message waits in any of them. */
  readonly awaitAvailable: Effect.Effect<void>
  readonly setStatusEverywhere: (status: Status, options?: StatusOptions) => Effect.Effect<ReadonlyArray<StatusOutcome>>
  /** This session said that it is not to be disturbed, and that is not over. */
  readonly isDnd: (nowMillis: number) => boolean
}

/** What each client needs. */
type Needs = Dialer | Sodium | Crypto.Crypto | KeptHeads | KnownMembers | SeenMessages | History | OutboxStore

interface Running {
  readonly membership: Membership
  readonly client: BrokerClient
  readonly scope: Scope.Closeable
}

export const makeMeshManager = Effect.fnUntraced(function* (
  memberships: ReadonlyArray<Membership>,
  identity: Omit<Identity, "membership">,
) {
  const context = yield* Effect.context<Needs>()
  const parent = yield* Effect.scope
  const syncs = new Line()
  const changed = Latch.makeUnsafe()
  let arrivals = 0
  let running: ReadonlyArray<Running> = []
  /** Said of all meshes, so of one that is joined later, too. */
  let dnd: { readonly untilMillis: number | undefined } | undefined

  const all = (): ReadonlyArray<BrokerClient> => running.map(({ client }) => client)

  const start = Effect.fnUntraced(function* (membership: Membership) {
    const scope = yield* Scope.fork(parent)
    const client = yield* makeBrokerClient({ ...identity, membership, nextArrival: () => ++arrivals }).pipe(
      Scope.provide(scope),
      Effect.provide(context),
    )
    if (dnd !== undefined) yield* Effect.forkIn(Effect.ignore(sayDnd(client, dnd.untilMillis)), scope)
    return { membership, client, scope }
  })

  const sync = (joined: ReadonlyArray<Membership>) =>
    syncs.inTurn(
      Effect.gen(function* () {
        const stays = running.filter(({ membership }) => joined.some((other) => Equal.equals(membership, other)))
        const goes = running.filter((one) => !stays.includes(one))
        const isNew = joined.filter((membership) => !stays.some((one) => Equal.equals(one.membership, membership)))
        running = stays
        yield* Effect.forEach(goes, ({ scope }) => Scope.close(scope, Exit.void), {
          concurrency: "unbounded",
          discard: true,
        })
        const started = yield* Effect.forEach(isNew, start)
        // In the order of the memberships.
        running = joined.flatMap(
          (membership) => [...stays, ...started].find((one) => Equal.equals(one.membership, membership)) ?? [],
        )
        if (goes.length > 0 || started.length > 0) changed.openUnsafe()
        return {
          started: started.map(({ client }) => client),
          ended: goes.map(({ membership }) => membership.slug),
        } satisfies Synced
      }).pipe(Effect.uninterruptible),
    )
  yield* sync(memberships)

  const slugs = () => all().map((client) => client.membership.slug)
  const named = (slug: string) => all().find((client) => client.membership.slug === slug)

  const get = (slug: string) =>
    Effect.suspend(() => {
      const client = named(bare(slug).toLowerCase())
      return client === undefined ? Effect.fail(noSuchMesh(slug, slugs())) : Effect.succeed(client)
    })

  const route = Effect.fnUntraced(function* (to: string) {
    const said = yield* Effect.fromResult(saidMesh(to, slugs()))
    const slug =
      said.slug ?? (yield* Effect.flatMap(lookedUp(to), (looked) => Effect.fromResult(whichMesh(to, looked))))
    return { client: yield* get(slug), to: said.to }
  })

  const lookedUp = (to: string) =>
    Effect.forEach(
      all(),
      (client) =>
        Effect.map(client.lookUp(to), (found) => ({
          slug: client.membership.slug,
          found,
          nameOf: (target: Target) => {
            const name = isDirect(target) ? client.nameOf(target.key) : undefined
            return isDirect(target) && name !== undefined ? { key: target.key, name } : undefined
          },
        })),
      { concurrency: "unbounded" },
    )

  const look = Effect.suspend(() =>
    Effect.map(
      Effect.forEach(all(), (client) => client.look, { concurrency: "unbounded" }),
      (waiting) => oldestFirst(waiting.flat()),
    ),
  )

  const lease = (messages: ReadonlyArray<HeldMessage>) =>
    Effect.suspend(() => {
      const held: Array<Lease> = []
      return Effect.forEach(
        all(),
        (client) =>
          client.lease(
            messages.filter(({ meshId }) => meshId === client.membership.meshId),
            (one) => held.push(one),
          ),
        { concurrency: "unbounded" },
      ).pipe(
        Effect.map(together),
        Effect.onExit((exit) => (Exit.isFailure(exit) ? together(held).release : Effect.void)),
      )
    })

  const setStatusEverywhere = (status: Status, options: StatusOptions = {}) =>
    Effect.flatMap(Clock.currentTimeMillis, (nowMillis) => {
      const { forSeconds, source = "manual" } = options
      if (source === "manual") {
        const untilMillis = forSeconds === undefined ? undefined : nowMillis + forSeconds * 1_000
        dnd = status === "dnd" ? { untilMillis } : undefined
      }
      return Effect.forEach(
        all(),
        ({ membership: { slug }, setStatus }) =>
          setStatus(status, options).pipe(
            Effect.as(StatusOutcome.Taken({ slug })),
            Effect.catch((error) => Effect.succeed(StatusOutcome.Failed({ slug, reason: error.message }))),
            Effect.timeoutOrElse({
              duration: statusEverywhereTimeoutMillis,
              orElse: () => Effect.succeed(StatusOutcome.Failed({ slug, reason: "no answer in time" })),
            }),
          ),
        { concurrency: "unbounded" },
      )
    })

  const awaitAvailable: Effect.Effect<void> = Effect.suspend(() => {
    changed.closeUnsafe()
    return Effect.raceAllFirst([
      Effect.as(changed.await, false),
      ...all().map(({ inbox }) => Effect.as(inbox.awaitAvailable, true)),
    ])
  }).pipe(Effect.repeat({ until: (isThere) => isThere }), Effect.asVoid)

  const manager: MeshManager = {
    get all() {
      return all()
    },
    get,
    route,
    sync,
    look,
    lease,
    takeAll: (max) => Effect.flatMap(look, (waiting) => lease(waiting.slice(0, max))),
    awaitAvailable,
    setStatusEverywhere,
    isDnd: (nowMillis) => dnd !== undefined && nowMillis < (dnd.untilMillis ?? Number.POSITIVE_INFINITY),
  }
  return manager
})

/** For what is left of it. */
const sayDnd = ({ setStatus }: BrokerClient, untilMillis: number | undefined) =>
  Effect.flatMap(Clock.currentTimeMillis, (nowMillis) => {
    if (untilMillis === undefined) return setStatus("dnd")
    const forSeconds = Math.ceil((untilMillis - nowMillis) / 1_000)
    return forSeconds > 0 ? setStatus("dnd", { forSeconds }) : Effect.void
  })

const together = (leases: ReadonlyArray<Lease>): Lease => {
  const each = (end: (lease: Lease) => Effect.Effect<void>) => Effect.forEach(leases, end, { discard: true })
  return {
    messages: oldestFirst(leases.flatMap(({ messages }) => messages)),
    commit: each(({ commit }) => commit),
    release: each(({ release }) => release),
  }
}
