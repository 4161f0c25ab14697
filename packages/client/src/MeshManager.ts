/**
 * All joined meshes of one host process: a client for each, started together and independent of each other. What
 * is asked of all of them is asked at once, and answered mesh by mesh.
 */
import type { MeshId, Slug } from "@claudemesh/domain/Ids"
import type { Status } from "@claudemesh/domain/routing/Status"
import { Data, Effect, Schema } from "effect"
import { type BrokerClient, makeBrokerClient } from "./BrokerClient.ts"
import type { Identity } from "./connection/Handshake.ts"
import { judged } from "./inbox/JudgeMessage.ts"
import type { HeldMessage, Lease } from "./inbox/PushBuffer.ts"
import type { Membership } from "./keys/Membership.ts"
import { pushBufferMax, statusEverywhereTimeoutMillis } from "./Limits.ts"

/** No joined mesh is meant, or it is not clear which. */
export class UnknownMesh extends Schema.TaggedError<UnknownMesh>()("UnknownMesh", {
  asked: Schema.String,
  as: Schema.Literals(["slug", "target"]),
  slugs: Schema.Array(Schema.String),
}) {
  override get message() {
    if (this.slugs.length === 0) return "no mesh is joined"
    const joined = `joined are ${this.slugs.join(", ")}`
    return this.as === "slug"
      ? `no mesh ${JSON.stringify(this.asked)} is joined; ${joined}`
      : `say which mesh: write slug:target for ${JSON.stringify(this.asked)}; ${joined}`
  }
}

export type StatusOutcome = Data.TaggedEnum<{
  Taken: { readonly slug: Slug }
  /** Remembered all the same, and set at the next connect. */
  Failed: { readonly slug: Slug; readonly reason: string }
}>
export const StatusOutcome = Data.taggedEnum<StatusOutcome>()

export interface MeshManager {
  readonly all: ReadonlyArray<BrokerClient>
  readonly byId: ReadonlyMap<MeshId, BrokerClient>
  readonly get: (slug: string) => Effect.Effect<BrokerClient, UnknownMesh>
  /** `slug:target`, or the target alone where one mesh is joined. */
  readonly route: (to: string) => Effect.Effect<{ readonly client: BrokerClient; readonly to: string }, UnknownMesh>
  /** The oldest of what waits in all meshes, as one lease, with what is known of the senders. */
  readonly takeAll: (max?: number) => Effect.Effect<Lease>
  /** Until a message waits in any of them. */
  readonly awaitAvailable: Effect.Effect<void>
  readonly setStatusEverywhere: (status: Status) => Effect.Effect<ReadonlyArray<StatusOutcome>>
}

export const makeMeshManager = Effect.fnUntraced(function* (
  memberships: ReadonlyArray<Membership>,
  identity: Omit<Identity, "membership">,
) {
  let arrivals = 0
  const nextArrival = () => ++arrivals
  const all = yield* Effect.forEach(memberships, (membership) =>
    makeBrokerClient({ ...identity, membership, nextArrival }),
  )
  const bySlug = new Map<string, BrokerClient>(all.map((client) => [client.membership.slug, client]))
  const slugs = [...bySlug.keys()]

  const get = (slug: string) => {
    const client = bySlug.get(slug)
    return client === undefined
      ? Effect.fail(new UnknownMesh({ asked: slug, as: "slug", slugs }))
      : Effect.succeed(client)
  }

  const route = (to: string) => {
    const colon = to.indexOf(":")
    const named = colon === -1 ? undefined : bySlug.get(to.slice(0, colon))
    if (named !== undefined) return Effect.succeed({ client: named, to: to.slice(colon + 1) })
    // No slug before the colon: a tag, or a name or session that has a colon in it.
    const [only, ...others] = all
    return only !== undefined && others.length === 0
      ? Effect.succeed({ client: only, to })
      : Effect.fail(new UnknownMesh({ asked: to, as: "target", slugs }))
  }

  const lease = (max: number) =>
    Effect.sync((): Lease<HeldMessage> => {
      const oldest = all
        .flatMap(({ inbox }) => inbox.waiting)
        .toSorted(olderFirst)
        .slice(0, max)
      const leases = all.map(({ inbox, membership }) =>
        inbox.lease(oldest.filter(({ meshId }) => meshId === membership.meshId)),
      )
      return {
        messages: oldest,
        consumed: Effect.forEach(leases, (lease) => lease.consumed, { discard: true }),
        putBack: Effect.forEach(leases, (lease) => lease.putBack, { discard: true }),
      }
    })

  const seenElsewhere = Effect.forEach(all, ({ inbox }) => inbox.seenElsewhere, {
    concurrency: "unbounded",
    discard: true,
  })

  const takeAll = (max: number = pushBufferMax) =>
    Effect.andThen(
      seenElsewhere,
      judged(lease(max), (messages) =>
        Effect.forEach(
          all,
          ({ judge, membership }) => judge(messages.filter(({ meshId }) => meshId === membership.meshId)),
          { concurrency: "unbounded" },
        ).pipe(Effect.map((ofMeshes) => ofMeshes.flat().toSorted(olderFirst))),
      ),
    )

  const setStatusEverywhere = (status: Status) =>
    Effect.forEach(
      all,
      ({ membership: { slug }, setStatus }) =>
        setStatus(status).pipe(
          Effect.as(StatusOutcome.Taken({ slug })),
          Effect.catch((error) => Effect.succeed(StatusOutcome.Failed({ slug, reason: error.message }))),
          Effect.timeoutOrElse({
            duration: statusEverywhereTimeoutMillis,
            orElse: () => Effect.succeed(StatusOutcome.Failed({ slug, reason: "no answer in time" })),
          }),
        ),
      { concurrency: "unbounded" },
    )

  const manager: MeshManager = {
    all,
    byId: new Map(all.map((client) => [client.membership.meshId, client])),
    get,
    route,
    takeAll,
    awaitAvailable: all.length === 0 ? Effect.never : Effect.raceAllFirst(all.map(({ inbox }) => inbox.awaitAvailable)),
    setStatusEverywhere,
  }
  return manager
})

const olderFirst = (a: HeldMessage, b: HeldMessage): number =>
  Date.parse(a.createdAt) - Date.parse(b.createdAt) || a.arrival - b.arrival
