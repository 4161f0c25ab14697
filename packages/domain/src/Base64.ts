/** Standard base64 with padding, as text: the broker stores and passes on what it was given, and never decodes it. */
import { Schema } from "effect"

/**
 * With a length divisible by four, this is the grammar. A pattern that counts in groups of four says it alone, but
 * takes a hundred times as long on a megabyte, and refuses what is longer than the engine can track back through.
 */
export const digitsAndPadding = /^[A-Za-z0-9+/]*={0,2}$/

export const Base64 = Schema.String.check(
  Schema.isPattern(digitsAndPadding, { expected: "standard base64" }),
  Schema.makeFilter((text) => text.length % 4 === 0, { expected: "standard base64" }),
).pipe(Schema.brand("Base64"))
export type Base64 = typeof Base64.Type

export const nonceDigits = /^[A-Za-z0-9+/]{32}$/

/** 24 bytes, as `crypto_box` and `crypto_secretbox` need. */
export const Nonce = Schema.String.check(Schema.isPattern(nonceDigits, { expected: "base64 of a 24-byte nonce" })).pipe(
  Schema.brand("Nonce"),
)
export type Nonce = typeof Nonce.Type

/** How many bytes the text stands for. */
export const decodedBytes = (text: Base64): number =>
  (text.length / 4) * 3 - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0)
