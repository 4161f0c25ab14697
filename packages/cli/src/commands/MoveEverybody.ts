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
import { Failed, failed } from "../Failed.ts"
import { command } from "../Launch.ts"
import { connectedTo } from "../Meshes.ts"
import { aside, bold, printJson } from "../Output.ts"
import { usableToken, warnIfInClear } from "./AdminToken.ts"
import { agreed } from "./Agreed.ts"

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
      reason: `this machine has no proof of your own membership in ${slug}.`,
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
  if (ownerPublicKey === undefined) return yield* Effect.die("who has the owner's secret key has its public one")
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
    const reason = Result.isFailure(place) ? place.failure : "a later move is known"
    return yield* new Failed({ reason: `${slug} stays at ${from}: ${reason}. Use a wss:// URL.`, code: "bad_url" })
  }
  const next = place.success
  yield* Effect.mapError(health(httpOriginOf(to)), (error) => {
    const { code = "failed", words } = failed(error)
    const hint = `To follow for yourself alone, before it is up: ${command} move ${slug} ${to} --unchecked`
    return new Failed({ reason: `${slug} stays at ${from}: ${words.replace(/[.;]?$/, ".")} ${hint}`, code, hint })
  })
  const { oldIsThere, records } = yield* recordsOf(membership, owner)
  yield* agreed(yes, `Move ${slug} with all its members?`, [
    `From ${from} to ${to}.`,
    `The new broker is given what proves its ${records.certificates.length} members; nobody needs a new invite.`,
    "Messages that the old broker has accepted and nobody has read stay there. Links made before lead there, too: make new ones.",
    ...(oldIsThere
      ? ["The old broker tells everybody, now and for as long as it runs."]
      : [
          `The old broker does not answer: members who joined lately may be missing, and you hand your statement to everybody.`,
        ]),
  ])
  const token = yield* usableToken(adminToken)
  yield* warnIfInClear(token, to)
  const stays = (error: Parameters<typeof failed>[0]) => {
    const { code = "failed", words } = failed(error)
    return new Failed({ reason: `${slug} stays at ${from}: ${words}`, code })
  }
  const left = yield* Effect.mapError(bringMesh(to, records, owner, Option.getOrUndefined(token)), stays)
  yield* Effect.mapError(bringMove(to, moved, owner), stays)
  // From here on it has moved: whoever reads the new broker knows it.
  yield* (yield* ConfigFile).update((meshes) => Result.succeed(meshes.map((mesh) => movedTo(mesh, next))))
  const told = from === to || Result.isSuccess(yield* Effect.result(bringMove(from, moved, owner)))
  const statement = formatMoved(moved)
  if (left > 0) yield* aside(`claudemesh: ${left} records of members who were revoked were not taken there.`)
  if (json) return yield* printJson({ mesh: slug, brokerUrl: to, before: from, byOwner: true, told, statement })
  yield* Console.log(
    [
      `${bold(slug)} has moved to ${to}. Your agents here follow.`,
      told
        ? "The old broker tells all members; each client follows when it hears of it, by your signature. Leave that broker running until all have."
        : "The old broker could not be told.",
      `Whoever does not hear of it runs: ${command} move ${slug} ${statement}`,
    ].join("\n"),
  )
})
