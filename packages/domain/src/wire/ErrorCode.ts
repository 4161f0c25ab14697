/** The closed set of error codes a broker answers with, and for each whether the same request may succeed later. */
import { Schema } from "effect"

export const ErrorCode = Schema.Literals([
  "malformed",
  "unknown_type",
  "no_hello",
  "already_greeted",
  "capacity",
  "session_in_use",
  "timestamp_skew",
  "bad_signature",
  "replayed",
  "unauthorized",
  "revoked",
  "bad_target",
  "unknown_target",
  "unsealed",
  "too_large",
  "id_conflict",
  "unknown_message",
  "unsupported",
  "rate_limited",
  "backlog_full",
  "flooding",
  "busy",
  "unavailable",
  "internal",
])
export type ErrorCode = typeof ErrorCode.Type

const retryable: ReadonlySet<string> = new Set<ErrorCode>([
  "capacity",
  "rate_limited",
  "backlog_full",
  "flooding",
  "busy",
  "unavailable",
  "internal",
])

/** A code of a newer broker is not: what it means is not known. */
export const isRetryable = (code: string): boolean => retryable.has(code)
