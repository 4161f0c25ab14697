/** Members with proofs, made by hand and at once: the owner's key, an invite for each role, and certificates. */
import { DisplayName, MeshId, PublicKey, SecretKey, Signature, Slug } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import type { Certificate } from "@claudemesh/domain/trust/Certificate"
import type { Invite } from "@claudemesh/domain/trust/Invite"
import { noRevocations, type Revocation, revocationHash } from "@claudemesh/domain/trust/Revocation"
import { ChainVerifier } from "@claudemesh/domain/trust/ChainVerifier"
import { ed25519 } from "@noble/curves/ed25519.js"
import { Effect, Redacted, Result } from "effect"
import { hidden, type HiddenKey } from "../../src/keys/HiddenKey.ts"
import { signCertificate, signInvite, signRevocation, verifierOf } from "../../src/keys/SignRecords.ts"
import { type KeyPair, Sodium } from "../../src/keys/Sodium.ts"
import type { Membership } from "../../src/keys/Membership.ts"
import { CertifiedMember } from "../../src/trust/TrustStore.ts"
import { at, membershipOf, type Person } from "./FakeBroker.ts"

const signer = {
  sign: (statement: string, secretKey: HiddenKey) => {
    const signature = ed25519.sign(Buffer.from(statement), Buffer.from(Redacted.value(secretKey).slice(0, 64), "hex"))
    return Signature.make(Buffer.from(signature).toString("hex"))
  },
}

/** The same keys for the same name. */
export const keysOf = (name: string): KeyPair => {
  const seed = new Uint8Array(32)
  seed.set(Buffer.from(`keys of ${name}`).subarray(0, 32))
  const publicKey = PublicKey.make(Buffer.from(ed25519.getPublicKey(seed)).toString("hex"))
  return { publicKey, secretKey: hidden(SecretKey.make(Buffer.from(seed).toString("hex") + publicKey)) }
}

export const owner = keysOf("owner")
const later = IsoTime.make("2030-01-01T00:00:00.000Z")

/** Signed by the owner for one mesh, unless the changes say otherwise. `by` signs, whoever the issuer is said to be. */
export const inviteOf = (invite: KeyPair, changes: Partial<Invite> = {}, by: KeyPair = owner): Invite =>
  signInvite(
    signer,
    {
      meshId: MeshId.make("mesh-team"),
      slug: Slug.make("team"),
      meshName: DisplayName.make("The Team"),
      allowUnsealed: false,
      ownerPublicKey: owner.publicKey,
      brokerUrl: "wss://team.example.com/ws",
      publicKey: invite.publicKey,
      role: "member",
      uses: 500,
      expiresAt: later,
      label: DisplayName.make("for the team"),
      issuer: by.publicKey,
      ...changes,
    },
    by.secretKey,
  )

export const door = keysOf("door")

export const certificateOf = (
  who: Person,
  changes: Partial<Certificate> = {},
  invite: KeyPair = door,
  meshId = MeshId.make("mesh-team"),
): Certificate =>
  signCertificate(
    signer,
    meshId,
    {
      invite: invite.publicKey,
      memberId: who.memberId,
      publicKey: who.publicKey,
      displayName: who.name,
      allowV1: false,
      joinedAt: at,
      ...changes,
    },
    { invite: invite.secretKey, member: who.secretKey },
  )

const ofMesh = (slug: string): Partial<Invite> => ({
  meshId: MeshId.make(`mesh-${slug}`),
  slug: Slug.make(slug),
  brokerUrl: `wss://${slug}.example.com/ws`,
})

/** The membership with its proof. */
export const certified = (who: Person, slug = "team", changes: Partial<Certificate> = {}) => {
  const membership = membershipOf(who, slug)
  return {
    ...membership,
    ownerPublicKey: owner.publicKey,
    certificate: certificateOf(who, changes, door, membership.meshId),
    invite: inviteOf(door, ofMesh(slug)),
  } satisfies Membership
}

/** What an honest broker has of these people, all by the owner's invite. */
export const trustOf = (people: ReadonlyArray<Person>, slug = "team") => ({
  certificates: people.map((who) => certified(who, slug).certificate),
  invites: [inviteOf(door, ofMesh(slug))],
  revocations: [],
})

/** The list with one more. */
export const withRevocation = (
  list: ReadonlyArray<Revocation>,
  subject: PublicKey,
  changes: Partial<Revocation> = {},
  by: KeyPair = owner,
): ReadonlyArray<Revocation> => {
  const meshId = MeshId.make("mesh-team")
  const last = list.at(-1)
  const unsigned = {
    meshId,
    version: list.length + 1,
    previous: last === undefined ? noRevocations(meshId) : revocationHash(last),
    subject,
    kept: [],
    at,
    by: by.publicKey,
    ...changes,
  }
  return [...list, signRevocation(signer, unsigned, by.secretKey)]
}

/** A member that messages may be sealed to. */
export const verified = Effect.fnUntraced(function* (who: Person, changes: Partial<Certificate> = {}) {
  const sodium = yield* Sodium
  const register = new ChainVerifier(MeshId.make("mesh-team"), owner.publicKey, verifierOf(sodium))
  register.learnInvite(inviteOf(door))
  register.learnCertificate(certificateOf(who, changes))
  return yield* Effect.fromNullishOr(CertifiedMember.in(register, who.publicKey, sodium)).pipe(Effect.orDie)
})

export const keyOf = Effect.fnUntraced(function* (who: Person) {
  return Result.getOrThrow((yield* Sodium).trust(who.publicKey))
})
