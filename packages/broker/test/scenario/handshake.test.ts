/** What happens to those who do not say a proper hello, over real sockets. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeMesh } from "../support/Meshes.ts"
import { newKeys, RawClient, sendFrame } from "../support/RawClient.ts"
import { tableSizes } from "../support/StoredData.ts"
import { temporaryFolder, type TestBroker, withBroker } from "../support/TestBroker.ts"

const refused = async (client: RawClient) => {
  const error = await client.take("error")
  return { error: error["code"], ...(await client.closed) }
}

describe("every socket", () => {
  it.live("is sent a challenge first, with a nonce of its own", () =>
    withBroker(async ({ url }) => {
      const clients = await Promise.all([RawClient.open(url), RawClient.open(url)])
      const [one, two] = await Promise.all(clients.map((client) => client.take("challenge")))
      assert.deepStrictEqual(one?.["protocols"], [1, 2])
      assert.match(String(one?.["nonce"]), /^[0-9a-f]{64}$/)
      assert.notStrictEqual(one?.["nonce"], two?.["nonce"])
      assert.match(String(one?.["brokerTime"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      await Promise.all(clients.map((client) => client.close()))
    }),
  )

  it.live("is closed with 4008 when it stays silent, or says half a hello and no more", () =>
    withBroker(
      async ({ url }) => {
        const silent = await RawClient.open(url)
        const half = await RawClient.open(url)
        half.send(`{"type":"hello","meshId":"m1","memb`)
        assert.strictEqual((await half.take("error"))["code"], "malformed")
        assert.deepInclude(await silent.closed, { code: 4008, reason: "no_hello" })
        assert.deepInclude(await half.closed, { code: 4008, reason: "no_hello" })
      },
      { limits: { helloTimeoutMillis: 200 } },
    ),
  )

  it.live("has said hello in time, and stays when that time is over", () =>
    withBroker(
      async ({ origin, url }) => {
        const mesh = await makeMesh(origin)
        const alice = await RawClient.authenticatedV2(url, mesh.member("alice"))
        const silent = await RawClient.open(url)
        assert.strictEqual((await silent.closed).code, 4008)
        await alice.settled()
        await alice.close()
      },
      { limits: { helloTimeoutMillis: 2_000 } },
    ),
  )

  it.live("beyond the limit is closed with 4013, and the ones within it stay", () =>
    withBroker(
      async ({ connections, url }) => {
        const within = await Promise.all([RawClient.open(url), RawClient.open(url)])
        const beyond = await RawClient.open(url)
        assert.strictEqual((await beyond.closed).code, 4013)
        assert.strictEqual(connections(), 2)
        await Promise.all(within.map((client) => client.close()))
      },
      { limits: { connectionsMax: 2 } },
    ),
  )
})

describe("a frame before the hello", () => {
  it.live("is answered no_hello with its id, and the hello may still come", () =>
    withBroker(async ({ origin, url }) => {
      const mesh = await makeMesh(origin)
      const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
      const client = await RawClient.open(url)
      client.send(sendFrame("early", bob.keys.publicKey, "too soon", alice.keys))
      const error = await client.take("error")
      assert.deepInclude(error, { code: "no_hello", id: "early" })
      client.send(await client.helloV2(alice))
      await client.take("hello_ack")
      await client.close()
    }),
  )

  it.live("that is malformed, a binary message or of an unknown type says so", () =>
    withBroker(async ({ url }) => {
      const client = await RawClient.open(url)
      const cases: ReadonlyArray<readonly [string, string]> = [
        ["{", "malformed"],
        ["[]", "malformed"],
        ["null", "malformed"],
        [`{"no":"type"}`, "malformed"],
        [`{"type":"constructor","id":"x1"}`, "unknown_type"],
      ]
      for (const [text, code] of cases) {
        client.send(text)
        assert.strictEqual((await client.take("error"))["code"], code, text)
      }
      client.socket.send(new Uint8Array([123, 125]))
      assert.strictEqual((await client.take("error"))["code"], "malformed")
      await client.close()
    }),
  )
})

describe("a hello that is none", () => {
  it.live("is malformed, and closed with 1008: it will not get better by itself", () =>
    withBroker(async ({ url }) => {
      const client = await RawClient.open(url)
      client.send({ type: "hello", meshId: "m1" })
      assert.deepEqual(await refused(client), { error: "malformed", code: 1008, reason: "malformed" })
    }),
  )
})

/** Each hello that must not be admitted, with the code it is refused by; all close with 1008 and that reason. */
const unacceptable = {
  "a v1 hello with a wrong signature": async (client, { alice }) => [
    client.helloV1(alice, {}, newKeys()),
    "bad_signature",
  ],
  "a v1 hello with another member's key": async (client, { alice, bob }) => [
    client.helloV1({ ...alice, keys: bob.keys }),
    "unauthorized",
  ],
  "a v1 hello that quotes a member's key and is signed by another member": async (client, { alice, bob }) => [
    client.helloV1(alice, {}, bob.keys),
    "bad_signature",
  ],
  "a v1 hello of a stranger": async (client, { alice }) => [
    client.helloV1({ ...alice, keys: newKeys() }),
    "unauthorized",
  ],
  "a v1 hello for a mesh that is none": async (client, { alice }) => [
    client.helloV1({ ...alice, meshId: "no-such-mesh" }),
    "unauthorized",
  ],
  "a v1 hello with a timestamp 61 s old": async (client, { alice }) => [
    client.helloV1(alice, { timestamp: Date.now() - 61_000 }),
    "timestamp_skew",
  ],
  "a v1 hello with a timestamp 61 s ahead": async (client, { alice }) => [
    client.helloV1(alice, { timestamp: Date.now() + 61_000 }),
    "timestamp_skew",
  ],
  "a v2 hello with a wrong signature": async (client, { alice }) => [
    await client.helloV2(alice, {}, { signer: newKeys() }),
    "bad_signature",
  ],
  "a v2 hello with another member's key": async (client, { alice, bob }) => [
    await client.helloV2({ ...alice, keys: bob.keys }),
    "unauthorized",
  ],
  "a v2 hello signed for another broker": async (client, { alice }) => [
    await client.helloV2(alice, {}, { audience: "wss://elsewhere.example.com" }),
    "bad_signature",
  ],
  "a v2 hello over another socket's nonce": async (client, { alice, url }) => {
    const other = await RawClient.open(url)
    const nonce = String((await other.take("challenge"))["nonce"])
    await other.close()
    return [await client.helloV2(alice, {}, { nonce }), "bad_signature"]
  },
  "a v2 hello whose session is not the signed one": async (client, { alice }) => [
    { ...(await client.helloV2(alice, { sessionId: "mine" })), sessionId: "yours" },
    "bad_signature",
  ],
} satisfies Record<
  string,
  (
    client: RawClient,
    world: {
      readonly url: string
      readonly alice: Parameters<RawClient["helloV1"]>[0]
      readonly bob: Parameters<RawClient["helloV1"]>[0]
    },
  ) => Promise<readonly [object, string]>
