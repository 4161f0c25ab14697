/** What makes a request proved, and what is remembered of it. */
import { createHash } from "node:crypto"
import { MeshId, PublicKey, Signature } from "@claudemesh/domain/Ids"
import {
  formatProof,
  type RequestFacts,
  requestSkewMillis,
  requestStatement,
} from "@claudemesh/domain/trust/SignedRequest"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { RateLimit } from "../src/http/RateLimits.ts"
import { ProvedRequest, RequestNonces } from "../src/http/SignedRequests.ts"

const audience = "wss://mesh.example.com"
const mesh = MeshId.make("m1")
const alice = PublicKey.make("a".repeat(64))
const startedMillis = 1_000_000

/** Stands in for a signature: what it was made over, and by whom. */
const sign = (statement: string, key: PublicKey): Signature =>
  Signature.make(createHash("sha512").update(`${key}\n${statement}`).digest("hex"))
const verifier = {
  verify: (statement: string, signature: Signature, key: PublicKey) => signature === sign(statement, key),
}

const sent: RequestFacts = { audience, method: "POST", path: "/join", body: "{}" }

/** A broker's memory, and requests to it. */
const world = ({ noncesMax = 100, perKey = 100, perAddress = 100, burst = 100 } = {}) => {
  const bounds = {
    requestNoncesMax: noncesMax,
    requestNoncesPerKeyMax: perKey,
    requestNoncesPerAddressMax: perAddress,
  }
  const nonces = new RequestNonces(bounds, startedMillis)
  const rate = new RateLimit<PublicKey>(1, burst, 10)
  let numbers = 0
  const nextNonce = () => (++numbers).toString(16).padStart(32, "0")
  const headerAt = (
    timeMillis: number,
    signed: Partial<RequestFacts> = {},
    nonce = nextNonce(),
    signer = alice,
    key = alice,
  ) => {
    const unsigned = { mesh, key, time: String(timeMillis), nonce }
    return formatProof({ ...unsigned, signature: sign(requestStatement({ ...sent, ...signed }, unsigned), signer) })
  }
  const take = (header: string | undefined, nowMillis: number, address = "192.0.2.1") =>
    ProvedRequest.verify(
      { ...sent, header, address },
      { nowMillis, audiences: ["ws://127.0.0.1:7900", audience], verifier, nonces, rate },
    )
  const answerTo = (header: string | undefined, nowMillis: number, address?: string) => {
    const taken = take(header, nowMillis, address)
    return Result.isSuccess(taken) ? "taken" : taken.failure.code
  }
  /** Another key's, properly signed. */
  const headerOf = (key: PublicKey, timeMillis: number) => headerAt(timeMillis, {}, nextNonce(), key, key)
  return { answerTo, headerAt, headerOf, nextNonce, nonces, take }
}
const now = startedMillis + 500_000

describe("a signed request", () => {
  it("proves the key and the mesh it was signed with, and carries the body that was signed", () => {
    const { headerAt, take } = world()
    const taken = take(headerAt(now), now)
    assert.isTrue(Result.isSuccess(taken))
    const { body, key, mesh: signedFor } = Result.getOrThrow(taken)
    assert.deepStrictEqual({ body, key, signedFor }, { body: "{}", key: alice, signedFor: mesh })
  })

  it("is taken once", () => {
    const { answerTo, headerAt } = world()
    const header = headerAt(now)
    assert.strictEqual(answerTo(header, now), "taken")
    assert.strictEqual(answerTo(header, now + 1), "replayed")
    assert.strictEqual(answerTo(header, now + requestSkewMillis), "replayed")
    assert.strictEqual(answerTo(header, now + requestSkewMillis + 1), "stale")
  })

  it("is unsigned without a header of exactly its form", () => {
    const { answerTo, headerAt } = world()
    for (const header of [undefined, "", "mesh=m1", `${headerAt(now)} `, `${headerAt(now)} nonce=1`]) {
      assert.strictEqual(answerTo(header, now), "unsigned", header)
    }
  })

  it("proves nothing at another broker, by another method, to another path, with another body, or by another key", () => {
    const { answerTo, headerAt, nextNonce } = world()
    const elsewhere: ReadonlyArray<Partial<RequestFacts>> = [
      { audience: "wss://elsewhere.example.com" },
      { method: "GET" },
      { path: "/invites" },
      { path: "/join?again" },
      { body: "{} " },
    ]
    for (const signed of elsewhere) {
      assert.strictEqual(answerTo(headerAt(now, signed), now), "bad_signature", JSON.stringify(signed))
    }
    const mallory = PublicKey.make("b".repeat(64))
    assert.strictEqual(answerTo(headerAt(now, {}, nextNonce(), mallory), now), "bad_signature")
  })

  it("is stale further than a minute from the broker's clock, and before the broker's start", () => {
    const { answerTo, headerAt } = world()
    for (const [signedAt, answer] of [
      [now - requestSkewMillis - 1, "stale"],
      [now - requestSkewMillis, "taken"],
      [now + requestSkewMillis, "taken"],
      [now + requestSkewMillis + 1, "stale"],
    ] as const) {
      assert.strictEqual(answerTo(headerAt(signedAt), now), answer, String(signedAt - now))
    }
    assert.strictEqual(answerTo(headerAt(startedMillis - 1), startedMillis), "stale")
    assert.strictEqual(answerTo(headerAt(startedMillis), startedMillis), "taken")
  })

  it("is not taken a second time when the clock is set back after its nonce was forgotten", () => {
    const { answerTo, headerAt, nonces } = world()
    const header = headerAt(now)
    assert.strictEqual(answerTo(header, now), "taken")
    const later = now + requestSkewMillis + 1
    assert.strictEqual(answerTo(headerAt(later), later), "taken")
    assert.strictEqual(nonces.size, 1)
    assert.strictEqual(answerTo(header, now), "stale")
  })
})

