/**
 * The config file of the first clients (`docs/protocol.md`, Files), for a member who uses one of them. They know no
 * certificate and no owner, so such a file is for who is certified to use them, and says nothing else.
 */
import { Redacted } from "effect"
import type { Memberships } from "./ConfigFile.ts"
import type { PublicMembership } from "./Membership.ts"

/** Who joined with a first client has no certificate, and may go on using it. */
export const mayUseFirstClients = ({ certificate, ownerPublicKey }: PublicMembership): boolean =>
  certificate === undefined ? ownerPublicKey === undefined : certificate.allowV1

export const firstClientsConfig = (memberships: Memberships): string => {
  const meshes = memberships.map(({ brokerUrl, joinedAt, memberId, meshId, name, pubkey, secretKey, slug }) => ({
    meshId,
    memberId,
    slug,
    name,
    pubkey,
    secretKey: Redacted.value(secretKey),
    brokerUrl,
    joinedAt,
  }))
  return `${JSON.stringify({ version: 1, meshes }, undefined, 2)}\n`
}
