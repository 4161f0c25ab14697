/**
 * Checking signatures and keys with libsodium, which refuses small-order and non-canonical points. Nothing here
 * signs or opens: the broker has no member's secret. Libsodium is large, and is loaded after the start: whoever has something to check
 * before waits for it, and nobody can check without having waited.
 */
import type { Verifier } from "@claudemesh/domain/trust/ChainVerifier"
import { Context, Effect, Layer } from "effect"

/** By then a broker answers. Asked for or not: what is replaced on the disk while it runs is not to be missing later. */
const loadedAfterMillis = 500

export class Ed25519 extends Context.Service<Ed25519, Effect.Effect<Verifier>>()("@claudemesh/broker/trust/Ed25519") {
  static readonly layer = Layer.effect(
    Ed25519,
    Effect.gen(function* () {
      let loaded: Verifier | undefined
      const load = Effect.tap(
        Effect.promise((): Promise<Verifier> => import("./Libsodium.ts")),
        (verifier) => Effect.sync(() => void (loaded = verifier)),
      )
      yield* Effect.forkScoped(
        Effect.andThen(
          Effect.sleep(loadedAfterMillis),
          Effect.tapCause(load, (cause) =>
            Effect.logError(
              "libsodium cannot be loaded, so that nobody is let in: install it again, and restart",
              cause,
            ),
          ),
        ),
      )
      return Effect.suspend(() => (loaded === undefined ? load : Effect.succeed(loaded)))
    }),
  )
}
