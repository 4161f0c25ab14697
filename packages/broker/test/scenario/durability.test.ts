/**
 * An ack survives the broker's death (I7), and what was pushed and not acked is pending again (I8): with a real
 * process that is killed as by `kill -9` and started again, on both databases.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { type BrokerProcess, brokerProcess } from "../support/BrokerProcess.ts"
import { makeMesh } from "../support/Meshes.ts"
import { Postgres } from "../support/Postgres.ts"
import { type Identity, RawClient, sendFrame, unseal } from "../support/RawClient.ts"
import { temporaryFolder } from "../support/TestBroker.ts"

const sqlite = Effect.map(temporaryFolder, (folder) => ({ BROKER_DATA_DIR: folder }))
const postgres = Effect.flatMap(Postgres, ({ freshDatabase }) =>
  Effect.map(freshDatabase, (url) => ({ DATABASE_URL: url, BROKER_HOST: "127.0.0.1" })),
)

const world = async (broker: BrokerProcess) => {
  const mesh = await makeMesh(broker.origin)
  return { alice: mesh.member("alice"), bob: mesh.member("bob") }
}

/** Everything pushed to the client: a pull is answered once nothing more waits for it. */
const pushedSoFar = async (client: RawClient) => {
  client.send({ type: "pull", id: "all" })
  await client.take("ok", (frame) => frame["id"] === "all")
  return client.frames.filter((frame) => frame.type === "push")
}

/** A client_ack has no answer. What is sent after it is committed after it, and acked after that. */
const ackIsCommitted = async (client: RawClient, self: Identity, to: Identity) => {
  client.send(sendFrame("barrier", to.keys.publicKey, "barrier", self.keys))
  await client.take("ack", (frame) => frame["id"] === "barrier")
}

const killedBeforeTheRecipientCame = async (broker: BrokerProcess) => {
  const { alice, bob } = await world(broker)
  const a = await RawClient.authenticatedV2(broker.url, alice)
  a.send(sendFrame("m1", bob.keys.publicKey, "survives", alice.keys))
  await a.take("ack")
  await broker.kill()
  await broker.start()
  const b = await RawClient.authenticatedV2(broker.url, bob)
  const push = await b.take("push")
  assert.strictEqual(unseal(push, bob.keys), "survives")
  assert.strictEqual(push["redelivered"], false, "nobody can have had it before")
  b.send({ type: "client_ack", messageIds: [push["messageId"]] })
  assert.deepStrictEqual(await pushedSoFar(b), [], "once")
  await ackIsCommitted(b, bob, alice)
  await broker.kill()
  await broker.start()
  const again = await RawClient.authenticatedV2(broker.url, bob)
  assert.deepStrictEqual(await pushedSoFar(again), [], "the ack of the recipient was kept, too")
}

const killedBeforeTheRecipientAcked = async (broker: BrokerProcess) => {
  const { alice, bob } = await world(broker)
  const b = await RawClient.authenticatedV2(broker.url, bob)
  const a = await RawClient.authenticatedV2(broker.url, alice)
  for (const id of ["leased", "released", "buffered"]) a.send(sendFrame(id, bob.keys.publicKey, id, alice.keys))
  const [leased, released, buffered] = [await b.take("push"), await b.take("push"), await b.take("push")]
  b.send({ type: "lease", id: "l", messageIds: [leased["messageId"], released["messageId"]] })
  await b.take("leased")
  b.send({ type: "release", messageIds: [released["messageId"]] })
  await ackIsCommitted(b, bob, alice)
  await broker.kill()
  await broker.start()
  const back = await RawClient.authenticatedV2(broker.url, bob)
  for (const before of [leased, released, buffered]) {
    const { messageId } = before
    assert.deepInclude(await back.take("push"), { messageId, redelivered: before === leased })
    back.send({ type: "client_ack", messageIds: [messageId] })
  }
  assert.deepStrictEqual(await pushedSoFar(back), [], "once more, and not twice")

  // The sender's ack may have been lost, too: the same send again is answered by the same result.
  const resender = await RawClient.authenticatedV2(broker.url, alice)
  resender.send(sendFrame("m2", bob.keys.publicKey, "x", alice.keys))
  const ack = await resender.take("ack")
  assert.deepInclude(ack, { duplicate: false })
}

/** The same frame before and after a crash: one message. */
const resentAfterTheCrash = async (broker: BrokerProcess) => {
  const { alice, bob } = await world(broker)
  const frame = sendFrame("m1", bob.keys.publicKey, "only once", alice.keys)
  const a = await RawClient.authenticatedV2(broker.url, alice)
  a.send(frame)
  const first = await a.take("ack")
  await broker.kill()
  await broker.start()
  const back = await RawClient.authenticatedV2(broker.url, alice)
  back.send(frame)
  const second = await back.take("ack")
  assert.deepInclude(second, { messageId: first["messageId"], duplicate: true })
  const b = await RawClient.authenticatedV2(broker.url, bob)
  await b.take("push")
  assert.deepStrictEqual(await pushedSoFar(b), [])
}

const scenarios: ReadonlyArray<readonly [string, (broker: BrokerProcess) => Promise<void>]> = [
  [
    "delivers once what it acked before it was killed, to a recipient that comes later (I7)",
    killedBeforeTheRecipientCame,
  ],
  [
    "pushes again what was not acked when it was killed, and marks as redelivered what was leased, and nothing else (I8)",
    killedBeforeTheRecipientAcked,
  ],
  ["answers a resend after the crash by the first result, and delivers one message (I7)", resentAfterTheCrash],
]

describe("on SQLite the broker", () => {
  for (const [claim, scenario] of scenarios) {
    it.live(claim, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const broker = yield* brokerProcess(yield* sqlite)
          yield* Effect.promise(() => scenario(broker))
        }),
      ),
    )
  }

  it.live("refuses a folder that another broker uses, in one line that names the variable", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const environment = yield* sqlite
        yield* brokerProcess(environment)
        const second = yield* Effect.exit(Effect.scoped(brokerProcess(environment)))
        assert.include(String(second), `BROKER_DATA_DIR ${environment.BROKER_DATA_DIR}: another broker is using it`)
      }),
    ),
  )

  it.live("ends on SIGTERM with 0 within 10 s: what is under way is acked, sockets close with 1001", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const broker = yield* brokerProcess(yield* sqlite)
        yield* Effect.promise(async () => {
          const { alice, bob } = await world(broker)
          const silent = await RawClient.open(broker.url)
          const a = await RawClient.authenticatedV2(broker.url, alice)
          const ids = Array.from({ length: 50 }, (_, n) => `under-way-${n}`)
          for (const id of ids) a.send(sendFrame(id, bob.keys.publicKey, id, alice.keys))
          await a.take("ack")
          const begun = performance.now()
          assert.strictEqual(await broker.terminate(), 0)
          assert.isBelow(performance.now() - begun, 10_000)
          assert.strictEqual((await a.closed).code, 1001)
          assert.strictEqual((await silent.closed).code, 1001)
          const acked = a.frames.filter((frame) => frame.type === "ack").length + 1
          await broker.start()
          const b = await RawClient.authenticatedV2(broker.url, bob)
          const pushed = await pushedSoFar(b)
          assert.isAtLeast(pushed.length, acked, "every acked message is there")
        })
      }),
    ),
  )
})

layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("on Postgres the broker", (it) => {
  for (const [claim, scenario] of scenarios) {
    it.effect(claim, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const broker = yield* brokerProcess(yield* postgres)
          yield* Effect.promise(() => scenario(broker))
        }),
      ),
    )
  }
})
