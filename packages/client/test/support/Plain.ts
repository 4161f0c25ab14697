/** Secret keys as text, for a test that compares them: two wrapped keys look the same to an assertion. */
import { Redacted, Schema } from "effect"
import type { HiddenKey } from "../../src/keys/HiddenKey.ts"
import { Membership } from "../../src/keys/Membership.ts"

export const plain = Schema.encodeSync(Membership)
export const allPlain = Schema.encodeSync(Schema.Array(Membership))
export const plainKey = (key: HiddenKey | undefined): string => (key === undefined ? "" : Redacted.value(key))
