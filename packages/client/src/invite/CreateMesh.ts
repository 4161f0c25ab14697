/**
 * Makes a mesh at a broker, with oneself as its owner. The keys are written down before the broker hears of the mesh, and
 * forgotten there once it is in the config file: whoever is cut off in between finishes it by doing the same again.
 */
import { DisplayName, type Slug } from "@claudemesh/domain/Ids"
import { Effect, type Redacted, Result } from "effect"
import { type BrokerRefused, type BrokerUnreachable, createMesh as requestMesh } from "../http/BrokerHttp.ts"
import type { BrokerUrl } from "../keys/BrokerUrl.ts"
import { ConfigFile, joinedAlready, withMembership } from "../keys/ConfigFile.ts"
import type { Membership } from "../keys/Membership.ts"
import { membershipIn, newMesh } from "./NewMesh.ts"
import { type PendingMesh, pendingMeshes } from "./Pending.ts"

const membershipOf = ({ brokerUrl, maker, owner, request }: PendingMesh): Membership => ({
  ...membershipIn({ brokerUrl, request }, maker),
  ownerSecretKey: owner.secretKey,
})

/** By this request: an earlier one may have arrived, and not been answered. */
export const isNotMade = (error: BrokerRefused | BrokerUnreachable): boolean =>
  error._tag === "BrokerRefused" ? error.status < 500 : error.neverSent === true

export const createMesh = Effect.fn("CreateMesh")(function* (options: {
  readonly slug: Slug
  readonly brokerUrl: BrokerUrl
  /** Of its maker. What was begun under another name is finished under that. */
  readonly displayName: DisplayName
  readonly adminToken?: Redacted.Redacted | undefined
}) {
  const { adminToken, brokerUrl, displayName, slug } = options
  const config = yield* ConfigFile
  // What cannot be read now could not be written later.
  yield* config.read
  const key = `${brokerUrl} ${slug}`
  const make = Effect.gen(function* () {
    const { members, owner, request } = yield* newMesh({
      slug,
      name: DisplayName.make(slug),
      brokerUrl,
      members: [displayName],
      role: "owner",
      allowV1: false,
    })
    yield* joinedAlready(yield* config.read, request)
    const [maker] = members
    if (maker === undefined) return yield* Effect.die("a new mesh has its maker as a member")
    return { request, brokerUrl, owner, maker } satisfies PendingMesh
  })
  const { isNew, pending } = yield* pendingMeshes.takeUp(key, make)
  // Read again: another process may have finished the same, and forgotten it, before we made this one.
  const there = yield* joinedAlready(yield* config.read, pending.request, pending.maker.publicKey).pipe(
    Effect.tapError(() => (isNew ? pendingMeshes.forgetIfAlone(key) : Effect.void)),
  )
  if (there !== undefined) return yield* Effect.as(pendingMeshes.forget(key), there)

  yield* requestMesh(brokerUrl, pending.request, pending.owner, adminToken).pipe(
    Effect.tapError((error) => (isNotMade(error) ? pendingMeshes.forgetIfAlone(key) : Effect.void)),
  )
  const membership = membershipOf(pending)
  yield* config.update((meshes) => Result.succeed(withMembership(meshes, membership)))
  yield* pendingMeshes.forget(key)
  return membership
})
