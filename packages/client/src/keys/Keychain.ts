/**
 * The system's keychain as a port: named secrets that other users of the machine, and a copy of its disk, do not have.
 * The real one is `Bun.secrets` (Keychain Services, libsecret, Windows' Credential Manager), and it is touched here only.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import { Context, Effect, Option, Schema } from "effect"

export class KeychainUnusable extends Schema.TaggedError<KeychainUnusable>()("KeychainUnusable", {
  doing: Schema.Literals(["read", "write"]),
  reason: Schema.String,
}) {
  get what() {
    return this.doing === "write"
      ? `the system's keychain cannot be written (${this.reason}).`
      : `the system's keychain cannot be read (${this.reason}), and keys of yours are in it.`
  }
  get hint() {
    return this.doing === "write"
      ? "Unlock it, or leave CLAUDEMESH_SECRET_STORE unset to keep keys in the config file."
      : "Unlock it, or import them again from an export."
  }
  override get message() {
    return withHint(this)
  }
}

export interface KeychainPort {
  readonly get: (name: string) => Effect.Effect<Option.Option<string>, KeychainUnusable>
  readonly set: (name: string, value: string) => Effect.Effect<void, KeychainUnusable>
  readonly remove: (name: string) => Effect.Effect<void, KeychainUnusable>
}

const service = "claudemesh"

/** A keychain may ask its owner to unlock it; nobody may be there. */
const timeout = "60 seconds"

const asking = <A>(doing: KeychainUnusable["doing"], ask: () => Promise<A>) =>
  Effect.tryPromise({
    try: ask,
    catch: (error) => new KeychainUnusable({ doing, reason: error instanceof Error ? error.message : String(error) }),
  }).pipe(
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.fail(new KeychainUnusable({ doing, reason: "it gives no answer" })),
    }),
  )

const ofTheSystem: KeychainPort = {
  get: (name) =>
    Effect.map(
      asking("read", () => Bun.secrets.get({ service, name })),
      Option.fromNullishOr,
    ),
  set: (name, value) => asking("write", () => Bun.secrets.set({ service, name, value })),
  remove: (name) => Effect.asVoid(asking("write", () => Bun.secrets.delete({ service, name }))),
}

export const Keychain = Context.Reference<KeychainPort>("@claudemesh/client/keys/Keychain", {
  defaultValue: () => ofTheSystem,
})
