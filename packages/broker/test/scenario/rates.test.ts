/** Who knocks too fast, over a real broker: by address before anything is proved, by key once it is; and v1 shut out. */
import { assert, describe, it } from "@effect/vitest"
import {
  factsOf,
  listInvites,
  makeMesh,
  meshRequest,
  newPerson,
  post,
  postMesh,
  sendRequest,
  signatureOver,
} from "../support/Meshes.ts"
import { type Keys, newKeys, RawClient } from "../support/RawClient.ts"
import { withBroker } from "../support/TestBroker.ts"

const refused = async (client: RawClient) => {
  const error = await client.take("error")
  return { error: error["code"], ...(await client.closed) }
}

const statusesOf = (responses: ReadonlyArray<Response>) => responses.map(({ status }) => status)

describe("sockets", () => {
  it.live("from one address too fast are closed with 4029 before a challenge, those before them stay (I23)", () =>
    withBroker(
      async ({ connections, url }) => {
        const within = await Promise.all([RawClient.open(url), RawClient.open(url)])
        const beyond = await RawClient.open(url)
        assert.deepStrictEqual(await beyond.closed, { code: 4029, reason: "rate_limited" })
        assert.deepStrictEqual(beyond.frames, [])
        for (const client of within) await client.take("challenge")
        assert.strictEqual(connections(), 2)
        await Promise.all(within.map((client) => client.close()))
      },
      { limits: { socketsPerAddressBurst: 2, socketsPerAddressPerSecond: 0.001 } },
    ),
  )
})

describe("sockets held at once", () => {
  const open = (url: string, forwardedFor: string) =>
    // Bun's WebSocket takes headers, which the standard one does not.
    new RawClient(url, new WebSocket(url, { headers: { "x-forwarded-for": forwardedFor } }))

  it.live("from one address are bounded: one more is closed with 4013, another address has its own (I13, I23)", () =>
    withBroker(
      async ({ connections, url }) => {
        const [first, second] = [open(url, "192.0.2.1"), open(url, "192.0.2.1")]
        for (const client of [first, second]) await client.take("challenge")
        const beyond = open(url, "192.0.2.1")
        assert.deepStrictEqual(await beyond.closed, { code: 4013, reason: "capacity" })
        assert.deepStrictEqual(beyond.frames, [])
        const other = open(url, "192.0.2.2")
        await other.take("challenge")
        // One that ends gives its place back; one that was refused had none.
        await first.close()
        const next = open(url, "192.0.2.1")
        await next.take("challenge")
        assert.strictEqual((await open(url, "192.0.2.1").closed).code, 4013)
        assert.strictEqual(connections(), 3)
        await Promise.all([second, other, next].map((client) => client.close()))
      },
      { limits: { socketsPerAddressMax: 2 }, environment: { BROKER_TRUSTED_PROXIES: "1" } },
    ),
  )
})

describe("hellos", () => {
  it.live("of one key too fast are refused, and nobody without the key can bring that about (I23)", () =>
    withBroker(
      async ({ origin, url }) => {
        const mesh = await makeMesh(origin)
        const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
        for (let tries = 0; tries < 4; tries++) {
          const mallory = await RawClient.open(url)
          mallory.send(await mallory.helloV2(alice, {}, { signer: newKeys() }))
          assert.deepInclude(await refused(mallory), { error: "bad_signature", code: 1008 })
        }
        const within = [await RawClient.authenticatedV2(url, alice), await RawClient.authenticatedV2(url, alice)]
        const beyond = await RawClient.open(url)
        beyond.send(await beyond.helloV2(alice))
        assert.deepStrictEqual(await refused(beyond), { error: "rate_limited", code: 4029, reason: "rate_limited" })
        const v1 = await RawClient.open(url)
        v1.send(v1.helloV1(alice))
        assert.deepInclude(await refused(v1), { error: "rate_limited", code: 4029 })
        within.push(await RawClient.authenticatedV2(url, bob))
        await Promise.all(within.map((client) => client.close()))
      },
      { limits: { hellosPerKeyBurst: 2, hellosPerKeyPerSecond: 0.001 } },
    ),
  )
})

describe("requests", () => {
  it.live("from one address too fast are told to wait, on every path that changes something, health is not (I23)", () =>
    withBroker(
      async ({ origin }) => {
        const mesh = await makeMesh(origin)
        for (const path of ["/meshes", "/invites", "/join", "/revocations"]) {
          const response = await post(origin, path, mesh.meshId, {}, mesh.owner)
          assert.strictEqual(response.status, 429, path)
          assert.strictEqual(response.headers.get("retry-after"), "1000")
          assert.deepInclude(await response.json(), { error: "rate_limited" })
        }
        assert.strictEqual((await fetch(`${origin}/health`)).status, 200)
      },
      { limits: { requestsPerAddressBurst: 1, requestsPerAddressPerSecond: 0.001 } },
    ),
  )

  it.live("signed by one key too fast are told to wait, on every path, and another key's are not (I23)", () =>
    withBroker(
      async ({ origin }) => {
        const mesh = await makeMesh(origin)
        const { meshId, owner } = mesh
        const forged = { ...factsOf(origin, "GET", "/invites", meshId) }
        const header = signatureOver(forged, newKeys()).replace(/key=\w+/, `key=${owner.publicKey}`)
        for (let tries = 0; tries < 3; tries++) {
          const response = await sendRequest(origin, forged, { "claudemesh-signature": header })
          assert.strictEqual(response.status, 401)
        }
        assert.deepStrictEqual(statusesOf([await listInvites(origin, meshId, owner)]), [200])
        for (const path of ["/meshes", "/invites", "/join", "/revocations"]) {
          const response = await post(origin, path, meshId, {}, owner)
          assert.strictEqual(response.status, 429, path)
          assert.strictEqual(response.headers.get("retry-after"), "1000")
        }
        const other = meshRequest(["dave"])
        assert.strictEqual((await postMesh(origin, other.body, other.owner)).status, 201)
      },
      { limits: { requestsPerKeyBurst: 2, requestsPerKeyPerSecond: 0.001 } },
    ),
  )
})

