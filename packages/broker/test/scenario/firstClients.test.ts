/**
 * The first clients, as `docs/protocol.md` has them: frames, key order, replies and close reasons of v1. A v1
 * client must work unchanged, and talk with a v2 client.
 */
import { assert, describe, it } from "@effect/vitest"
import { makeMesh } from "../support/Meshes.ts"
import { RawClient, sendFrame, unseal } from "../support/RawClient.ts"
import { type TestBroker, withBroker } from "../support/TestBroker.ts"

const world = async ({ origin }: TestBroker) => {
  const mesh = await makeMesh(origin)
  return { alice: mesh.member("alice"), bob: mesh.member("bob"), meshId: mesh.meshId }
}

describe("a v1 client", () => {
  it.live("gets hello_ack, ack and push with the keys it knows, in their order", () =>
    withBroker(async (broker) => {
      const { alice, bob, meshId } = await world(broker)
      const a = await RawClient.open(broker.url)
      a.send(a.helloV1(alice))
      await a.take("hello_ack")
      const b = await RawClient.authenticatedV1(broker.url, bob)
      a.send(sendFrame("0a48fbe4ca252a6b", bob.keys.publicKey, "hello bob", alice.keys))
      const ack = await a.take("ack")
      const push = await b.take("push")

      assert.deepStrictEqual(Object.keys(JSON.parse(a.texts[1] ?? "")), ["type", "presenceId", "memberDisplayName"])
      assert.deepStrictEqual(Object.keys(ack), ["type", "id", "messageId", "queued"])
      assert.deepInclude(ack, { id: "0a48fbe4ca252a6b", queued: true })
      const pushKeys = ["type", "messageId", "meshId", "senderPubkey", "priority", "nonce", "ciphertext", "createdAt"]
      assert.deepStrictEqual(Object.keys(push), pushKeys)
      assert.deepInclude(push, { messageId: ack["messageId"], meshId, senderPubkey: alice.keys.publicKey })
      assert.match(String(push["createdAt"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      assert.strictEqual(unseal(push, bob.keys), "hello bob")
      await Promise.all([a.close(), b.close()])
    }),
  )

  it.live("is acked with an empty id for a send that had none, and such a send is never a duplicate", () =>
    withBroker(async (broker) => {
      const { alice, bob } = await world(broker)
      const a = await RawClient.authenticatedV1(broker.url, alice)
      const { id: _, ...frame } = sendFrame("x", bob.keys.publicKey, "no id", alice.keys) as { id: string }
      a.send(frame)
      a.send(frame)
      const acks = [await a.take("ack"), await a.take("ack")]
      assert.deepStrictEqual(
        acks.map((ack) => ack["id"]),
        ["", ""],
      )
      assert.notStrictEqual(acks[0]?.["messageId"], acks[1]?.["messageId"])
      await a.close()
    }),
  )

  it.live("has its errors told apart by id alone, with no key it does not know", () =>
    withBroker(async (broker) => {
      const { alice, bob } = await world(broker)
      const a = await RawClient.authenticatedV1(broker.url, alice)
      const send = (id: string, changes: object) =>
        a.send({ ...sendFrame(id, bob.keys.publicKey, "x", alice.keys), ...changes })
      const stranger = "ab".repeat(32)
      const unsealed = { nonce: "A".repeat(32), ciphertext: Buffer.from("plain text").toString("base64") }
      const cases: ReadonlyArray<readonly [string, object, string]> = [
        ["e1", { targetSpec: stranger }, "unknown_target"],
        ["e2", { targetSpec: bob.keys.publicKey.toUpperCase() }, "bad_target"],
        ["e3", { targetSpec: "bob" }, "bad_target"],
        ["e4", { targetSpec: "*", ...unsealed }, "unsealed"],
        ["e5", { targetSpec: "#general", ...unsealed }, "unsealed"],
        ["e6", { priority: "urgent" }, "malformed"],
        ["e7", { ciphertext: "not base64!" }, "malformed"],
        ["e8", { targetSpec: `${bob.keys.publicKey}/no-such-session` }, "unknown_target"],
      ]
      for (const [id, changes] of cases) send(id, changes)
      for (const [id, , code] of cases) {
        const error = await a.take("error", (frame) => frame["id"] === id)
        assert.strictEqual(error["code"], code, id)
        assert.deepStrictEqual(Object.keys(error), ["type", "code", "message", "id"])
      }
      await a.close()
    }),
  )

  it.live("gets no reply of any kind to set_status, and v2 frames are unknown to it", () =>
    withBroker(async (broker) => {
      const { alice } = await world(broker)
      const a = await RawClient.authenticatedV1(broker.url, alice)
      a.frames.length = 0
      a.send({ type: "set_status", status: "dnd" })
      a.send({ type: "list_peers", id: "p1" })
      assert.deepInclude(await a.take("error"), { code: "unknown_type", id: "p1" })
      assert.deepStrictEqual(a.frames, [])
      await a.close()
    }),
  )

  it.live("is pushed low at once when idle, holds next back when dnd, and gets now always", () =>
    withBroker(async (broker) => {
      const { alice, bob } = await world(broker)
      const a = await RawClient.authenticatedV1(broker.url, alice)
      const b = await RawClient.authenticatedV1(broker.url, bob)
      const send = (id: string, priority: string) =>
        a.send(sendFrame(id, bob.keys.publicKey, id, alice.keys, { priority }))
      send("low", "low")
      assert.strictEqual(unseal(await b.take("push"), bob.keys), "low")
      b.send({ type: "set_status", status: "dnd" })
      await b.settled()
      send("next", "next")
      send("now", "now")
      assert.strictEqual(unseal(await b.take("push"), bob.keys), "now")
      b.send({ type: "set_status", status: "idle" })
      assert.strictEqual(unseal(await b.take("push"), bob.keys), "next")
      await Promise.all([a.close(), b.close()])
    }),
  )

  it.live("gets what waited for its last session under the new session id it always has", () =>
    withBroker(async (broker) => {
      const { alice, bob } = await world(broker)
      const b = await RawClient.open(broker.url)
      b.send(b.helloV1(bob, { sessionId: "100-1" }))
      await b.take("hello_ack")
      b.send({ type: "set_status", status: "dnd" })
      await b.settled()
      const a = await RawClient.authenticatedV2(broker.url, alice)
      const toSession = sendFrame("s1", `${bob.keys.publicKey}/100-1`, "for your session", alice.keys, {
        priority: "next",
      })
      a.send(toSession)
      assert.deepInclude(await a.take("ack"), { id: "s1" })
      await b.close()
      const back = await RawClient.authenticatedV1(broker.url, bob)
      assert.strictEqual(unseal(await back.take("push"), bob.keys), "for your session")
      await Promise.all([a.close(), back.close()])
    }),
  )

  it.live("is pushed a message once: written to the socket counts as delivered", () =>
    withBroker(async (broker) => {
      const { alice, bob } = await world(broker)
      const a = await RawClient.authenticatedV1(broker.url, alice)
      const b = await RawClient.authenticatedV1(broker.url, bob)
      a.send(sendFrame("once", bob.keys.publicKey, "once", alice.keys))
      await b.take("push")
      await b.settled()
      await b.close()
      const back = await RawClient.authenticatedV1(broker.url, bob)
      a.send(sendFrame("after", bob.keys.publicKey, "after", alice.keys))
      assert.strictEqual(unseal(await back.take("push"), bob.keys), "after")
      await Promise.all([a.close(), back.close()])
    }),
  )
})

describe("a v1 and a v2 client", () => {
  it.live("talk to each other, and the v2 one learns who speaks v1", () =>
    withBroker(async (broker) => {
      const { alice, bob } = await world(broker)
      const v1 = await RawClient.authenticatedV1(broker.url, alice)
      const v2 = await RawClient.authenticatedV2(broker.url, bob)
      v1.send(sendFrame("m1", bob.keys.publicKey, "from v1", alice.keys))
      const toV2 = await v2.take("push")
      assert.strictEqual(unseal(toV2, bob.keys), "from v1")
      assert.deepInclude(toV2, { senderName: "alice", targetSpec: bob.keys.publicKey, redelivered: false })
      v2.send({ type: "client_ack", messageIds: [toV2["messageId"]] })
      v2.send(sendFrame("m2", alice.keys.publicKey, "from v2", bob.keys))
      assert.strictEqual(unseal(await v1.take("push"), alice.keys), "from v2")
      const ack = await v2.take("ack")
      assert.deepInclude(ack, { duplicate: false, unsealed: [] })
      assert.deepStrictEqual(ack["recipients"], [{ pubkey: alice.keys.publicKey, state: "delivered" }])
      v2.send({ type: "list_members", id: "m" })
      const members = (await v2.take("members"))["members"]
      assert.deepStrictEqual(
        (members as ReadonlyArray<Record<string, unknown>>)
          .map((member) => `${String(member["displayName"])} ${String(member["protocol"])}`)
          .toSorted((left, right) => left.localeCompare(right)),
        ["alice 1", "bob 2"],
      )
      await Promise.all([v1.close(), v2.close()])
    }),
  )
})

describe("a frame", () => {
  it.live("of 65,536 bytes of ciphertext is taken; one byte more is too_large by its id, and the socket stays", () =>
    withBroker(async (broker) => {
      const { alice, bob } = await world(broker)
      const a = await RawClient.authenticatedV2(broker.url, alice)
      const b = await RawClient.authenticatedV2(broker.url, bob)
      const size = (id: string, bytes: number) =>
        a.send(sendFrame(id, bob.keys.publicKey, "x".repeat(bytes - 16), alice.keys))
      size("fits", 65_536)
      assert.deepInclude(await a.take("ack"), { id: "fits" })
      assert.strictEqual(unseal(await b.take("push"), bob.keys).length, 65_520)
      size("over", 65_537)
      assert.deepInclude(await a.take("error"), { id: "over", code: "too_large", retryable: false })
      size("small", 100)
      assert.deepInclude(await a.take("ack"), { id: "small" })
      await Promise.all([a.close(), b.close()])
    }),
  )

  it.live("longer than any message is too_large by its id, and what was written behind it is not lost", () =>
    withBroker(async (broker) => {
      const { alice, bob } = await world(broker)
      const b = await RawClient.authenticatedV2(broker.url, bob)
      const v1 = await RawClient.open(broker.url)
      // Before the hello as well, whatever it is.
      v1.send("x".repeat(300_000))
      assert.deepInclude(await v1.take("error"), { code: "too_large" })
      v1.send(v1.helloV1(alice))
      await v1.take("hello_ack")
      for (const a of [v1, await RawClient.authenticatedV2(broker.url, alice)]) {
        const over = sendFrame("over", bob.keys.publicKey, "x", alice.keys, { ciphertext: "A".repeat(400_000) })
        const behind = a === v1 ? "behind-1" : "behind-2"
        a.send(over)
        a.send(sendFrame(behind, bob.keys.publicKey, behind, alice.keys))
        assert.deepInclude(await a.take("error"), { id: "over", code: "too_large" })
        assert.deepInclude(await a.take("ack"), { id: behind })
        assert.strictEqual(unseal(await b.take("push"), bob.keys), behind)
        // Where no id can be read there is none; letters count as bytes.
        a.send(`{"type":"send","id":"over","text":"${"ä".repeat(150_000)}`)
        assert.isUndefined((await a.take("error", ({ code }) => code === "too_large"))["id"])
        await a.close()
      }
      await b.close()
    }),
  )

  it.live("more than four times as long closes the socket with 1009", () =>
    withBroker(async (broker) => {
      const { alice } = await world(broker)
      const a = await RawClient.authenticatedV2(broker.url, alice)
      a.send(JSON.stringify({ type: "ping", id: "x", padding: "x".repeat(900_000) }))
      assert.strictEqual((await a.closed).code, 1009)
    }),
  )
})
