/**
 * The database goes away under a running broker, and comes back: senders are told, readiness says so, and then all is
 * well by itself. The way to Postgres leads through a proxy that can be shut.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { makeMesh } from "../support/Meshes.ts"
import { Postgres } from "../support/Postgres.ts"
import { type Proxy, proxyTo } from "../support/Proxy.ts"
import { type Frame, RawClient, sendFrame, unseal } from "../support/RawClient.ts"
import { startBroker, type TestBroker } from "../support/TestBroker.ts"

const postgresBehindProxy = Effect.gen(function* () {
  const url = new URL(yield* (yield* Postgres).freshDatabase)
  const way = yield* proxyTo(Number(url.port))
  url.port = String(way.port)
  return { way, environment: { DATABASE_URL: url.href, BROKER_HOST: "127.0.0.1" } }
})

const statusOf = async (broker: TestBroker, path: "health" | "ready") =>
  (await fetch(`${broker.origin}/${path}`)).status

const until = async (what: string, holds: () => Promise<boolean>) => {
  const deadline = performance.now() + 15_000
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`)
    await Bun.sleep(50)
  }
}

const answerTo = async (client: RawClient, frame: object, id: string): Promise<Frame> => {
  client.send(frame)
  await until(`an answer to ${id}`, async () => client.frames.some((one) => one["id"] === id))
  const index = client.frames.findIndex((one) => one["id"] === id)
  const [answer] = client.frames.splice(index, 1)
  if (answer === undefined) throw new Error("there was one")
  return answer
}

const scenario = async (broker: TestBroker, way: Proxy): Promise<void> => {
  const mesh = await makeMesh(broker.origin)
  const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
  const sender = await RawClient.authenticatedV2(broker.url, alice)
  const recipient = await RawClient.authenticatedV2(broker.url, bob)
  const send = (id: string, text: string) =>
    answerTo(sender, { ...sendFrame(id, bob.keys.publicKey, text, alice.keys) }, id)

  assert.strictEqual((await send("m1", "before")).type, "ack")
  const before = await recipient.take("push")
  assert.deepStrictEqual([await statusOf(broker, "ready"), await statusOf(broker, "health")], [200, 200])

  way.shut()
  assert.deepInclude(await send("m2", "meanwhile"), { type: "error", code: "unavailable", retryable: true })
  // An ack cannot be written now: it is kept.
  recipient.send({ type: "client_ack", messageIds: [before["messageId"]] })
  await until("not ready", async () => (await statusOf(broker, "ready")) === 503)
  assert.strictEqual(await statusOf(broker, "health"), 503)
  const page = await fetch(`${broker.origin}/`)
  assert.strictEqual(page.status, 503)
  assert.include(await page.text(), "It cannot read what it has stored.")
  // What needs no database goes on.
  assert.strictEqual((await answerTo(sender, { type: "ping", id: "ping" }, "ping")).type, "pong")

  way.open()
  await until("ready again", async () => (await statusOf(broker, "ready")) === 200)
  const text = "again"
  await until("a send is taken", async () => (await send("m3", text)).type === "ack")
  const after = await recipient.take("push", (push) => push["messageId"] !== before["messageId"])
  assert.strictEqual(unseal(after, bob.keys), text)
  recipient.send({ type: "client_ack", messageIds: [after["messageId"]] })

  // Nobody restarted anything, and the ack from meanwhile was written: nothing is left for bob.
  await answerTo(recipient, sendFrame("barrier", alice.keys.publicKey, "x", bob.keys), "barrier")
  await recipient.close()
  const back = await RawClient.authenticatedV2(broker.url, bob)
  back.send({ type: "pull", id: "all" })
  assert.deepInclude(await back.take("ok"), { remaining: 0 })
  assert.deepStrictEqual(
    back.frames.filter((frame) => frame.type === "push"),
    [],
  )
  await Promise.all([sender.close(), back.close()])
}

/** So that the scenario is short; what they are in production is in `limits.test.ts`. */
const impatient = { storeCallMillis: 1_000, storeLoadMillis: 1_500, drainTimeoutMillis: 1_000, healthProbeMillis: 100 }

const silentScenario = async (broker: TestBroker, way: Proxy): Promise<void> => {
  const mesh = await makeMesh(broker.origin)
  const other = await makeMesh(broker.origin)
  const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
  const sender = await RawClient.authenticatedV2(broker.url, alice)
  const recipient = await RawClient.authenticatedV2(broker.url, bob)
  const send = (id: string, text: string) =>
    answerTo(sender, { ...sendFrame(id, bob.keys.publicKey, text, alice.keys) }, id)
  await answerTo(recipient, { type: "set_status", id: "dnd", status: "dnd" }, "dnd")
  assert.strictEqual((await send("m1", "held")).type, "ack")

  way.silence()
  const began = performance.now()
  assert.deepInclude(await send("m2", "meanwhile"), { type: "error", code: "unavailable", retryable: true })
  assert.isBelow(performance.now() - began, 3_000)
  // Its inbox is read now, and hears nothing; nor does the load of a mesh that nobody is in.
  await answerTo(recipient, { type: "set_status", id: "idle", status: "idle" }, "idle")
  const carol = other.member("alice")
  const early = RawClient.authenticatedV2(broker.url, carol).then(
    (client) => client.close(),
    () => undefined,
  )
  await until("not ready", async () => (await statusOf(broker, "ready")) === 503)
  assert.strictEqual(await statusOf(broker, "health"), 503)

  way.open()
  const held = await recipient.take("push")
  assert.strictEqual(unseal(held, bob.keys), "held")
  await until("ready again", async () => (await statusOf(broker, "ready")) === 200)
  await until("a send is taken", async () => (await send("m2", "meanwhile")).type === "ack")
  assert.strictEqual(unseal(await recipient.take("push"), bob.keys), "meanwhile")
  await early
  await (await RawClient.authenticatedV2(broker.url, carol)).close()

  // On its way out it waits for an answer that never comes.
  way.silence()
  sender.send(sendFrame("m3", bob.keys.publicKey, "too late", alice.keys))
}

layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("a broker whose Postgres", (it) => {
  it.effect(
    "goes away tells its senders to try again, is not ready, and is well by itself when it is back (I7, I24)",
    () =>
      Effect.gen(function* () {
        const { environment, way } = yield* postgresBehindProxy
        const broker = yield* startBroker({ environment })
        yield* Effect.promise(() => scenario(broker, way))
      }).pipe(Effect.scoped),
  )

  it.effect(
    "falls silent does the same after a time, reads on when it is back, and is not held up at its end (I7, I24)",
    () =>
      Effect.gen(function* () {
        const { environment, way } = yield* postgresBehindProxy
        const scope = yield* Scope.make()
        const broker = yield* startBroker({ environment, limits: impatient }).pipe(Scope.provide(scope))
        yield* Effect.promise(() => silentScenario(broker, way))
        const began = performance.now()
        yield* Scope.close(scope, Exit.void)
        assert.isBelow(performance.now() - began, 4_000)
      }).pipe(Effect.scoped),
  )
})