describe("what is remembered of requests", () => {
  it("is bounded: when it is full a request is too fast, until the first are over (I23)", () => {
    const { answerTo, headerAt, nonces } = world({ noncesMax: 3 })
    // The one that is good longest came first, and does not keep the others.
    assert.strictEqual(answerTo(headerAt(now + 10_000), now), "taken")
    assert.strictEqual(answerTo(headerAt(now), now), "taken")
    assert.strictEqual(answerTo(headerAt(now), now), "taken")
    assert.strictEqual(answerTo(headerAt(now), now), "rate_limited")
    assert.strictEqual(nonces.size, 3)
    const later = now + requestSkewMillis + 1
    assert.strictEqual(answerTo(headerAt(later), later), "taken")
    assert.strictEqual(nonces.size, 2)
  })

  it("has room for each key: one that asks much is told to wait, and the others are not, from wherever (I23)", () => {
    const { answerTo, headerOf } = world({ perKey: 2 })
    const bob = PublicKey.make("b".repeat(64))
    const answers = (key: PublicKey, atMillis: number) =>
      ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map((address) => answerTo(headerOf(key, atMillis), atMillis, address))
    assert.deepStrictEqual(answers(alice, now), ["taken", "taken", "rate_limited"])
    assert.deepStrictEqual(answers(bob, now), ["taken", "taken", "rate_limited"])
    const later = now + requestSkewMillis + 1
    assert.deepStrictEqual(answers(alice, later), ["taken", "taken", "rate_limited"])
  })

  it("has room for each address: many keys of one are told to wait, and those of others are not (I23)", () => {
    const { answerTo, headerOf, nonces } = world({ perAddress: 2 })
    const keys = ["1", "2", "3"].map((digit) => PublicKey.make(digit.repeat(64)))
    const answers = (address: string) => keys.map((key) => answerTo(headerOf(key, now), now, address))
    assert.deepStrictEqual(answers("192.0.2.1"), ["taken", "taken", "rate_limited"])
    assert.deepStrictEqual(answers("192.0.2.2"), ["taken", "taken", "rate_limited"])
    assert.strictEqual(nonces.size, 4)
  })

  it("counts for nobody what was not granted: its key and its address have their room again (I13, I23)", () => {
    const { answerTo, headerAt, nextNonce, nonces } = world({ perKey: 1, perAddress: 1 })
    for (let tries = 0; tries < 3; tries++) {
      const nonce = nextNonce()
      assert.strictEqual(answerTo(headerAt(now, {}, nonce), now), "taken")
      nonces.release(alice, nonce)
      // A second release takes nothing from anybody.
      nonces.release(alice, nonce)
    }
    assert.strictEqual(answerTo(headerAt(now), now), "taken")
    assert.strictEqual(answerTo(headerAt(now), now), "rate_limited")
  })

  it("is nothing that a key did not sign: neither its nonces nor its rate are used up by others (I23)", () => {
    const { answerTo, headerAt, nextNonce, nonces } = world({ burst: 1 })
    const nonce = nextNonce()
    for (let tries = 0; tries < 5; tries++) {
      assert.strictEqual(answerTo(headerAt(now, { path: "/invites" }, nonce), now), "bad_signature")
    }
    assert.strictEqual(nonces.size, 0)
    assert.strictEqual(answerTo(headerAt(now, {}, nonce), now), "taken")
    assert.strictEqual(answerTo(headerAt(now), now), "rate_limited")
  })
})
