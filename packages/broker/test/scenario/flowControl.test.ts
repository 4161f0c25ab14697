/** Nothing grows and nothing stands still, on real sockets: the smallest capacities, floods, rates and full inboxes. */
import { assert, describe, it } from "@effect/vitest"
import { deafClient } from "../support/DeafClient.ts"
import { makeMesh, type TestMesh } from "../support/Meshes.ts"
import { RawClient, sendFrame } from "../support/RawClient.ts"
import { withBroker } from "../support/TestBroker.ts"

const allOnes = {
  inboundFramesMax: 1,
  sendsUnderWayMax: 1,
  meshMailboxMax: 1,
  commitWritesMax: 1,
  commitRowsMax: 1,
  commitCharactersMax: 1,
  pageRowsMax: 1,
  windowV1Max: 1,
}

const key = Buffer.from("any").toString("base64")

/** A group message as the broker sees it: it cannot tell that nobody can open this one. */
const toGroup = (id: string, target: string, mesh: TestMesh): object => ({
  type: "send",
  id,
  targetSpec: target,
  priority: "now",
  nonce: "A".repeat(32),
  ciphertext: Buffer.from(`sealed ${id}`).toString("base64"),
  sealedKeys: mesh.members.map(({ keys }) => ({ pubkey: keys.publicKey, key })),
})

/** Acks each push as it comes, so that the next one finds room. */
const consumes = (client: RawClient): { readonly ids: ReadonlyArray<string> } => {
  const ids: Array<string> = []
  client.socket.addEventListener("message", ({ data }) => {
    const frame = JSON.parse(String(data))
    if (frame.type !== "push") return
    ids.push(frame.messageId)
    client.send({ type: "client_ack", messageIds: [frame.messageId] })
  })
  return { ids }
}

const until = async (done: () => boolean, what: () => string): Promise<void> => {
  const deadline = performance.now() + 20_000
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`it stands still: ${what()}`)
    await Bun.sleep(5)
  }
}

describe("with every capacity at its least", () => {
  it.live("everybody can talk to everybody at once, and to themselves, and nothing stands still (I23)", () =>
    withBroker(
      async (broker) => {
        const mesh = await makeMesh(broker.origin, ["alice", "bob", "carol"])
        const clients = await Promise.all(
          mesh.members.map((member) => RawClient.authenticatedV2(broker.url, member, { maxInFlight: 1 })),
        )
        const consumed = clients.map(consumes)
        const sends = 20
        let expectedAcks = 0
        for (const [index, client] of clients.entries()) {
          const from = mesh.members[index]
          if (from === undefined) continue
          for (let n = 0; n < sends; n++) {
            for (const to of mesh.members) {
              client.send(sendFrame(`${index}-${n}-${to.name}`, to.keys.publicKey, "hello", from.keys))
              expectedAcks += 1
            }
            client.send(toGroup(`${index}-${n}-all`, "*", mesh))
            client.send({ type: "ping", id: `ping-${n}` })
            client.send({ type: "list_peers", id: `list-${n}` })
            expectedAcks += 1
          }
        }
        const countOf = (type: string) =>
          clients.reduce((sum, { frames }) => sum + frames.filter((frame) => frame.type === type).length, 0)
        // Of each other: 3 × 20 direct to each, and 2 × 20 from the others to all.
        const expectedPushes = 3 * sends * 3 + 3 * sends * 2
        const pushes = () => consumed.reduce((sum, { ids }) => sum + new Set(ids).size, 0)
        await until(
          () => countOf("ack") === expectedAcks && pushes() === expectedPushes,
          () => `${countOf("ack")} of ${expectedAcks} acks, ${pushes()} of ${expectedPushes} pushes`,
        )
        assert.strictEqual(countOf("error"), 0)
        assert.strictEqual(countOf("pong"), 3 * sends)
        assert.strictEqual(countOf("peers"), 3 * sends)
        for (const { ids } of consumed) assert.strictEqual(new Set(ids).size, ids.length, "nothing came twice")
      },
      { limits: allOnes },
    ),
  )
})