describe("requests that change nothing", () => {
  it.live(
    "from one address too fast are told to wait, health and unknown paths alike, another address's are not (I23)",
    () =>
      withBroker(
        async ({ origin }) => {
          const ask = async (path: string, address: string) =>
            (await fetch(`${origin}${path}`, { headers: { "x-forwarded-for": address } })).status
          const statuses = []
          for (const path of ["/health", "/ready", "/nothing", "/health"]) statuses.push(await ask(path, "192.0.2.1"))
          statuses.push(await ask("/health", "192.0.2.2"))
          assert.deepStrictEqual(statuses, [200, 200, 429, 429, 200])
        },
        {
          limits: { otherRequestsPerAddressBurst: 2, otherRequestsPerAddressPerSecond: 0.001 },
          environment: { BROKER_TRUSTED_PROXIES: "1" },
        },
      ),
  )
})

describe("the memory of requests", () => {
  const invitesFrom = (origin: string, meshId: string, signer: Keys, forwardedFor: string): Promise<Response> => {
    const facts = factsOf(origin, "GET", "/invites", meshId)
    return sendRequest(origin, facts, {
      "claudemesh-signature": signatureOver(facts, signer),
      "x-forwarded-for": forwardedFor,
    })
  }

  it.live("has room for each address by itself: what one has used up is no one else's (I23)", () =>
    withBroker(
      async ({ origin }) => {
        const { meshId, owner } = await makeMesh(origin)
        const statuses = []
        for (const address of ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2"]) {
          statuses.push((await invitesFrom(origin, meshId, owner, address)).status)
        }
        assert.deepStrictEqual(statuses, [200, 429, 200, 429])
      },
      { limits: { requestNoncesPerAddressMax: 1 }, environment: { BROKER_TRUSTED_PROXIES: "1" } },
    ),
  )
})

describe("a mesh that is made", () => {
  it.live("has no more members than the operator allows", () =>
    withBroker(
      async ({ origin }) => {
        const [most, more] = [meshRequest(["alice", "bob"]), meshRequest(["alice", "bob", "carol"])]
        assert.strictEqual((await postMesh(origin, most.body, most.owner)).status, 201)
        const refusal = await postMesh(origin, more.body, more.owner)
        assert.strictEqual(refusal.status, 409)
        assert.deepInclude(await refusal.json(), { error: "full" })
      },
      { environment: { BROKER_MAX_MEMBERS: "2" } },
    ),
  )
})

describe("the address that is counted", () => {
  const limits = { requestsPerAddressBurst: 1, requestsPerAddressPerSecond: 0.001, socketsPerAddressBurst: 1 }
  const ask = async (origin: string, forwardedFor: string): Promise<number> =>
    (await fetch(`${origin}/join`, { headers: { "x-forwarded-for": forwardedFor } })).status

  it.live("is the peer's without a trusted proxy: a header that is made up gives no fresh rate", () =>
    withBroker(
      async ({ origin }) => {
        assert.strictEqual(await ask(origin, "198.51.100.1"), 200)
        assert.strictEqual(await ask(origin, "198.51.100.2"), 429)
      },
      { limits },
    ),
  )

  it.live("is what one trusted proxy saw: what stands further left is made up and gives no fresh rate", () =>
    withBroker(
      async ({ origin, url }) => {
        assert.strictEqual(await ask(origin, "198.51.100.1"), 200)
        assert.strictEqual(await ask(origin, "192.0.2.66, 198.51.100.1"), 429)
        assert.strictEqual(await ask(origin, "192.0.2.67, 198.51.100.1"), 429)
        assert.strictEqual(await ask(origin, "198.51.100.1, 198.51.100.2"), 200)
        const open = (forwardedFor: string) => {
          // Bun's WebSocket takes headers, which the standard one does not.
          const socket = new WebSocket(url, { headers: { "x-forwarded-for": forwardedFor } })
          return new RawClient(url, socket)
        }
        const first = open("192.0.2.66, 198.51.100.1")
        await first.take("challenge")
        const same = open("192.0.2.67, 198.51.100.1")
        assert.strictEqual((await same.closed).code, 4029)
        const other = open("198.51.100.1, 198.51.100.2")
        await other.take("challenge")
        await Promise.all([first.close(), other.close()])
      },
      { limits: { ...limits, socketsPerAddressPerSecond: 0.001 }, environment: { BROKER_TRUSTED_PROXIES: "1" } },
    ),
  )
})

describe("a broker that shuts v1 out", () => {
  it.live("says so in its challenge, refuses a v1 hello whoever signed it, and takes v2", () =>
    withBroker(
      async ({ origin, url }) => {
        const mesh = await makeMesh(origin)
        const alice = mesh.member("alice")
        for (const person of [alice, newPerson(mesh.meshId, "stranger")]) {
          const v1 = await RawClient.open(url)
          assert.deepStrictEqual((await v1.take("challenge"))["protocols"], [2])
          v1.send(v1.helloV1(person))
          assert.deepStrictEqual(await refused(v1), { error: "unsupported", code: 1008, reason: "unsupported" })
        }
        await (await RawClient.authenticatedV2(url, alice)).close()
      },
      { environment: { BROKER_ALLOW_V1: "false" } },
    ),
  )
})
