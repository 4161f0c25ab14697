/**
 * The end of a key's word: a member's, or an invite's. A mesh's revocations are one list. Each names the one before it
 * by its hash, so the list can be neither forked nor thinned out, and its length is its version: who knows of version 5
 * notices a broker that shows four.
 */
import { hash } from "node:crypto"
import { Schema } from "effect"
import { MeshId, PublicKey, Signature } from "../Ids.ts"
import { IsoTime } from "../IsoTime.ts"

/** SHA-256 in hex. */
const Sha256 = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/, { expected: "64 lower-case hex digits" }))

export const keptMax = 500

export const Revocation = Schema.Struct({
  meshId: MeshId,
  /** 1 for a mesh's first, then without a gap. */
  version: Schema.Int.check(Schema.isGreaterThan(0)),
  /** See {@link revocationHash}; of the first one, {@link noRevocations}. */
  previous: Sha256,
  /** The member's key or the invite's. */
  subject: PublicKey,
  /** Members that came by this key and stay: all others that its word stands behind go with it. */
  kept: Schema.Array(PublicKey).check(Schema.isMaxLength(keptMax)),
  at: IsoTime,
  /** The owner's key, an admin's, or the subject's own: it leaves. */
  by: PublicKey,
  signature: Signature,
})
export type Revocation = typeof Revocation.Type

export const revocationStatement = (revocation: Omit<Revocation, "signature">): string =>
  [
    "claudemesh-revocation-v1",
    revocation.meshId,
    revocation.version,
    revocation.previous,
    revocation.subject,
    revocation.at,
    revocation.by,
    ...revocation.kept,
  ].join("\n")

export const revocationHash = (revocation: Revocation): string =>
  hash("sha256", `${revocationStatement(revocation)}\n${revocation.signature}`, "hex")

export const noRevocations = (meshId: MeshId): string =>
  hash("sha256", `claudemesh-no-revocations-v1\n${meshId}`, "hex")
