/** Whose address counts: the header is believed only as far as there are proxies that wrote it. */
import { assert, describe, it } from "@effect/vitest"
import { addressOf } from "../src/http/Address.ts"

describe("the address that a request counts for", () => {
  it("is the socket's peer where no proxy is trusted, whatever the header says", () => {
    assert.strictEqual(addressOf("203.0.113.9", null, 0), "203.0.113.9")
    assert.strictEqual(addressOf("203.0.113.9", "198.51.100.1", 0), "203.0.113.9")
  })

  it("is what the last trusted proxy saw: what a caller wrote stands further left and is not believed", () => {
    assert.strictEqual(addressOf("10.0.0.1", "198.51.100.1", 1), "198.51.100.1")
    assert.strictEqual(addressOf("10.0.0.1", "192.0.2.66, 198.51.100.1", 1), "198.51.100.1")
    assert.strictEqual(addressOf("10.0.0.1", "192.0.2.66, 198.51.100.1, 10.0.0.2", 2), "198.51.100.1")
    assert.strictEqual(addressOf("10.0.0.1", "192.0.2.66,192.0.2.67,198.51.100.1,10.0.0.3,10.0.0.2", 3), "198.51.100.1")
  })

  it("is what an inner proxy saw when it was called itself, and the peer's where the header is none", () => {
    assert.strictEqual(addressOf("10.0.0.1", "198.51.100.1", 2), "198.51.100.1")
    assert.strictEqual(addressOf("10.0.0.1", null, 1), "10.0.0.1")
    for (const broken of ["", "unknown", "198.51.100.1, ", "a.b.c.d", "198.51.100.1 198.51.100.2"]) {
      assert.strictEqual(addressOf("10.0.0.1", broken, 1), "10.0.0.1", broken)
    }
  })

  it("has no port, one spelling, and of IPv6 only the half that one subscriber has", () => {
    assert.strictEqual(addressOf("10.0.0.1", "198.51.100.1:4711", 1), "198.51.100.1")
    assert.strictEqual(addressOf("::ffff:198.51.100.1", null, 0), "198.51.100.1")
    for (const written of [
      "2001:db8:0:7::1",
      "2001:0DB8:0000:0007:aaaa:bbbb:cccc:dddd",
      "2001:db8:0:7:1::",
      "[2001:db8:0:7::9]:4711",
    ]) {
      assert.strictEqual(addressOf("10.0.0.1", written, 1), "2001:db8:0:7", written)
    }
    assert.strictEqual(addressOf("::1", null, 0), "0:0:0:0")
    assert.strictEqual(addressOf("fe80::1%eth0", null, 0), "fe80:0:0:0")
    assert.strictEqual(addressOf("1::", null, 0), "1:0:0:0")
  })
})
