/** The signed records behind the members, passed on as they were signed: the broker's word counts for nothing in them. */
import type { PublicKey } from "@claudemesh/domain/Ids"
import { trustRevocationsMax } from "@claudemesh/domain/Limits"
import type { Certificate } from "@claudemesh/domain/trust/Certificate"
import type { Invite } from "@claudemesh/domain/trust/Invite"
import type { GetTrust } from "@claudemesh/domain/wire/ClientFrame"
import { Effects } from "./MeshCommand.ts"
import type { Connection, MeshState } from "./MeshState.ts"

export const getTrust = (
  { register }: MeshState,
  { peer }: Connection,
  { after, id, keys }: GetTrust,
  effects: Array<Effects>,
): void => {
  const revocations = register.revocations.slice(after, after + trustRevocationsMax)
  const certificates = new Map<PublicKey, Certificate>()
  const invites = new Map<PublicKey, Invite>()
  /** A chain has two links at most, so this ends: what was collected is not looked at again. */
  const collect = (key: PublicKey): void => {
    const certificate = register.certificates.get(key)
    if (certificate === undefined || certificates.has(key)) return
    certificates.set(key, certificate)
    const invite = register.invites.get(certificate.invite)
    if (invite === undefined) return
    invites.set(invite.publicKey, invite)
    collect(invite.issuer)
  }
  for (const key of keys) collect(key)
  // Whether a revocation counts depends on who signed it, and on whose key it ends.
  for (const { by, subject } of revocations) {
    collect(by)
    collect(subject)
    const invite = register.invites.get(subject)
    if (invite !== undefined) invites.set(subject, invite)
  }
  effects.push(
    Effects.Send({
      peer,
      frame: {
        type: "trust",
        id,
        certificates: [...certificates.values()],
        invites: [...invites.values()],
        revocations,
        version: register.version,
      },
    }),
  )
}
