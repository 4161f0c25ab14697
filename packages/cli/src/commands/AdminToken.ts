/** The broker's admin token, which makes meshes there for whoever has it. */
import { type BrokerUrl, isSentInClear } from "@claudemesh/client/keys/BrokerUrl"
import { Effect, Option, type Redacted } from "effect"
import { aside } from "../Output.ts"

/** Said before it is sent: a network of one's own may do without TLS, and whose it is nobody here knows. */
export const warnIfInClear = (token: Option.Option<Redacted.Redacted>, url: BrokerUrl): Effect.Effect<void> =>
  Option.isSome(token) && isSentInClear(url)
    ? aside(
        `claudemesh: warning: the admin token goes to ${url} unencrypted, so everybody on the way there can read it. ` +
          "Use a wss:// URL. If others may have read the token, give the broker another one (BROKER_ADMIN_TOKEN).",
      )
    : Effect.void
