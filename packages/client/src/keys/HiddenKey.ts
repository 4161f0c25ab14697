/**
 * A secret key in memory. It is wrapped, so that no log, no error and no `JSON.stringify` shows it; it is unwrapped where
 * it is used (`Sodium.ts`) and where it is written down, by its schema.
 */
import { SecretKey } from "@claudemesh/domain/Ids"
import { Redacted, Schema } from "effect"

const label = "secret key"

export const HiddenKey = Schema.RedactedFromValue(SecretKey, { label })
export type HiddenKey = Redacted.Redacted<SecretKey>

export const hidden = (key: SecretKey): HiddenKey => Redacted.make(key, { label })