>

const world = async ({ origin, url }: TestBroker) => {
  const mesh = await makeMesh(origin)
  return { url, alice: mesh.member("alice"), bob: mesh.member("bob") }
}

describe("is refused by its code and closed with 1008 (I3)", () => {
  for (const [name, hello] of Object.entries(unacceptable)) {
    it.live(name, () =>
      withBroker(async (broker) => {
        const client = await RawClient.open(broker.url)
        const [frame, code] = await hello(client, await world(broker))
        client.send(frame)
        assert.deepEqual(await refused(client), { error: code, code: 1008, reason: code })
      }),
    )
  }
})

describe("a hello that was used before", () => {
  it.live("is refused as v1, on another socket and on the same member's behalf", () =>
    withBroker(async (broker) => {
      const { alice, url } = await world(broker)
      const first = await RawClient.open(url)
      const hello = first.helloV1(alice)
      first.send(hello)
      await first.take("hello_ack")
      const second = await RawClient.open(url)
      second.send(hello)
      assert.deepEqual(await refused(second), { error: "replayed", code: 1008, reason: "replayed" })
      await first.settled()
      await first.close()
    }),
  )

  it.live("is refused as v2, since every socket has another nonce", () =>
    withBroker(async (broker) => {
      const { alice, url } = await world(broker)
      const first = await RawClient.open(url)
      const hello = await first.helloV2(alice)
      first.send(hello)
      await first.take("hello_ack")
      const second = await RawClient.open(url)
      second.send(hello)
      assert.deepEqual(await refused(second), { error: "bad_signature", code: 1008, reason: "bad_signature" })
      await first.close()
    }),
  )

  it.live("is answered already_greeted on the same socket, which is closed with 4009 (I1)", () =>
    withBroker(async (broker) => {
      const { alice, url } = await world(broker)
      const client = await RawClient.authenticatedV2(url, alice)
      client.send(client.helloV1(alice))
      assert.deepEqual(await refused(client), { error: "already_greeted", code: 4009, reason: "already_greeted" })
    }),
  )
})

describe("a newer connection of the same session", () => {
  it.live("replaces the older, which is closed with 4003, and takes over what was not acked (I2, I8)", () =>
    withBroker(async (broker) => {
      const { alice, bob, url } = await world(broker)
      const older = await RawClient.authenticatedV2(url, bob, { sessionId: "laptop" })
      const sender = await RawClient.authenticatedV2(url, alice)
      sender.send(sendFrame("m1", bob.keys.publicKey, "hello", alice.keys))
      const pushed = await older.take("push")
      older.send({ type: "lease", id: "l", messageIds: [pushed["messageId"]] })
      await older.take("leased")
      const newer = await RawClient.authenticatedV2(url, bob, { sessionId: "laptop" })
      assert.strictEqual((await older.closed).code, 4003)
      const again = await newer.take("push")
      assert.deepInclude(again, { messageId: pushed["messageId"], redelivered: true })
      sender.send({ type: "list_peers", id: "p" })
      const peers = (await sender.take("peers"))["peers"]
      assert.strictEqual(Array.isArray(peers) ? peers.length : 0, 2)
      await Promise.all([newer.close(), sender.close()])
    }),
  )
})

describe("the broker after a thousand bad beginnings", () => {
  it.live("has the sockets, the tables and the memory it had before (I13)", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      yield* withBroker(
        async (broker) => {
          const { alice, url } = await world(broker)
          const bad = async () => {
            const client = await RawClient.open(url)
            client.send(`{"type":"nonsense","meshId":"${"x".repeat(50)}"}`)
            client.send(client.helloV1({ ...alice, keys: newKeys() }))
            await client.closed
          }
          const wave = async (count: number) => {
            for (let done = 0; done < count; done += 50) await Promise.all(Array.from({ length: 50 }, bad))
            Bun.gc(true)
            return process.memoryUsage().heapUsed
          }
          await wave(200)
          const before = await wave(200)
          const after = await wave(800)
          assert.strictEqual(broker.connections(), 0)
          assert.isBelow(after - before, 8 * 1024 * 1024, "bytes of heap that stayed")
        },
        { environment: { BROKER_DATA_DIR: dataDir } },
      )
      assert.deepStrictEqual(tableSizes(dataDir), {
        mesh: 1,
        member: 2,
        session: 0,
        message: 0,
        delivery: 0,
        // That the mesh was made, and how many were not let in.
        audit_log: 2,
      })
    }).pipe(Effect.scoped),
  )
})
