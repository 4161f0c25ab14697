/** A route that breaks: its caller is answered, and learns nothing of what broke. */
import { MeshId, PublicKey, Signature } from "@claudemesh/domain/Ids"
import { formatProof } from "@claudemesh/domain/trust/SignedRequest"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Logger } from "effect"
import { HttpRouter } from "effect/unstable/http"
import { type Guard, proved } from "../src/http/Guard.ts"
import { makeRateLimits } from "../src/http/RateLimits.ts"
import { RequestNonces } from "../src/http/SignedRequests.ts"
import { brokerLimits } from "../src/Limits.ts"
import { Ed25519 } from "../src/trust/Ed25519.ts"

const guard: Guard = {
  limits: brokerLimits,
  nonces: new RequestNonces(10, 0),
  rates: makeRateLimits(brokerLimits),
  audiences: () => ["ws://here"],
}
const everythingIsSigned = Layer.succeed(Ed25519, Ed25519.of({ verify: () => true, isUsableKey: () => true }))

const requestAt = (timeMillis: number): Request =>
  new Request("http://here/join", {
    method: "POST",
    body: "{}",
    headers: {
      "content-type": "application/json",
      "claudemesh-signature": formatProof({
        mesh: MeshId.make("m1"),
        key: PublicKey.make("a".repeat(64)),
        time: String(timeMillis),
        nonce: "0".repeat(32),
        signature: Signature.make("0".repeat(128)),
      }),
    },
  })

describe("a request whose handling fails", () => {
  it.live("is answered 500, without a word of what broke (I12, I24)", () =>
    Effect.gen(function* () {
      const broken = proved(guard, "POST", () => Effect.die(new Error("a secret")))
      const routes = HttpRouter.add("POST", "/join", broken).pipe(HttpRouter.provideRequest(everythingIsSigned))
      const { dispose, handler } = HttpRouter.toWebHandler(Layer.provideMerge(routes, Logger.layer([])), {
        disableLogger: true,
      })
      yield* Effect.addFinalizer(() => Effect.promise(dispose))
      const request = requestAt(yield* Clock.currentTimeMillis)
      const answer = yield* Effect.promise(() => handler(request))
      assert.strictEqual(answer.status, 500)
      const body = { error: "internal", message: "the broker failed; try again" }
      assert.deepStrictEqual(yield* Effect.promise(() => answer.json()), body)
    }).pipe(Effect.scoped),
  )
})
