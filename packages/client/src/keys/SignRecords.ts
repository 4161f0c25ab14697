/**
 * Signing the records of trust with a key that we hold, and checking those of others with libsodium. What a record says
 * is the domain's; nothing is decided here.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import { type Certificate, certificateStatement } from "@claudemesh/domain/trust/Certificate"
import { type Invite, inviteStatement } from "@claudemesh/domain/trust/Invite"
import { type MeshMoved, meshMovedStatement } from "@claudemesh/domain/trust/MeshMoved"
import { type Revocation, revocationStatement } from "@claudemesh/domain/trust/Revocation"
import type { Verifier } from "@claudemesh/domain/trust/ChainVerifier"
import { Result } from "effect"
import type { HiddenKey } from "./HiddenKey.ts"
import type { Sodium } from "./Sodium.ts"

type Signer = Pick<typeof Sodium.Service, "sign">

/** With the owner's secret key, or an admin's. */
export const signInvite = ({ sign }: Signer, invite: Omit<Invite, "signature">, secretKey: HiddenKey): Invite => ({
  ...invite,
  signature: sign(inviteStatement(invite), secretKey),
})

export const signCertificate = (
  { sign }: Signer,
  meshId: MeshId,
  certificate: Omit<Certificate, "signature" | "consent">,
  secretKeys: { readonly invite: HiddenKey; readonly member: HiddenKey },
): Certificate => {
  const statement = certificateStatement(meshId, certificate)
  return { ...certificate, signature: sign(statement, secretKeys.invite), consent: sign(statement, secretKeys.member) }
}

/** With the secret key of who revokes. */
export const signRevocation = (
  { sign }: Signer,
  revocation: Omit<Revocation, "signature">,
  secretKey: HiddenKey,
): Revocation => ({ ...revocation, signature: sign(revocationStatement(revocation), secretKey) })

/** With the owner's secret key. */
export const signMove = ({ sign }: Signer, move: Omit<MeshMoved, "signature">, secretKey: HiddenKey): MeshMoved => ({
  ...move,
  signature: sign(meshMovedStatement(move), secretKey),
})

export const verifierOf = ({ trust, verify }: Pick<typeof Sodium.Service, "trust" | "verify">): Verifier => ({
  verify,
  isUsableKey: (key) => Result.isSuccess(trust(key)),
})
