/** The digits of a mesh's owner: `join` asks whether they are right, so whoever invites has them at hand to compare. */
import { fingerprint } from "@claudemesh/client/invite/SafetyNumber"
import type { Membership } from "@claudemesh/client/keys/Membership"

/** Undefined where the owner's key is not known here. */
export const ownerFingerprint = ({
  meshId,
  ownerPublicKey,
}: Pick<Membership, "meshId" | "ownerPublicKey">): string | undefined =>
  ownerPublicKey === undefined ? undefined : fingerprint(meshId, ownerPublicKey)
