/**
 * The branded ids of the system. Five different things name a party (mesh, member, session, presence, key),
 * and no function takes a bare string for one. The patterns keep every id free of the separators that signed
 * statements and targets are joined with (`|`, `/`, newline), so that no two statements read the same.
 */
import { Schema } from "effect"
import { idPatterns } from "./IdPatterns.ts"

const branded = <const Brand extends string>(pattern: RegExp, brand: Brand, expected: string) =>
  Schema.String.check(Schema.isPattern(pattern, { expected })).pipe(Schema.brand(brand))

/** 1 to 64 letters, digits, `_`, `-`. Permanent. */
export const MeshId = branded(/^[A-Za-z0-9_-]{1,64}$/, "MeshId", "a mesh id: 1 to 64 letters, digits, _ or -")
export type MeshId = typeof MeshId.Type

/** 1 to 64 letters, digits, `_`, `-`; unique within its mesh. */
export const MemberId = branded(/^[A-Za-z0-9_-]{1,64}$/, "MemberId", "a member id: 1 to 64 letters, digits, _ or -")
export type MemberId = typeof MemberId.Type

/** Named by the session's host, so it is a label and never a proof. Survives reconnects and restarts. */
export const SessionId = branded(
  idPatterns.sessionId,
  "SessionId",
  "a session id: 1 to 128 letters, digits, . _ : or -",
)
export type SessionId = typeof SessionId.Type

/** The broker's id for one live attachment of a session. */
export const PresenceId = branded(/^[A-Za-z0-9-]{1,64}$/, "PresenceId", "a presence id")
export type PresenceId = typeof PresenceId.Type

/** The sender's idempotency key, unique for each member. */
export const ClientMessageId = branded(
  idPatterns.clientMessageId,
  "ClientMessageId",
  "a message id of the client: 1 to 64 letters, digits, . _ : or -",
)
export type ClientMessageId = typeof ClientMessageId.Type

/** 32 hex digits, see `trust/MessageIdentity.ts` for how it follows from the sender's key and idempotency key. */
export const MessageId = branded(idPatterns.messageId, "MessageId", "a message id: 32 lower-case hex digits")
export type MessageId = typeof MessageId.Type

/** Correlates a request with its one reply. */
export const RequestId = branded(/^[A-Za-z0-9._:-]{1,64}$/, "RequestId", "a request id")
export type RequestId = typeof RequestId.Type

/** An ed25519 public key: 32 bytes as 64 lower-case hex digits. Upper case is no key. */
export const PublicKey = branded(idPatterns.publicKey, "PublicKey", "a public key: 64 lower-case hex digits")
export type PublicKey = typeof PublicKey.Type

/** An ed25519 secret key: seed and public key, 64 bytes as 128 lower-case hex digits. */
export const SecretKey = branded(/^[0-9a-f]{128}$/, "SecretKey", "a secret key: 128 lower-case hex digits")
export type SecretKey = typeof SecretKey.Type

/** A detached ed25519 signature: 64 bytes as 128 lower-case hex digits. */
export const Signature = branded(/^[0-9a-f]{128}$/, "Signature", "a signature: 128 lower-case hex digits")
export type Signature = typeof Signature.Type

/** What people call a mesh; the client keeps it unique among the meshes it joined. */
export const Slug = branded(
  /^[a-z0-9][a-z0-9-]{0,31}$/,
  "Slug",
  "a slug: 1 to 32 lower-case letters, digits or -, beginning with a letter or digit",
)
export type Slug = typeof Slug.Type

/** One line a person reads: no control, format or line-separating characters, and nothing UTF-8 cannot write. */
export const DisplayName = branded(
  /^(?!\s)[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]{1,64}(?<!\s)$/u,
  "DisplayName",
  "a display name: 1 to 64 printable characters, no space at either end",
)
export type DisplayName = typeof DisplayName.Type

/** The name of a channel (without `#`) or a tag (without `tag:`). */
export const Label = branded(
  idPatterns.label,
  "Label",
  "a label: 1 to 64 lower-case letters, digits, . _ or -, beginning with a letter or digit",
)
export type Label = typeof Label.Type
