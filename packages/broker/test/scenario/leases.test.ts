/** Several sessions of one member over real sockets: who shows what, what is taken from whom, and who is told what. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { addInvite, join, makeMesh, newInvite, newPerson, type TestMesh } from "../support/Meshes.ts"
import { type Frame, RawClient, sendFrame } from "../support/RawClient.ts"
import { tableSizes } from "../support/StoredData.ts"
import { startBroker, temporaryFolder, type TestBroker, withBroker } from "../support/TestBroker.ts"

interface World {
  readonly broker: TestBroker
  readonly mesh: TestMesh
  readonly sender: RawClient
  /** A session of bob's. */
  readonly bobs: (sessionId: string, changes?: Readonly<Record<string, unknown>>) => Promise<RawClient>
  /** Sends to bob, and gives the message's id. */
  readonly toBob: (id: string, target?: string) => Promise<unknown>
}

const worldOf = async (broker: TestBroker): Promise<World> => {
  const mesh = await makeMesh(broker.origin)
  const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
  const sender = await RawClient.authenticatedV2(broker.url, alice)
  return {
    broker,
    mesh,
    sender,
    bobs: (sessionId, changes) => RawClient.authenticatedV2(broker.url, bob, { sessionId, ...changes }),
    toBob: async (id, target = bob.keys.publicKey) => {
      sender.send(sendFrame(id, target, id, alice.keys))
      return (await sender.take("ack", (ack) => ack["id"] === id))["messageId"]
    },
  }
}

const scenario = (tell: (world: World) => Promise<void>) =>
  Effect.scoped(
    Effect.flatMap(startBroker(), (broker) =>
      Effect.promise(async () => {
        const world = await worldOf(broker)
        await tell(world)
        await world.sender.close()
      }),
    ),
  )

const pull = async (client: RawClient, id: string): Promise<Frame> => {
  client.send({ type: "pull", id })
  return client.take("ok", (ok) => ok["id"] === id)
}

const lease = async (client: RawClient, id: string, ...messageIds: ReadonlyArray<unknown>): Promise<unknown> => {
  client.send({ type: "lease", id, messageIds })
  return (await client.take("leased", (leased) => leased["id"] === id))["messageIds"]
}

const pushedTo = (client: RawClient): ReadonlyArray<unknown> =>
  client.frames.filter(({ type }) => type === "push").map(({ messageId }) => messageId)

describe("a message in the buffer of a session that never looks", () => {
  it.live("goes to the session that asks, once, and what is leased or addressed to the first stays with it (I8)", () =>
    scenario(async ({ bobs, mesh, toBob }) => {
      const idle = await bobs("idle")
      const [one, two] = [await toBob("m1"), await toBob("m2")]
      const own = await toBob("m3", `${mesh.member("bob").keys.publicKey}/idle`)
      await idle.settled()
      assert.deepStrictEqual(pushedTo(idle), [one, two, own])
      assert.deepStrictEqual(await lease(idle, "l1", two), [two])

      const asks = await bobs("asks", { transient: true })
      const answer = await pull(asks, "p1")
      assert.deepInclude(answer, { remaining: 0, elsewhere: [{ sessionId: "idle", messages: 2 }] })
      assert.deepStrictEqual((await idle.take("recalled"))["messageIds"], [one])
      assert.deepStrictEqual(pushedTo(asks), [one])
      assert.deepStrictEqual(await lease(idle, "l2", one, own), [own])
      assert.deepStrictEqual(await lease(asks, "l3", one, two), [one])
      asks.send({ type: "client_ack", messageIds: [one] })
      idle.send({ type: "client_ack", messageIds: [two, own] })
      await Promise.all([asks.settled(), idle.settled()])
      assert.deepStrictEqual(await pull(asks, "p2"), { type: "ok", id: "p2", remaining: 0 })
      await Promise.all([idle.close(), asks.close()])
    }),
  )

  it.live(
    "comes back unmarked when a command that asked for it ends without a lease, and leaves no session (I8, I13)",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const dataDir = yield* temporaryFolder
          yield* withBroker(
            async (broker) => {
              const { bobs, sender, toBob } = await worldOf(broker)
              const idle = await bobs("idle")
              const id = await toBob("m1")
              assert.strictEqual((await idle.take("push"))["messageId"], id)
              for (const n of [1, 2, 3]) {
                const command = await bobs(`command-${n}`, { transient: true })
                await pull(command, "p")
                assert.deepStrictEqual(pushedTo(command), [id])
                await command.close()
                assert.deepInclude(await idle.take("push"), { messageId: id, redelivered: false })
              }
              await Promise.all([idle.close(), sender.close()])
            },
            { environment: { BROKER_DATA_DIR: dataDir } },
          )
          assert.strictEqual(tableSizes(dataDir)["session"], 2)
        }),
      ),
  )
})

