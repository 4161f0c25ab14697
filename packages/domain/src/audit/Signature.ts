/** Ed25519 as the audit has it: keys and signatures in hex. What is not a key verifies nothing. */
import { createPublicKey, type KeyObject, verify } from "node:crypto"

const publicKeyOf = (hex: string): KeyObject | undefined => {
  if (!/^[0-9a-f]{64}$/.test(hex)) return undefined
  try {
    const x = Buffer.from(hex, "hex").toString("base64url")
    return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" })
  } catch {
    return undefined
  }
}

export const isSignedBy = (key: string, statement: string, signature: string): boolean => {
  const known = publicKeyOf(key)
  return (
    known !== undefined &&
    /^[0-9a-f]{128}$/.test(signature) &&
    verify(null, Buffer.from(statement), known, Buffer.from(signature, "hex"))
  )
}
