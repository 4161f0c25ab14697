/** What is checked with libsodium, once it is ready. `Ed25519.ts` loads this. */
import type { PublicKey, Signature } from "@claudemesh/domain/Ids"
import sodium from "libsodium-wrappers"

await sodium.ready

export const verify = (statement: string, signature: Signature, key: PublicKey): boolean =>
  sodium.crypto_sign_verify_detached(Buffer.from(signature, "hex"), statement, Buffer.from(key, "hex"))

export const isUsableKey = (key: PublicKey): boolean => {
  try {
    sodium.crypto_sign_ed25519_pk_to_curve25519(Buffer.from(key, "hex"))
    return true
  } catch {
    return false
  }
}
