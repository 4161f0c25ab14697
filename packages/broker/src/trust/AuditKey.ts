/**
 * The broker's audit key, the only secret that it holds. It signs checkpoints of the audit's chains and nothing else: no member, message or
 * mesh is proved by it.
 */
import { type Checkpoint, checkpointStatement } from "@claudemesh/domain/audit/Checkpoint"
import { createPrivateKey, createPublicKey, sign } from "node:crypto"

/** PKCS #8 of an Ed25519 key is this, and the seed. */
const pkcs8 = Buffer.from("302e020100300506032b657004220420", "hex")

export interface AuditKey {
  readonly publicKey: string
  readonly signed: (checkpoint: Omit<Checkpoint, "key" | "signature">) => Checkpoint
}

/** Of 32 bytes in hex. */
export const auditKeyOf = (seed: string): AuditKey => {
  const secret = createPrivateKey({
    key: Buffer.concat([pkcs8, Buffer.from(seed, "hex")]),
    format: "der",
    type: "pkcs8",
  })
  const { x = "" } = createPublicKey(secret).export({ format: "jwk" })
  const publicKey = Buffer.from(x, "base64url").toString("hex")
  return {
    publicKey,
    signed: (checkpoint) => {
      const unsigned = { ...checkpoint, key: publicKey }
      const signature = sign(null, Buffer.from(checkpointStatement(unsigned)), secret).toString("hex")
      return { ...unsigned, signature }
    },
  }
}
