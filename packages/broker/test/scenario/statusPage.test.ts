/** `GET /`: what anybody sees who opens the broker's address in a browser. */
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Version } from "../../src/Version.ts"
import { makeMesh } from "../support/Meshes.ts"
import { RawClient } from "../support/RawClient.ts"
import { withBroker } from "../support/TestBroker.ts"

const works = "It works: messages are stored and delivered."

const pageOf = async (origin: string, headers: Readonly<Record<string, string>> = {}) => {
  const response = await fetch(`${origin}/`, { headers })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

describe("GET /", () => {
  it.live("says what it is, its version, whether it is well and how to join, loads nothing and has no script", () =>
    withBroker(async ({ origin }) => {
      const { headers, status, text } = await pageOf(origin)
      assert.strictEqual(status, 200)
      assert.strictEqual(headers.get("content-type"), "text/html; charset=utf-8")
      const [, style = ""] = /<style>(.*)<\/style>/.exec(text) ?? []
      const hash = createHash("sha256").update(style).digest("base64")
      assert.strictEqual(
        headers.get("content-security-policy"),
        `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      )
      assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
      assert.strictEqual(headers.get("referrer-policy"), "no-referrer")
      assert.strictEqual(headers.get("cache-control"), "no-store")
      for (const said of [works, Version.version, "claudemesh join &lt;link&gt;", "claudemesh install"]) {
        assert.include(text, said)
      }
      assert.notMatch(text, /<script|<link|<img|https?:|\son\w+=|\sstyle=/)
      assert.isBelow(text.length, 4_096)
    }),
  )

  it.live("is the same to everybody, whoever is on the broker and whatever is asked", () =>
    withBroker(async ({ origin, url }) => {
      const { text } = await pageOf(origin)
      const mesh = await makeMesh(origin)
      const client = await RawClient.authenticatedV2(url, mesh.member("alice"))
      const asked = { host: "elsewhere.example", "user-agent": "<b>", "x-forwarded-for": "10.1.2.3", cookie: "a=b" }
      assert.strictEqual((await pageOf(origin, asked)).text, text)
      assert.strictEqual(await (await fetch(`${origin}/?<script>`)).text(), text)
      await client.close()
    }),
  )
})
