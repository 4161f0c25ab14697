/**
 * Brings a mesh to another broker, by its owner: the mesh, and then everything that proves its members, as it was signed. Revocations come
 * last, since who signed them has to be known. What is there already is passed by, so it may be done again after it was cut off.
 * Nobody is told of the new broker before all of it is there.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import type { Certificate } from "@claudemesh/domain/trust/Certificate"
import type { Invite } from "@claudemesh/domain/trust/Invite"
import type { Revocation } from "@claudemesh/domain/trust/Revocation"
import { Effect, type Redacted, Schedule } from "effect"
import { addInvite, BrokerRefused, createMesh, join, listInvites, revoke } from "../http/BrokerHttp.ts"
import type { BrokerUrl } from "../keys/BrokerUrl.ts"
import type { KeyPair } from "../keys/Sodium.ts"

export interface MeshRecords {
  readonly meshId: MeshId
  /** The owner's own, which the mesh is made with. */
  readonly invite: Invite
  readonly certificate: Certificate
  readonly invites: ReadonlyArray<Invite>
  readonly certificates: ReadonlyArray<Certificate>
  readonly revocations: ReadonlyArray<Revocation>
}

/** A broker lets a key do so much in a second. A large mesh takes a while. */
const inTime = Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 30 }))
const whenItMay = <A, E, R>(ask: Effect.Effect<A, E, R>) =>
  Effect.retry(ask, { schedule: inTime, while: (error: E) => error instanceof BrokerRefused && error.status === 429 })

const isHere = (error: { readonly _tag: string }): boolean =>
  error instanceof BrokerRefused && error.error === "unknown_mesh"

/** Which members and invites the broker did not take: those that a revocation there has ended. */
export const bringMesh = Effect.fn("BringMesh")(function* (
  to: BrokerUrl,
  records: MeshRecords,
  owner: KeyPair,
  adminToken?: Redacted.Redacted,
) {
  const { certificate, invite, meshId } = records
  const isMade = yield* Effect.as(listInvites(to, meshId, owner), true).pipe(
    Effect.catchIf(isHere, () => Effect.succeed(false)),
  )
  if (!isMade) {
    const { allowUnsealed, meshName, ownerPublicKey, slug } = invite
    const mesh = { meshId, slug, name: meshName, ownerPublicKey, allowUnsealed, invite, members: [certificate] }
    yield* createMesh(to, mesh, owner, adminToken)
  }
  let left = 0
  // An admin's invite is judged by the admin's own proof, so the owner's come first.
  const rounds = [
    records.invites.filter(({ issuer }) => issuer === owner.publicKey),
    records.invites.filter(({ issuer }) => issuer !== owner.publicKey),
  ]
  for (const round of rounds) {
    for (const one of round) {
      if (!(yield* taken(whenItMay(addInvite(to, one, owner))))) left += 1
    }
    const keys = new Set(round.map(({ publicKey }) => publicKey))
    for (const one of records.certificates.filter((member) => keys.has(member.invite))) {
      if (!(yield* taken(whenItMay(join(to, meshId, one, owner))))) left += 1
    }
  }
  for (const revocation of records.revocations) yield* whenItMay(revoke(to, revocation, owner))
  return left
})

/** What was ended there before, in a mesh that comes back, is refused, and nothing is lost by it. */
const ended: ReadonlySet<string> = new Set(["revoked", "bad_invite"])

const taken = <A, E, R>(ask: Effect.Effect<A, E, R>) =>
  Effect.as(ask, true).pipe(
    Effect.catchIf(
      (error: E) => error instanceof BrokerRefused && ended.has(error.error),
      () => Effect.succeed(false),
    ),
  )
