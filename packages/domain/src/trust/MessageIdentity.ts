/**
 * A message's id follows from who sent it and from its idempotency key. So a resend has the same id without a
 * look-up, and a broker cannot show one message under two ids: the sealed text names the idempotency key, and
 * the receiver computes the id again.
 */
import { hash } from "node:crypto"
import { MessageId, type MeshId, type PublicKey } from "../Ids.ts"

/** The first 16 bytes of SHA-256 over the four lines, in hex. */
export const messageIdOf = (meshId: MeshId, senderKey: PublicKey, idempotencyKey: string): MessageId =>
  MessageId.make(
    hash("sha256", `claudemesh-message-id-v1\n${meshId}\n${senderKey}\n${idempotencyKey}`, "hex").slice(0, 32),
  )