describe("a connection that floods", () => {
  it.live("is closed with 4029, and the others notice nothing (I23, I24)", () =>
    withBroker(async (broker) => {
      const mesh = await makeMesh(broker.origin)
      const calm = await RawClient.authenticatedV2(broker.url, mesh.member("bob"))
      const flooder = await RawClient.authenticatedV2(broker.url, mesh.member("alice"))
      for (let n = 0; n < 30_000; n++) flooder.socket.send(`{"type":"ping","id":"p"}`)
      assert.strictEqual((await flooder.closed).code, 4029)
      assert.deepInclude(flooder.frames.at(-1), { type: "error", code: "flooding", retryable: true })
      await calm.settled()
      // It may come back, slower.
      const again = await RawClient.authenticatedV2(broker.url, mesh.member("alice"))
      await again.settled()
    }),
  )

  it.live("is closed much sooner before its hello (I23)", () =>
    withBroker(async (broker) => {
      const stranger = await RawClient.open(broker.url)
      for (let n = 0; n < 30; n++) stranger.send("not a frame")
      assert.strictEqual((await stranger.closed).code, 4029)
      assert.strictEqual(stranger.frames.filter((frame) => frame["code"] === "malformed").length, 16)
    }),
  )
})

describe("a socket that is not read", () => {
  it.live("is dropped once four mebibytes wait in it, and the others notice nothing (I23)", () =>
    withBroker(async (broker) => {
      const mesh = await makeMesh(broker.origin)
      const sessions = await Promise.all(
        Array.from({ length: 100 }, () => RawClient.authenticatedV2(broker.url, mesh.member("bob"))),
      )
      const deaf = await deafClient(Number(new URL(broker.origin).port), mesh.member("alice"))
      assert.strictEqual(broker.connections(), 101)
      // Each answer lists a hundred sessions.
      for (let n = 0; n < 2_000; n++) deaf.send({ type: "list_peers", id: `l${n}` })
      await until(
        () => broker.connections() === 100,
        () => "it is still open",
      )
      for (const session of sessions.slice(0, 3)) await session.settled()
      deaf.end()
    }),
  )
})

describe("a member that sends too fast", () => {
  it.live("is refused, and may send the same again later (I23)", () =>
    withBroker(
      async (broker) => {
        const mesh = await makeMesh(broker.origin)
        const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
        const client = await RawClient.authenticatedV2(broker.url, alice)
        for (let n = 0; n < 60; n++) client.send(sendFrame(`m${n}`, bob.keys.publicKey, "hi", alice.keys))
        await client.settled()
        const refused = client.frames.filter((frame) => frame["code"] === "rate_limited")
        assert.isAtLeast(refused.length, 2)
        for (const frame of refused) assert.strictEqual(frame["retryable"], true)
        await Bun.sleep(250)
        const id = refused[0]?.["id"]
        client.send(sendFrame(String(id), bob.keys.publicKey, "hi", alice.keys))
        // Nothing was stored under the id, so this other ciphertext is no conflict.
        assert.strictEqual((await client.take("ack", (frame) => frame["id"] === id))["duplicate"], false)
      },
      { limits: { sendsBurst: 5, sendsPerSecond: 10 } },
    ),
  )
})

describe("an inbox that is full", () => {
  it.live("refuses with nothing stored, and takes again once its member has read (I22, I23)", () =>
    withBroker(
      async (broker) => {
        const mesh = await makeMesh(broker.origin)
        const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
        const client = await RawClient.authenticatedV2(broker.url, alice)
        const sendOne = async (id: string) => {
          client.send(sendFrame(id, bob.keys.publicKey, "hi", alice.keys))
          const answer = () => client.frames.find((frame) => frame["id"] === id)
          await until(
            () => answer() !== undefined,
            () => `no answer to ${id}`,
          )
          const frame = answer()
          client.frames.length = 0
          return frame
        }
        for (const id of ["m1", "m2", "m3"]) assert.strictEqual((await sendOne(id))?.type, "ack")
        assert.deepInclude(await sendOne("m4"), { type: "error", code: "backlog_full", retryable: true })
        const reader = await RawClient.authenticatedV2(broker.url, bob)
        const first = await reader.take("push")
        reader.send({ type: "client_ack", messageIds: [first["messageId"]] })
        // What is sent after the ack is committed after it.
        reader.send(sendFrame("barrier", alice.keys.publicKey, "x", bob.keys))
        await reader.take("ack")
        assert.strictEqual((await sendOne("m4"))?.type, "ack")
        assert.strictEqual((await sendOne("m5"))?.type, "error")
      },
      { limits: { backlogMessagesMax: 3 } },
    ),
  )
})