describe("a second process with one session id", () => {
  it.live("is refused with session_in_use and 1008, comes back under another id, and both are there (I2)", () =>
    scenario(async ({ bobs, broker, mesh }) => {
      const first = await bobs("shared", { instance: "a1" })
      const second = await RawClient.open(broker.url)
      second.send(await second.helloV2(mesh.member("bob"), { sessionId: "shared", instance: "b2" }))
      assert.deepInclude(await second.take("error"), { code: "session_in_use" })
      assert.deepStrictEqual(await second.closed, { code: 1008, reason: "session_in_use" })
      const back = await bobs("shared.6f1a90", { instance: "b2" })
      const reconnected = await bobs("shared", { instance: "a1" })
      assert.strictEqual((await first.closed).code, 4003)
      back.send({ type: "list_peers", id: "p" })
      const peers = (await back.take("peers"))["peers"] as ReadonlyArray<Frame>
      assert.includeMembers(
        peers.map(({ sessionId }) => sessionId),
        ["shared", "shared.6f1a90"],
      )
      await Promise.all([back.close(), reconnected.close()])
    }),
  )
})

describe("a v2 client", () => {
  it.live("reads the broker's clock from a pong, and hears of a member that joins", () =>
    scenario(async ({ broker, mesh, sender }) => {
      sender.send({ type: "ping", id: "p" })
      const { brokerTime } = await sender.take("pong")
      assert.isBelow(Math.abs(Date.parse(String(brokerTime)) - Date.now()), 5_000)
      const invite = newInvite(mesh)
      assert.strictEqual((await addInvite(broker.origin, mesh.meshId, invite, mesh.owner)).status, 201)
      const carol = newPerson(mesh.meshId, "carol")
      assert.strictEqual((await join(broker.origin, carol, invite)).status, 201)
      const member = { memberId: carol.memberId, pubkey: carol.keys.publicKey, displayName: "carol" }
      assert.deepStrictEqual(await sender.take("members_changed"), { type: "members_changed", member })
    }),
  )
})

describe("a first client of a member whose certificate does not allow it", () => {
  it.live("is refused with a word that says so, and a client of this time is not", () =>
    scenario(async ({ broker, mesh }) => {
      const [invite, carol] = [newInvite(mesh), newPerson(mesh.meshId, "carol")]
      assert.strictEqual((await addInvite(broker.origin, mesh.meshId, invite, mesh.owner)).status, 201)
      assert.strictEqual((await join(broker.origin, carol, invite, { allowV1: false })).status, 201)
      const v1 = await RawClient.open(broker.url)
      v1.send(v1.helloV1(carol))
      const refusal = await v1.take("error")
      assert.deepInclude(refusal, { code: "unsupported" })
      assert.include(refusal["message"], "does not allow")
      assert.deepStrictEqual(Object.keys(refusal), ["type", "code", "message"])
      assert.deepStrictEqual(await v1.closed, { code: 1008, reason: "unsupported" })
      await (await RawClient.authenticatedV2(broker.url, carol)).close()
    }),
  )
})
