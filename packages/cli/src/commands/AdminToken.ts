/** The broker's admin token, which makes meshes there for whoever has it. */
import { type BrokerUrl, isSentInClear } from "@claudemesh/client/keys/BrokerUrl"
import { Effect, Option, Redacted } from "effect"
import { Misused } from "../Failed.ts"
import { aside } from "../Output.ts"
import * as joiningWords from "../words/joining.ts"

/** As it was copied: a space or a line's end around it is no part of it. What is no header cannot be sent at all. */
export const usableToken = Effect.fnUntraced(function* (given: Option.Option<Redacted.Redacted>) {
  if (Option.isNone(given)) return given
  const token = Redacted.value(given.value).trim()
  if (token === "") return Option.none()
  if (/^[\x21-\x7e]+$/.test(token)) return Option.some(Redacted.make(token))
  return yield* new Misused({ reason: joiningWords.theAdminTokenAdminTokenOrBroker })
})

/** Said before it is sent: a network of one's own may do without TLS, and whose it is nobody here knows. */
export const warnIfInClear = (token: Option.Option<Redacted.Redacted>, url: BrokerUrl): Effect.Effect<void> =>
  Option.isSome(token) && isSentInClear(url)
    ? aside(joiningWords.warningTheAdminTokenGoesToUnencrypted(url))
    : Effect.void
