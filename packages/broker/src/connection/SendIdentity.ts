/**
 * What a send is known by: its message id, and a hash of what it says that tells a resend from another message
 * under the same id (I7).
 */
import { hash } from "node:crypto"
import { MessageId } from "@claudemesh/domain/Ids"
import { formatTarget } from "@claudemesh/domain/routing/Target"
import type { Send } from "@claudemesh/domain/wire/ClientFrame"
import { Crypto, Effect } from "effect"

/** A v1 send may have no id: then nobody can resend it, and any new id will do. */
export const anyMessageId = Effect.gen(function* () {
  const bytes = yield* (yield* Crypto.Crypto).randomBytes(16)
  return MessageId.make(Buffer.from(bytes).toString("hex"))
})

/** SHA-256 in hex. The fields are joined unambiguously: none of the first ones can hold a newline. */
export const contentHashOf = ({
  ciphertext,
  nonce,
  priority,
  replyTo,
  sealedKeys,
  targetSpec,
  ttlSeconds,
}: Send): string =>
  hash(
    "sha256",
    `${formatTarget(targetSpec)}\n${priority}\n${replyTo ?? ""}\n${ttlSeconds ?? ""}\n${nonce}\n${ciphertext}${sealedKeys === undefined ? "[]" : JSON.stringify(sealedKeys)}`,
    "hex",
  )
