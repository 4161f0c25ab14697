/** Through which proxy a URL is dialled. */
import { assert, describe, it } from "@effect/vitest"
import { proxyFor } from "../../src/connection/Proxy.ts"

const settings = { https: "http://secure.test:3128", http: "plain.test:8080", not: "" }
const without = (not: string, url: string) => proxyFor(url, { ...settings, not })

describe("the proxy of a URL", () => {
  it("is that of its scheme, for HTTP and WebSocket alike", () => {
    for (const url of ["https://a.test/x", "wss://a.test/ws"])
      assert.strictEqual(proxyFor(url, settings), settings.https)
    for (const url of ["http://a.test/x", "ws://a.test/ws"]) {
      assert.strictEqual(proxyFor(url, settings), "http://plain.test:8080")
    }
    assert.isUndefined(proxyFor("ws://a.test/ws", { ...settings, http: " " }))
  })

  it("is none for this machine, whatever the environment says", () => {
    for (const host of ["localhost", "app.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"]) {
      assert.isUndefined(proxyFor(`ws://${host}:7900/ws`, settings), host)
    }
  })

  it("is none for what NO_PROXY names: a host, its subdomains, one port of it, or all", () => {
    for (const not of ["a.test", ".a.test", "*.a.test", "x.test, A.TEST", "a.test:443", "*", "x.test a.test"]) {
      assert.isUndefined(without(not, "wss://mesh.a.test/ws"), not)
    }
    for (const not of ["", "b.test", "a.test:80", "esh.a.test", "test.a"]) {
      assert.isDefined(without(not, "wss://mesh.a.test/ws"), not)
    }
    assert.isUndefined(without("[2001:db8::1]", "wss://[2001:db8::1]/ws"))
    assert.isUndefined(without("10.0.0.7", "ws://10.0.0.7:7900/ws"))
  })
})
