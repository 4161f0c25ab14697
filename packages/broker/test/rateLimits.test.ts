/** The rates of addresses and keys, and the memory they are kept in. */
import { assert, describe, it } from "@effect/vitest"
import { RateLimit } from "../src/http/RateLimits.ts"

const takeAll = (limit: RateLimit<string>, key: string, times: number, nowMillis: number): number =>
  Array.from({ length: times }, () => limit.take(key, nowMillis)).filter((admitted) => admitted).length

describe("a rate", () => {
  it("admits a burst at once and so many a second for ever, for each key by itself (I23)", () => {
    const limit = new RateLimit(2, 5, 10)
    assert.strictEqual(takeAll(limit, "a", 9, 1_000), 5)
    assert.strictEqual(takeAll(limit, "b", 9, 1_000), 5)
    assert.strictEqual(takeAll(limit, "a", 9, 2_000), 2)
    assert.strictEqual(limit.retryAfterSeconds, 1)
    assert.strictEqual(new RateLimit(0.1, 1, 1).retryAfterSeconds, 10)
  })

  it("is remembered for a bounded number, and the one that was quiet longest makes room (I23)", () => {
    const limit = new RateLimit(1, 2, 3)
    for (const key of ["a", "b", "c"]) assert.strictEqual(takeAll(limit, key, 2, 0), 2)
    assert.isFalse(limit.take("a", 0))
    limit.take("d", 0)
    assert.strictEqual(limit.size, 3)
    // `b` was quiet longest and is forgotten, `a` is not though it came first.
    assert.isFalse(limit.take("a", 0))
    assert.isTrue(limit.take("b", 0))
    for (let each = 0; each < 1_000; each++) limit.take(`stranger ${each}`, 0)
    assert.strictEqual(limit.size, 3)
  })
})
