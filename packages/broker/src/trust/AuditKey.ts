/**
 * The broker's audit key, the only secret that it holds. It signs checkpoints of the audit's chains, and at its end which key comes after it, and
 * nothing else: no member, message or mesh is proved by it.
 */
import { type Checkpoint, checkpointStatement } from "@claudemesh/domain/audit/Checkpoint"
import { type KeyRotation, rotationStatement } from "@claudemesh/domain/audit/KeyRotation"
import { createPrivateKey, createPublicKey, sign } from "node:crypto"

/** PKCS #8 of an Ed25519 key is this, and the seed. */
const pkcs8 = Buffer.from("302e020100300506032b657004220420", "hex")

export interface AuditKey {
  readonly publicKey: string
  readonly signed: (checkpoint: Omit<Checkpoint, "key" | "signature">) => Checkpoint
  /** Which key signs after this one. */
  readonly handsOver: (next: string, atMillis: number) => KeyRotation
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
  const signatureOf = (text: string): string => sign(null, Buffer.from(text), secret).toString("hex")
  return {
    publicKey,
    signed: (checkpoint) => {
      const unsigned = { ...checkpoint, key: publicKey }
      return { ...unsigned, signature: signatureOf(checkpointStatement(unsigned)) }
    },
    handsOver: (next, atMillis) => {
      const unsigned = { key: publicKey, next, atMillis }
      return { ...unsigned, signature: signatureOf(rotationStatement(unsigned)) }
    },
  }
}
