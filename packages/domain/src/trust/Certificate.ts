/**
 * A member, signed with the secret key of the invite that it joined by, and with its own. Together with the invite, which
 * is signed by the owner or by an admin, it proves the membership to everybody who knows the owner's key, without the
 * broker. Its own signature says that it is the one who wants to be called so: else whoever has any link could certify a
 * key that is there already once more, under another name.
 */
import { Schema } from "effect"
import { MemberId, type MeshId, PublicKey, Signature } from "../Ids.ts"
import { IsoTime } from "../IsoTime.ts"
import { MemberName } from "./MemberName.ts"

export const Certificate = Schema.Struct({
  /** The invite's public key. */
  invite: PublicKey,
  memberId: MemberId,
  publicKey: PublicKey,
  displayName: MemberName,
  /** The member may use a client of v1, which shows bare text. To all others nothing is ever sealed without its bindings. */
  allowV1: Schema.Boolean,
  joinedAt: IsoTime,
  /** By the invite's secret key. */
  signature: Signature,
  /** By the member's. */
  consent: Signature,
})
export type Certificate = typeof Certificate.Type

/** What both of them sign. */
export const certificateStatement = (meshId: MeshId, certificate: Omit<Certificate, "signature" | "consent">): string =>
  [
    "claudemesh-certificate-v1",
    meshId,
    certificate.invite,
    certificate.memberId,
    certificate.publicKey,
    certificate.displayName,
    certificate.allowV1 ? "v1-too" : "v2-only",
    certificate.joinedAt,
  ].join("\n")
