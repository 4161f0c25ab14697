/** Owners, invites and members that are really signed, by another implementation than the program's. */
import { ed25519 } from "@noble/curves/ed25519.js"
import { DisplayName, MemberId, MeshId, PublicKey, Signature, Slug } from "../../src/Ids.ts"
import { IsoTime } from "../../src/IsoTime.ts"
import { type Certificate, certificateStatement } from "../../src/trust/Certificate.ts"
import { type Invite, inviteStatement } from "../../src/trust/Invite.ts"
import { type MeshMoved, meshMovedStatement } from "../../src/trust/MeshMoved.ts"
import { type Revocation, revocationStatement } from "../../src/trust/Revocation.ts"
import { ChainVerifier, type Verifier } from "../../src/trust/ChainVerifier.ts"

export interface Keys {
  readonly secret: Uint8Array
  readonly key: PublicKey
}

/** The same keys for the same name. */
export const keysOf = (name: string): Keys => {
  const secret = new Uint8Array(32)
  secret.set(new TextEncoder().encode(name).slice(0, 32))
  return { secret, key: PublicKey.make(Buffer.from(ed25519.getPublicKey(secret)).toString("hex")) }
}

export const sign = (statement: string, { secret }: Keys): Signature =>
  Signature.make(Buffer.from(ed25519.sign(new TextEncoder().encode(statement), secret)).toString("hex"))

export const verifier: Verifier = {
  verify: (statement, signature, key) =>
    ed25519.verify(Buffer.from(signature, "hex"), new TextEncoder().encode(statement), Buffer.from(key, "hex")),
  isUsableKey: (key) => key !== "0".repeat(64),
}

export const team = MeshId.make("m1")
export const owner = keysOf("owner")
export const noon = IsoTime.make("2026-11-24T12:00:00.000Z")

/** Signed by the owner for one member, unless the changes say otherwise. `by` signs, whoever the issuer is said to be. */
export const inviteFrom = (invite: Keys, changes: Partial<Invite> = {}, by: Keys = owner): Invite => {
  const unsigned = {
    meshId: team,
    slug: Slug.make("team"),
    meshName: DisplayName.make("The Team"),
    allowUnsealed: false,
    ownerPublicKey: owner.key,
    brokerUrl: "wss://mesh.example.com/ws",
    publicKey: invite.key,
    role: "member" as const,
    uses: 1,
    expiresAt: IsoTime.make("2026-12-01T00:00:00.000Z"),
    label: DisplayName.make("for the team"),
    issuer: by.key,
    ...changes,
  }
  return { ...unsigned, signature: sign(inviteStatement(unsigned), by) }
}

/** In letters: digits look like some of them. */
const nameLetters = (key: string): string =>
  key.slice(0, 8).replaceAll(/\d/g, (digit) => "ghjkmprtwz".charAt(Number(digit)))

export const certificateFor = (member: Keys, invite: Keys, changes: Partial<Certificate> = {}): Certificate => {
  const unsigned = {
    invite: invite.key,
    memberId: MemberId.make(`id-${member.key.slice(0, 8)}`),
    publicKey: member.key,
    // No two members of a mesh are called alike.
    displayName: DisplayName.make(`Bob ${nameLetters(member.key)}`),
    allowV1: false,
    joinedAt: noon,
    ...changes,
  }
  const statement = certificateStatement(team, unsigned)
  return { ...unsigned, signature: sign(statement, invite), consent: sign(statement, member) }
}

/** The next one of the register's list. */
export const revocationIn = (
  register: ChainVerifier,
  subject: PublicKey,
  by: Keys,
  changes: Partial<Revocation> = {},
): Revocation => {
  const unsigned = {
    meshId: team,
    version: register.version + 1,
    previous: register.head,
    subject,
    kept: [],
    at: noon,
    by: by.key,
    ...changes,
  }
  return { ...unsigned, signature: sign(revocationStatement(unsigned), by) }
}

/** Where the owner, or whoever signs as if it were, says that the mesh is. */
export const movedBy = (by: Keys, changes: Partial<MeshMoved> = {}): MeshMoved => {
  const unsigned = { meshId: team, version: 1, brokerUrl: "wss://new.example.com/ws", at: noon, ...changes }
  return { ...unsigned, signature: sign(meshMovedStatement(unsigned), by) }
}

export const newRegister = (): ChainVerifier => new ChainVerifier(team, owner.key, verifier)
