/** One message to five hundred live sessions, and many that read beside one that never acks. */
import { assert, describe, it } from "@effect/vitest"
import { makeMesh, type TestMesh } from "../support/Meshes.ts"
import { RawClient } from "../support/RawClient.ts"
import { withBroker } from "../support/TestBroker.ts"

const keyFor = (name: string): string => Buffer.from(`key for ${name}`).toString("base64")

const toAll = (id: string, mesh: TestMesh, bytes = 700): object => ({
  type: "send",
  id,
  targetSpec: "*",
  priority: "now",
  nonce: "A".repeat(32),
  ciphertext: Buffer.alloc(bytes, 7).toString("base64"),
  sealedKeys: mesh.members.map(({ keys, name }) => ({ pubkey: keys.publicKey, key: keyFor(name) })),
})

const until = async (done: () => boolean, what: () => string): Promise<void> => {
  const deadline = performance.now() + 20_000
  while (!done()) {
    if (performance.now() > deadline) throw new Error(what())
    await Bun.sleep(5)
  }
}

const pushesOf = (client: RawClient) => client.frames.filter((frame) => frame.type === "push")

const names = Array.from({ length: 50 }, (_, index) => `member-${index}`)

describe("a message to everyone", () => {
  it.live("reaches five hundred live sessions once each, with the key of its own member (I6)", () =>
    withBroker(async (broker) => {
      const mesh = await makeMesh(broker.origin, ["sender", ...names])
      const sender = await RawClient.authenticatedV2(broker.url, mesh.member("sender"))
      const sessions = names.flatMap((name) => Array.from({ length: 10 }, () => name))
      const clients = await Promise.all(
        sessions.map((name) => RawClient.authenticatedV2(broker.url, mesh.member(name))),
      )
      sender.send(toAll("m1", mesh))
      const ack = await sender.take("ack")
      assert.isArray(ack["recipients"])
      assert.lengthOf(JSON.parse(JSON.stringify(ack["recipients"])), 500)
      assert.deepStrictEqual(ack["unsealed"], [])
      await until(
        () => clients.every((client) => pushesOf(client).length > 0),
        () => `${clients.filter((client) => pushesOf(client).length > 0).length} of 500 have it`,
      )
      for (const [index, client] of clients.entries()) {
        const [push] = pushesOf(client)
        assert.deepInclude(push, { targetSpec: "*", sealedKey: keyFor(sessions[index] ?? "") })
        client.send({ type: "client_ack", messageIds: [push?.["messageId"]] })
      }
      let state = ""
      for (let asked = 0; state !== "consumed" && asked < 100; asked++) {
        await Bun.sleep(20)
        sender.send({ type: "message_status", messageId: ack["messageId"], id: "q" })
        state = String((await sender.take("message_state"))["state"])
      }
      assert.strictEqual(state, "consumed")
      for (const client of clients) assert.strictEqual(pushesOf(client).length, 1)
    }),
  )
})

describe("a recipient that never acks", () => {
  it.live("is pushed a window of one mebibyte and no more, and the others get everything (I23)", () =>
    withBroker(
      async (broker) => {
        const mesh = await makeMesh(broker.origin, ["sender", "deaf", ...names.slice(0, 20)])
        const sender = await RawClient.authenticatedV2(broker.url, mesh.member("sender"))
        const deaf = await RawClient.authenticatedV2(broker.url, mesh.member("deaf"))
        const readers = await Promise.all(
          names.slice(0, 20).map((name) => RawClient.authenticatedV2(broker.url, mesh.member(name))),
        )
        for (const reader of readers) {
          reader.socket.addEventListener("message", ({ data }) => {
            const frame = JSON.parse(String(data))
            if (frame.type === "push") reader.send({ type: "client_ack", messageIds: [frame.messageId] })
          })
        }
        // Twenty megabytes for each, of which the deaf one is pushed a window of one.
        const messages = 240
        for (let n = 0; n < messages; n++) {
          sender.send(toAll(`m${n}`, mesh, 60_000))
          if (n % 20 === 19) await sender.take("ack", (frame) => frame["id"] === `m${n}`)
        }
        await until(
          () => readers.every((reader) => pushesOf(reader).length === messages),
          () => `${readers.map((reader) => pushesOf(reader).length).join(" ")} of ${messages}`,
        )
        const characters = pushesOf(deaf).reduce((sum, { ciphertext }) => sum + String(ciphertext).length, 0)
        assert.isAtMost(characters, 1_048_576)
        assert.isBelow(pushesOf(deaf).length, 20)
      },
      // Each message counts as one for each of its recipients.
      { limits: { sendsBurst: 240 * 21 } },
    ),
  )
})
