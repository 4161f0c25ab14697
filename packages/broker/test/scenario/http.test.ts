/** The HTTP side of the one port: health, readiness, and who may make a mesh. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { brokerConfigOf } from "../../src/Config.ts"
import { makeListener } from "../../src/http/Listener.ts"
import { BrokerMetrics } from "../../src/metrics/Metrics.ts"
import { certificateOf, factsOf, meshRequest, newInvite, post, postMesh, signatureOver } from "../support/Meshes.ts"
import { newKeys } from "../support/RawClient.ts"
import { withBroker } from "../support/TestBroker.ts"

const answer = async (response: Response): Promise<Readonly<Record<string, unknown>>> => {
  const body = (await response.json()) as Readonly<Record<string, unknown>>
  return { ...body, status: response.status }
}

describe("health and readiness", () => {
  it.live("say that the broker and its database are up", () =>
    withBroker(async ({ origin }) => {
      const health = await answer(await fetch(`${origin}/health`))
      assert.deepInclude(health, { status: 200, db: "up" })
      assert.hasAllKeys(health, ["status", "db", "version", "gitSha", "uptime"])
      assert.deepEqual(await (await fetch(`${origin}/ready`)).json(), { ready: true })
      assert.strictEqual((await fetch(`${origin}/no-such-path`)).status, 404)
      assert.strictEqual((await fetch(`${origin}/ws`)).status, 426)
    }),
  )
})

describe("a request for a host that has no name", () => {
  it.live("is refused like any other, and shown nothing of the program", () =>
    withBroker(async ({ origin }) => {
      for (const host of ["<script>.example", "a b", "here:99999", "[::"]) {
        for (const path of ["/", "/health", "/ws", "/metrics", "/no-such-path"]) {
          const refused = await fetch(`${origin}${path}`, { headers: { host } })
          assert.match(refused.headers.get("content-type") ?? "", /^application\/json/, `${host}${path}`)
          assert.match(refused.headers.get("x-request-id") ?? "", /./)
          assert.deepInclude(await answer(refused), { status: 400, error: "malformed" })
        }
      }
    }),
  )

  it.live("nor is it shown where the program has failed", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const config = yield* brokerConfigOf({ BROKER_PORT: "0" })
        const fails = () => {
          throw new Error("a defect in packages/broker")
        }
        const unused = { message: () => {} }
        const metrics = yield* BrokerMetrics
        const port = yield* makeListener(config, { fetch: fails, websocket: unused }, metrics)
        const failed = yield* Effect.promise(() => fetch(`http://127.0.0.1:${port}/`))
        assert.strictEqual(failed.status, 500)
        assert.notMatch(yield* Effect.promise(() => failed.text()), /defect|packages|script/)
      }),
    ),
  )
})

describe("GET /join", () => {
  it.live("is a page that says what to do, loads nothing, and has no script that could read the link's secret", () =>
    withBroker(async ({ origin }) => {
      const page = await fetch(`${origin}/join`)
      const text = await page.text()
      assert.strictEqual(page.status, 200)
      assert.strictEqual(page.headers.get("content-type"), "text/html; charset=utf-8")
      assert.match(page.headers.get("content-security-policy") ?? "", /^default-src 'none'; style-src 'sha256-/)
      assert.strictEqual(page.headers.get("referrer-policy"), "no-referrer")
      assert.strictEqual(page.headers.get("cache-control"), "no-store")
      for (const line of ["npm install -g ", "claudemesh join '&lt;the address&gt;'", "claudemesh install"]) {
        assert.include(text, line)
      }
      assert.notMatch(text, /<script|<link|<img|https?:|\son\w+=/)
      assert.isBelow(text.length, 4_096)
    }),
  )
})

describe("POST /meshes", () => {
  it.live("makes a mesh once: the same again is the same, anything else under its id is a conflict", () =>
    withBroker(async ({ origin }) => {
      const { body, owner } = meshRequest(["alice", "bob"])
      assert.deepInclude(await answer(await postMesh(origin, body, owner)), { status: 201, created: true })
      assert.deepInclude(await answer(await postMesh(origin, body, owner)), { status: 200, created: false })
      const other = meshRequest(["mallory"], { meshId: body.meshId })
      const refused = await answer(await postMesh(origin, other.body, other.owner))
      assert.deepInclude(refused, { status: 409, error: "conflict" })
    }),
  )

  it.live("takes as many members as a mesh may have, and no more", () =>
    withBroker(async ({ origin }) => {
      const names = Array.from({ length: 501 }, (_, index) => `${"ü".repeat(40)} ${index}`)
      const { body, owner } = meshRequest(names.slice(0, 500))
      assert.deepInclude(await answer(await postMesh(origin, body, owner)), { status: 201, created: true })
      const more = meshRequest(names)
      assert.deepInclude(await answer(await postMesh(origin, more.body, more.owner)), {
        status: 400,
        error: "malformed",
      })
    }),
  )

  it.live("by the same owner with other members is a conflict, and changes nothing", () =>
    withBroker(async ({ origin }) => {
      const { body, owner } = meshRequest(["alice", "bob"])
      await postMesh(origin, body, owner)
      const fewer = { ...body, members: body.members.slice(0, 1) }
      assert.deepInclude(await answer(await postMesh(origin, fewer, owner)), { status: 409, error: "conflict" })
      assert.deepInclude(await answer(await postMesh(origin, body, owner)), { status: 200, created: false })
    }),
  )

  it.live("is refused by its reason, and stores nothing", () =>
    withBroker(async ({ origin }) => {
      const { body, founding, owner, people } = meshRequest(["alice", "bob"])
      const [alice, bob] = people
      assert.ok(alice && bob)
      const send = async (changed: Parameters<typeof postMesh>[1], signer = owner) => {
        const { error, status } = await answer(await postMesh(origin, changed, signer))
        return [status, error]
      }
      const others = meshRequest(["alice"], { meshId: body.meshId })
      const small = newInvite({ meshId: body.meshId, owner }, { uses: 1 })
      const bySmall = people.map((person) => certificateOf(person, small))
      const certified = certificateOf(alice, founding)
      const cases: ReadonlyArray<readonly [Readonly<Record<string, unknown>>, number, string]> = [
        [{ slug: "Not A Slug" }, 400, "malformed"],
        [{ members: [...body.members, certified] }, 400, "malformed"],
        [{ members: [certified, certificateOf({ ...bob, memberId: alice.memberId }, founding)] }, 400, "malformed"],
        [{ members: [certificateOf({ ...alice, name: "a/b" }, founding)] }, 400, "malformed"],
        [{ ownerPublicKey: newKeys().publicKey }, 403, "forbidden"],
        [{ name: "Other" }, 400, "bad_invite"],
        [{ slug: "other" }, 400, "bad_invite"],
        [{ allowUnsealed: true }, 400, "bad_invite"],
        [{ invite: others.founding.body }, 400, "bad_invite"],
        [{ invite: { ...founding.body, uses: 900 } }, 400, "bad_invite"],
        [{ invite: newInvite({ meshId: "m2", owner }, { uses: 2 }).body }, 400, "bad_invite"],
        [{ invite: small.body, members: bySmall }, 400, "bad_invite"],
        [{ members: bySmall }, 400, "bad_certificate"],
        [{ members: [{ ...certified, displayName: "carol" }] }, 400, "bad_certificate"],
        [{ members: [{ ...certified, allowV1: false }] }, 400, "bad_certificate"],
        [{ members: [certificateOf(alice, founding, {}, newKeys())] }, 400, "bad_certificate"],
        [
          { members: [certificateOf(alice, founding, { joinedAt: "2099-01-01T00:00:00.000Z" })] },
          400,
          "bad_certificate",
        ],
        [{ padding: "x".repeat(600_000) }, 413, "too_large"],
      ]
      for (const [changes, status, error] of cases) {
        assert.deepEqual(await send({ ...body, ...changes }), [status, error], JSON.stringify(changes).slice(0, 200))
      }
      assert.deepEqual(await send(body, newKeys()), [403, "forbidden"])
      assert.deepEqual(await send("{"), [400, "malformed"])
      const elsewhere = await post(origin, "/meshes", "m2", body, owner)
      assert.deepInclude(await answer(elsewhere), { status: 400, error: "malformed" })
      assert.deepInclude(await answer(await postMesh(origin, body, owner)), { status: 201 })
    }),
  )

  it.live("refuses a member whose key is no point that can be sealed to", () =>
    withBroker(async ({ origin }) => {
      const { body, founding, owner, people } = meshRequest(["mallory"])
      const [mallory] = people
      assert.ok(mallory)
      const members = [certificateOf(mallory, founding, { publicKey: `01${"00".repeat(31)}` })]
      const refused = await answer(await postMesh(origin, { ...body, members }, owner))
      assert.deepInclude(refused, { status: 400, error: "bad_key" })
    }),
  )

  it.live("is closed off loopback without an admin token, and needs it where there is one", () =>
    withBroker(
      async ({ origin }) => {
        const { body, owner } = meshRequest(["alice"])
        const send = async (authorization?: string) =>
          answer(await postMesh(origin, body, owner, authorization === undefined ? {} : { authorization }))
        assert.deepInclude(await send(), { status: 401, error: "unauthorized" })
        assert.deepInclude(await send("Bearer an-other-token-of-the-same-sort"), { status: 401 })
        assert.deepInclude(await send("Bearer a-token-of-sixteen-or-more"), { status: 201 })
      },
      {
        environment: { BROKER_HOST: "0.0.0.0", BROKER_ADMIN_TOKEN: "a-token-of-sixteen-or-more" },
      },
    ),
  )

  it.live("is closed off loopback where the operator has set no token", () =>
    withBroker(
      async ({ origin }) => {
        const { body, owner } = meshRequest(["alice"])
        assert.deepInclude(await answer(await postMesh(origin, body, owner)), { status: 403, error: "closed" })
      },
      { environment: { BROKER_HOST: "0.0.0.0" } },
    ),
  )
})

describe("a body", () => {
  it.live("is taken as JSON only, and not compressed: what unpacks to more than it seems is refused", () =>
    withBroker(async ({ origin }) => {
      const { body, owner } = meshRequest(["alice"])
      const send = async (headers: Readonly<Record<string, string>>) =>
        answer(await postMesh(origin, body, owner, headers))
      for (const type of ["text/plain", "application/jsonx", "multipart/form-data; boundary=x"]) {
        const refused = await send({ "content-type": type })
        assert.deepInclude(refused, { status: 415, error: "unsupported_media_type" }, type)
      }
      for (const encoding of ["gzip", "deflate", "br", "zstd", "identity, gzip"]) {
        const refused = await send({ "content-encoding": encoding })
        assert.deepInclude(refused, { status: 415, error: "unsupported_media_type" }, encoding)
      }
      assert.deepInclude(await send({ "content-encoding": "identity" }), { status: 201 })
    }),
  )

  it.live("of any other request is held to less", () =>
    withBroker(async ({ origin }) => {
      const { body, owner } = meshRequest(["alice"])
      const long = { padding: "x".repeat(70_000) }
      for (const path of ["/join", "/invites", "/revocations"]) {
        assert.strictEqual((await post(origin, path, body.meshId, long, owner)).status, 413, path)
      }
    }),
  )

  it.live("of a length that is not announced is held to the same bound", () =>
    withBroker(async ({ origin }) => {
      const { body, owner } = meshRequest(["alice"])
      const text = JSON.stringify({ ...body, padding: "x".repeat(600_000) })
      const facts = factsOf(origin, "POST", "/meshes", body.meshId, text)
      const response = await fetch(`${origin}/meshes`, {
        method: "POST",
        headers: { "content-type": "application/json", "claudemesh-signature": signatureOver(facts, owner) },
        body: new ReadableStream({
          start: (controller) => {
            for (const part of text.match(/.{1,1000}/g) ?? []) controller.enqueue(new TextEncoder().encode(part))
            controller.close()
          },
        }),
      })
      assert.deepInclude(await answer(response), { status: 413, error: "too_large" })
    }),
  )
})
