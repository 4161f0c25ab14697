/** A route that breaks: its caller is answered, and learns nothing of what broke. */
import { MeshId, PublicKey, Signature } from "@claudemesh/domain/Ids"
import { formatProof } from "@claudemesh/domain/trust/SignedRequest"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Logger } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/unstable/http"
import { type Guard, proved } from "../src/http/Guard.ts"
import { makeRateLimits } from "../src/http/RateLimits.ts"
import { RequestNonces } from "../src/http/SignedRequests.ts"
import { brokerLimits } from "../src/Limits.ts"
import { Ed25519 } from "../src/trust/Ed25519.ts"

const guardWith = (nonces: Guard["nonces"]): Guard => ({
  limits: brokerLimits,
  nonces,
  rates: makeRateLimits(brokerLimits),
  audiences: () => ["ws://here"],
  addressOf: () => "192.0.2.1",
})

const noncesFor = (requestNoncesMax: number) => new RequestNonces({ ...brokerLimits, requestNoncesMax }, 0)

const everythingIsSigned = Layer.succeed(Ed25519, Effect.succeed({ verify: () => true, isUsableKey: () => true }))

const requestAt = (timeMillis: number, digit = "a"): Request =>
  new Request("http://here/join", {
    method: "POST",
    body: "{}",
    headers: {
      "content-type": "application/json",
      "claudemesh-signature": formatProof({
        mesh: MeshId.make("m1"),
        key: PublicKey.make(digit.repeat(64)),
        time: String(timeMillis),
        nonce: "0".repeat(32),
        signature: Signature.make("0".repeat(128)),
      }),
    },
  })

/** What a route that does this answers. */
const answersOf = (nonces: Guard["nonces"], handle: Effect.Effect<HttpServerResponse.HttpServerResponse>) =>
  Effect.gen(function* () {
    const route = proved(guardWith(nonces), "POST", () => handle)
    const routes = HttpRouter.add("POST", "/join", route).pipe(HttpRouter.provideRequest(everythingIsSigned))
    const { dispose, handler } = HttpRouter.toWebHandler(Layer.provideMerge(routes, Logger.layer([])), {
      disableLogger: true,
    })
    yield* Effect.addFinalizer(() => Effect.promise(dispose))
    return (request: Request) => Effect.promise(() => handler(request))
  })

describe("a request whose handling fails", () => {
  it.live("is answered 500, without a word of what broke (I12, I24)", () =>
    Effect.gen(function* () {
      const answerTo = yield* answersOf(noncesFor(10), Effect.die(new Error("a secret")))
      const answer = yield* answerTo(requestAt(yield* Clock.currentTimeMillis))
      assert.strictEqual(answer.status, 500)
      const body = { error: "internal", message: "the broker failed; try again" }
      assert.deepStrictEqual(yield* Effect.promise(() => answer.json()), body)
    }).pipe(Effect.scoped),
  )
})

describe("the memory of nonces", () => {
  it.live("is filled by no stranger's keys: what is refused is not remembered (I23)", () =>
    Effect.gen(function* () {
      const nonces = noncesFor(2)
      const now = yield* Clock.currentTimeMillis
      const refuses = yield* answersOf(nonces, Effect.succeed(HttpServerResponse.text("who?", { status: 404 })))
      for (const digit of ["1", "2", "3", "4"]) assert.strictEqual((yield* refuses(requestAt(now, digit))).status, 404)
      assert.strictEqual(nonces.size, 0)
      const grants = yield* answersOf(nonces, Effect.succeed(HttpServerResponse.text("yes")))
      assert.strictEqual((yield* grants(requestAt(now))).status, 200)
      assert.strictEqual((yield* grants(requestAt(now))).status, 401, "a second time")
      assert.strictEqual(nonces.size, 1)
    }).pipe(Effect.scoped),
  )
})
