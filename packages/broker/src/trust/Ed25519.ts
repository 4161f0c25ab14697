/**
 * Checking signatures and keys with libsodium, which refuses small-order and non-canonical points. Nothing here
 * signs or opens: the broker has no member's secret.
 */
import type { PublicKey, Signature } from "@claudemesh/domain/Ids"
import { Context, Effect, Layer } from "effect"
import sodium from "libsodium-wrappers"

export class Ed25519 extends Context.Service<
  Ed25519,
  {
    readonly verify: (statement: string, signature: Signature, key: PublicKey) => boolean
    /** Whether messages can be sealed to the key: a valid point, of large order. */
    readonly isUsableKey: (key: PublicKey) => boolean
  }
>()("@claudemesh/broker/trust/Ed25519") {
  static readonly layer = Layer.effect(
    Ed25519,
    Effect.promise(() => sodium.ready).pipe(Effect.as(Ed25519.of({ verify, isUsableKey }))),
  )
}

function verify(statement: string, signature: Signature, key: PublicKey): boolean {
  return sodium.crypto_sign_verify_detached(Buffer.from(signature, "hex"), statement, Buffer.from(key, "hex"))
}

function isUsableKey(key: PublicKey): boolean {
  try {
    sodium.crypto_sign_ed25519_pk_to_curve25519(Buffer.from(key, "hex"))
    return true
  } catch {
    return false
  }
}
