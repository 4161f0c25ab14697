/** The HTTP side of the one port: health, readiness, and who may make a mesh. */
import { assert, describe, it } from "@effect/vitest"
import { meshRequest, postMesh } from "../support/Meshes.ts"
import { newKeys, sign } from "../support/RawClient.ts"
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

describe("POST /meshes", () => {
  it.live("makes a mesh once: the same again is the same, anything else under its id is a conflict", () =>
    withBroker(async ({ origin }) => {
      const { body } = meshRequest(["alice", "bob"])
      assert.deepInclude(await answer(await postMesh(origin, body)), { status: 201, created: true })
      assert.deepInclude(await answer(await postMesh(origin, body)), { status: 200, created: false })
      const other = meshRequest(["mallory"], { meshId: body.meshId })
      assert.deepInclude(await answer(await postMesh(origin, other.body)), { status: 409, error: "conflict" })
    }),
  )

  it.live("by the same owner with other members is a conflict, and changes nothing", () =>
    withBroker(async ({ origin }) => {
      const { body, owner } = meshRequest(["alice", "bob"])
      await postMesh(origin, body)
      const members = body.members.slice(0, 1)
      const lines = ["claudemesh-create-mesh-v1", body.meshId, "test", "Test", owner.publicKey, "sealed-only"]
      const statement = [
        ...lines,
        ...members.map((member) => `${member.memberId} ${member.publicKey} ${member.displayName}`),
      ].join("\n")
      const fewer = { ...body, members, signature: sign(statement, owner) }
      assert.deepInclude(await answer(await postMesh(origin, fewer)), { status: 409, error: "conflict" })
      assert.deepInclude(await answer(await postMesh(origin, body)), { status: 200, created: false })
    }),
  )

  it.live("is refused by its reason, and stores nothing", () =>
    withBroker(async ({ origin }) => {
      const { body } = meshRequest(["alice", "bob"])
      const [first] = body.members
      const post = async (changed: unknown) => {
        const { error, status } = await answer(await postMesh(origin, changed))
        return [status, error]
      }
      assert.deepEqual(await post({ ...body, signature: "0".repeat(128) }), [401, "bad_signature"])
      assert.deepEqual(await post({ ...body, name: "Other" }), [401, "bad_signature"])
      assert.deepEqual(await post({ ...body, ownerPublicKey: newKeys().publicKey }), [401, "bad_signature"])
      assert.deepEqual(await post({ ...body, slug: "Not A Slug" }), [400, "malformed"])
      assert.deepEqual(await post("{"), [400, "malformed"])
      assert.deepEqual(await post({ ...body, padding: "x".repeat(70_000) }), [413, "too_large"])
      const form = await postMesh(origin, body, { "content-type": "text/plain" })
      assert.strictEqual(form.status, 415)
      assert.isDefined(first)
      assert.deepInclude(await answer(await postMesh(origin, body)), { status: 201 })
    }),
  )

  it.live("refuses a member whose key is no point that can be sealed to", () =>
    withBroker(async ({ origin }) => {
      const smallOrder = `01${"00".repeat(31)}`
      const { body, owner } = meshRequest([])
      const members = [{ memberId: "m1", publicKey: smallOrder, displayName: "mallory" }]
      const lines = ["claudemesh-create-mesh-v1", body.meshId, "test", "Test", owner.publicKey, "sealed-only"]
      const signature = sign([...lines, `m1 ${smallOrder} mallory`].join("\n"), owner)
      const refused = await answer(await postMesh(origin, { ...body, members, signature }))
      assert.deepInclude(refused, { status: 400, error: "bad_key" })
    }),
  )

  it.live("is closed off loopback without an admin token, and needs it where there is one", () =>
    withBroker(
      async ({ origin }) => {
        const { body } = meshRequest(["alice"])
        assert.deepInclude(await answer(await postMesh(origin, body)), { status: 401, error: "unauthorized" })
        const wrong = { authorization: "Bearer an-other-token-of-the-same-sort" }
        assert.deepInclude(await answer(await postMesh(origin, body, wrong)), { status: 401 })
        const right = { authorization: "Bearer a-token-of-sixteen-or-more" }
        assert.deepInclude(await answer(await postMesh(origin, body, right)), { status: 201 })
      },
      { environment: { BROKER_HOST: "0.0.0.0", BROKER_ADMIN_TOKEN: "a-token-of-sixteen-or-more" } },
    ),
  )

  it.live("is closed off loopback where the operator has set no token", () =>
    withBroker(
      async ({ origin }) => {
        const { body } = meshRequest(["alice"])
        assert.deepInclude(await answer(await postMesh(origin, body)), { status: 403, error: "closed" })
      },
      { environment: { BROKER_HOST: "0.0.0.0" } },
    ),
  )
})
