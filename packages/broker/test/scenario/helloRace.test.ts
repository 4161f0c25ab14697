/** Becoming authenticated and queueing `hello_ack` are one step (I1): nobody can be between the two. */
import { assert, describe, it } from "@effect/vitest"
import { makeMesh } from "../support/Meshes.ts"
import { RawClient, sendFrame } from "../support/RawClient.ts"
import { type TestBroker, withBroker } from "../support/TestBroker.ts"

const connections = 1_000

describe("a client that sends in the same tick as its hello", () => {
  it.live(`gets hello_ack, then its ack, and no push before either: ${connections} connections (I1)`, () => {
    const race = async ({ origin, url }: TestBroker) => {
      const mesh = await makeMesh(origin)
      const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
      // Something waits for alice, so that there is a push that could come too early.
      const before = await RawClient.authenticatedV2(url, bob)
      for (let n = 0; n < 100; n++) before.send(sendFrame(`w${n}`, alice.keys.publicKey, "waits", bob.keys))
      for (let n = 0; n < 100; n++) await before.take("ack")

      // Two v1 hellos of one member in one millisecond would be the same hello.
      const base = Date.now()
      const clients = await Promise.all(
        Array.from({ length: connections }, async (_, n) => {
          const client = await RawClient.open(url)
          const hello = n % 2 === 0 ? await client.helloV2(alice) : client.helloV1(alice, { timestamp: base - n })
          return { client, hello, n }
        }),
      )
      for (const { client, hello, n } of clients) {
        client.send(hello)
        client.send(sendFrame(`race-${n}`, bob.keys.publicKey, "at once", alice.keys))
      }
      await Promise.all(
        clients.map(({ client, n }) => client.take("ack", (frame) => frame["id"] === `race-${n}`, 120_000)),
      )
      for (const { client } of clients) {
        const types = client.texts.map((text) => String(JSON.parse(text).type))
        assert.notInclude(types, "error")
        assert.deepStrictEqual(types.slice(0, 2), ["challenge", "hello_ack"])
      }
      await Promise.all([before.close(), ...clients.map(({ client }) => client.close())])
    }
    // All of them are opened before the first says hello, by the process that is the broker, too.
    return withBroker(race, { limits: { helloTimeoutMillis: 120_000 } })
  })
})
