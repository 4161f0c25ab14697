/**
 * The owner moves a mesh with all its members: the new broker is given what proves them, and then the owner's statement of where the mesh
 * is goes to both brokers. The old one tells the clients, which follow by the signature; what it does not tell is printed.
 */
import { bringMesh, type MeshRecords } from "@claudemesh/client/invite/BringMesh"
import { bringMove, health, listInvites } from "@claudemesh/client/http/BrokerHttp"
import { type BrokerUrl, httpOriginOf } from "@claudemesh/client/keys/BrokerUrl"
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import type { HiddenKey } from "@claudemesh/client/keys/HiddenKey"
import type { Membership } from "@claudemesh/client/keys/Membership"
import { signMove } from "@claudemesh/client/keys/SignRecords"
import { type KeyPair, Sodium } from "@claudemesh/client/keys/Sodium"
import { movedTo, placeOf } from "@claudemesh/client/trust/FollowMove"
import { KnownMembers } from "@claudemesh/client/trust/KnownMembers"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { formatMoved } from "@claudemesh/domain/trust/MeshMoved"
import { Clock, Console, Effect, Option, type Redacted, Result } from "effect"
import { Failed, failed, instead } from "../Failed.ts"
import { command } from "../Launch.ts"
import { connectedTo } from "../Meshes.ts"
import { aside, bold, printJson } from "../Output.ts"
import { usableToken, warnIfInClear } from "./AdminToken.ts"
import { agreed } from "./Agreed.ts"
import * as movingWords from "../words/moving.ts"

interface Asked {
  readonly membership: Membership
  readonly ownerSecretKey: HiddenKey
  readonly to: BrokerUrl
  readonly adminToken: Option.Option<Redacted.Redacted>
  readonly yes: boolean
  readonly json: boolean
}

/** All that this machine has proved, and the invites that are open there: brought up to date where the old broker answers. */
const recordsOf = Effect.fnUntraced(function* (membership: Membership, owner: KeyPair) {
  const { brokerUrl, certificate, invite, meshId, pubkey, slug } = membership
  if (certificate === undefined || invite === undefined) {
    return yield* new Failed({
      reason: movingWords.noProofOfYourOwnMembership(slug),
      code: "no_certificate",
    })
  }
  const fresh = yield* Effect.gen(function* () {
    const client = yield* connectedTo(membership)
    yield* client.roster
    const listed = yield* listInvites(brokerUrl, meshId, owner)
    return listed.map((one) => one.invite)
  }).pipe(Effect.scoped, Effect.result)
  const known = yield* (yield* KnownMembers).read(meshId)
  const invites = [...known.invites, ...Result.getOrElse(fresh, () => [])]
  const records: MeshRecords = {
    meshId,
    invite,
    certificate,
    invites: [...new Map(invites.map((one) => [one.publicKey, one])).values()],
    certificates: [
      certificate,
      ...known.members.flatMap((pin) => (pin.certificate.publicKey === pubkey ? [] : [pin.certificate])),
    ],
    revocations: known.revocations,
  }
  return { records, oldIsThere: Result.isSuccess(fresh) }
})

export const moveEverybody = Effect.fnUntraced(function* (options: Asked) {
  const { adminToken, json, membership, ownerSecretKey, to, yes } = options
  const { brokerUrl: from, meshId, ownerPublicKey, slug } = membership
  if (ownerPublicKey === undefined) return yield* new Failed({ reason: movingWords.noProofOfYourOwnMembership(slug) })
  const owner: KeyPair = { publicKey: ownerPublicKey, secretKey: ownerSecretKey }
  const sodium = yield* Sodium
  const unsigned = {
    meshId,
    version: (membership.moved?.version ?? 0) + 1,
    brokerUrl: to,
    at: isoFromMillis(yield* Clock.currentTimeMillis),
  }
  const moved = signMove(sodium, unsigned, ownerSecretKey)
  const place = placeOf(moved, membership, sodium)
  if (Result.isFailure(place) || place.success === undefined) {
    const why = Result.isFailure(place) ? `${place.failure}.` : movingWords.aLaterMoveIsKnown
    return yield* new Failed({
      reason: movingWords.staysAt(slug, from, why),
      code: "bad_url",
      hint: movingWords.useAWssUrl,
    })
  }
  const next = place.success
  yield* Effect.mapError(health(httpOriginOf(to)), (error) => {
    const { code = "failed", reason } = failed(error)
    const hint = movingWords.toFollowForYourselfAlone(command, slug, to)
    return new Failed({ reason: movingWords.staysAt(slug, from, reason), code, hint })
  })
  const { oldIsThere, records } = yield* recordsOf(membership, owner)
  yield* agreed(yes, movingWords.moveItWithAllItsMembers(slug), [
    movingWords.fromTo(from, to),
    movingWords.theNewBrokerIsGivenWhatProves(records.certificates.length),
    movingWords.messagesThatNobodyHasReadStay,
    oldIsThere ? movingWords.theOldBrokerTells : movingWords.theOldBrokerDoesNotAnswer,
  ])
  const token = yield* usableToken(adminToken)
  yield* warnIfInClear(token, to)
  const stays = (error: Parameters<typeof failed>[0]) => {
    const failure = failed(error)
    return instead(failure, movingWords.staysAt(slug, from, failure.reason))
  }
  const left = yield* Effect.mapError(bringMesh(to, records, owner, Option.getOrUndefined(token)), stays)
  yield* Effect.mapError(bringMove(to, moved, owner), stays)
  // From here on it has moved: whoever reads the new broker knows it.
  yield* (yield* ConfigFile).update((meshes) => Result.succeed(meshes.map((mesh) => movedTo(mesh, next))))
  const told = from === to || Result.isSuccess(yield* Effect.result(bringMove(from, moved, owner)))
  const statement = formatMoved(moved)
  if (left > 0) yield* aside(movingWords.recordsWereNotTaken(left))
  if (json) return yield* printJson({ mesh: slug, brokerUrl: to, before: from, byOwner: true, told, statement })
  yield* Console.log(
    [
      movingWords.hasMovedYourAgentsFollow(bold(slug), to),
      told ? movingWords.theOldBrokerTellsAllMembers : movingWords.theOldBrokerCouldNotBeTold,
      movingWords.whoeverDoesNotHearOfIt(command, slug, statement),
    ].join("\n"),
  )
})
