/** Makes a new mesh: its id, the owner's keys, the members' keys, and the signed request that a broker takes. */
import { MemberId, MeshId, type DisplayName, type Slug } from "@claudemesh/domain/Ids"
import type { IsoTime } from "@claudemesh/domain/IsoTime"
import { createMeshStatement } from "@claudemesh/domain/trust/CreateMeshStatement"
import type { CreateMesh, NewMember } from "@claudemesh/domain/wire/HttpApi"
import { Effect } from "effect"
import type { BrokerUrl } from "../http/BrokerUrl.ts"
import type { Membership } from "./Membership.ts"
import { randomBytes, randomHex } from "./RandomBytes.ts"
import { type KeyPair, Sodium } from "./Sodium.ts"

export interface NewMesh {
  readonly request: CreateMesh
  readonly owner: KeyPair
  /** In the order of the names that were given. */
  readonly members: ReadonlyArray<{ readonly memberId: MemberId; readonly displayName: DisplayName } & KeyPair>
}

/** A new mesh as one of its members joins it. */
export const membershipIn = (
  { owner, request }: NewMesh,
  member: NewMesh["members"][number],
  brokerUrl: BrokerUrl,
  joinedAt: IsoTime,
): Membership => ({
  meshId: request.meshId,
  memberId: member.memberId,
  slug: request.slug,
  name: request.name,
  displayName: member.displayName,
  pubkey: member.publicKey,
  secretKey: member.secretKey,
  brokerUrl,
  joinedAt,
  ownerPublicKey: owner.publicKey,
  ...(request.allowUnsealed === true && { allowUnsealed: true }),
})

const newKeyPair = Effect.gen(function* () {
  return (yield* Sodium).keyPairFromSeed(yield* randomBytes(32))
})

export const newMesh = Effect.fnUntraced(function* (options: {
  readonly slug: Slug
  readonly name: DisplayName
  readonly members: ReadonlyArray<DisplayName>
  readonly allowUnsealed?: boolean
}) {
  const owner = yield* newKeyPair
  const members = yield* Effect.forEach(options.members, (displayName) =>
    Effect.gen(function* () {
      return { memberId: MemberId.make(yield* randomHex(8)), displayName, ...(yield* newKeyPair) }
    }),
  )
  const mesh: Omit<CreateMesh, "signature"> = {
    meshId: MeshId.make(yield* randomHex(16)),
    slug: options.slug,
    name: options.name,
    ownerPublicKey: owner.publicKey,
    ...(options.allowUnsealed === true && { allowUnsealed: true }),
    members: members.map(({ displayName, memberId, publicKey }): NewMember => ({ memberId, publicKey, displayName })),
  }
  const { sign } = yield* Sodium
  const request: CreateMesh = { ...mesh, signature: sign(createMeshStatement(mesh), owner.secretKey) }
  return { request, owner, members } satisfies NewMesh
})
