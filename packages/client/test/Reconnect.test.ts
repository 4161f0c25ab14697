import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { delayMillis, nextAttempt } from "../src/connection/ReconnectPolicy.ts"
import { helloStatementV2 } from "@claudemesh/domain/trust/HelloStatement"
import { Sodium } from "../src/keys/Sodium.ts"
import { startClient } from "./support/Clients.ts"
import { settle, testLayer } from "./support/FakeBroker.ts"

layer(testLayer)("reconnecting", (it) => {
  it.effect("waits 1, 2, 4, 8, 16, then 30 s between attempts, each spread by a fifth (I21)", () =>
    Effect.sync(() => {
      assert.deepStrictEqual(
        [1, 2, 3, 4, 5, 6, 7, 50].map((attempt) => delayMillis(attempt, 1)),
        [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000],
      )
      assert.deepStrictEqual([delayMillis(1, 0.8), delayMillis(9, 1.2)], [800, 36_000])
      assert.deepStrictEqual([nextAttempt(5, 59_999), nextAttempt(5, 60_000)], [6, 1])
    }),
  )

  it.effect("dials a broker that is down again and again, within the bounds of the schedule (I21)", () =>
    Effect.gen(function* () {
      const { broker } = yield* startClient((broker) => (broker.mode = "down"))
      for (let second = 0; second < 120; second++) yield* TestClock.adjust("1 second")
      const times = broker.connections.map(({ dialledAtMillis }) => dialledAtMillis)
      const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
      for (const [index, expected] of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000].entries()) {
        assert.isAtLeast(gaps[index] ?? 0, expected * 0.8)
        assert.isAtMost(gaps[index] ?? 0, expected * 1.2)
      }
    }),
  )

  it.effect("begins at the first delay again after a connection that stood a minute (I21)", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient((broker) => (broker.mode = "down"))
      yield* TestClock.adjust("20 seconds")
      broker.mode = "up"
      yield* TestClock.adjust("20 seconds")
      broker.latest.close(1001)
      yield* settle
      const early = yield* client.state
      assert.strictEqual(early._tag, "Waiting")
      if (early._tag === "Waiting") assert.isAtLeast(early.attempt, 4)
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual((yield* client.state)._tag, "Connected")
      yield* TestClock.adjust("61 seconds")
      broker.latest.close(1001)
      yield* settle
      const late = yield* client.state
      if (late._tag !== "Waiting") return assert.fail(late._tag)
      assert.strictEqual(late.attempt, 1)
    }),
  )

  it.effect("makes a hello anew for each connection, over that connection's nonce and the dialled origin (I21)", () =>
    Effect.gen(function* () {
      const { alice, broker } = yield* startClient()
      broker.latest.close(1001)
      yield* TestClock.adjust("2 seconds")
      yield* settle
      const { verify } = yield* Sodium
      const [first, second] = broker.hellos
      if (first === undefined || second === undefined) return assert.fail("two hellos are expected")
      assert.notStrictEqual(first.nonce, second.nonce)
      for (const hello of [first, second]) {
        assert.isTrue(verify(helloStatementV2("wss://team.example.com", hello), hello.signature, alice.publicKey))
        assert.strictEqual(hello.maxInFlight, 500)
      }
    }),
  )

  for (const code of [1008, 4001, 4002, 4003]) {
    it.effect(`stops for good on close code ${code}, with the reason`, () =>
      Effect.gen(function* () {
        const { broker, client } = yield* startClient()
        broker.latest.close(code)
        yield* TestClock.adjust("5 minutes")
        const state = yield* client.state
        assert.deepInclude(state, { _tag: "Stopped", code })
        assert.strictEqual(broker.connections.length, 1)
        const refused = yield* Effect.flip(client.enqueue({ to: "Bob", text: "hi", priority: "now" }))
        assert.strictEqual(refused._tag, "ClientStopped")
      }),
    )
  }

  for (const code of [1001, 1011, 1013, 4029]) {
    it.effect(`comes back after close code ${code}`, () =>
      Effect.gen(function* () {
        const { broker, client } = yield* startClient()
        broker.latest.close(code)
        yield* settle
        assert.strictEqual((yield* client.state)._tag, "Waiting")
        yield* TestClock.adjust("2 seconds")
        yield* client.awaitConnected("1 second")
      }),
    )
  }

  it.effect("keeps the error code of a refused hello as the reason", () =>
    Effect.gen(function* () {
      const { client } = yield* startClient((broker) => {
        broker.override = (frame, connection) => {
          if (frame.type !== "hello") return false
          connection.say({ type: "error", code: "unauthorized", message: "no such member in this mesh" })
          connection.close(1008, "see the error")
          return true
        }
      })
      assert.deepInclude(yield* client.state, { _tag: "Stopped", reason: "unauthorized", code: 1008 })
      const failed = yield* Effect.flip(client.awaitConnected("1 second"))
      assert.strictEqual(failed._tag, "ClientStopped")
    }),
  )

  it.effect("comes back after a hello that was refused for lack of room", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient((broker) => {
        broker.override = (frame, connection) => {
          if (frame.type !== "hello") return false
          connection.say({ type: "error", code: "capacity", message: "full" })
          connection.close(4013, "capacity")
          return true
        }
      })
      assert.deepInclude(yield* client.state, { _tag: "Waiting", lastError: "full" })
      broker.override = () => false
      yield* TestClock.adjust("2 seconds")
      yield* client.awaitConnected("1 second")
    }),
  )

  it.effect("gives up a socket on which no challenge comes within 5 s, and comes back", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient((broker) => (broker.mode = "mute"))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* client.state)._tag, "Waiting")
      assert.isTrue(broker.latest.closed)
      broker.mode = "up"
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* client.state)._tag, "Connected")
    }),
  )

  it.effect("gives up a connection whose broker does not answer the hello within 5 s", () =>
    Effect.gen(function* () {
      const { client } = yield* startClient((broker) => (broker.override = (frame) => frame.type === "hello"))
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual((yield* client.state)._tag, "Connecting")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* client.state)._tag, "Waiting")
    }),
  )

  it.effect("closes a connection on which no pong comes within 10 s, and comes back", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient((broker) => (broker.override = (frame) => frame.type === "ping"))
      yield* TestClock.adjust("39 seconds")
      assert.isFalse(broker.latest.closed)
      yield* TestClock.adjust("1 second")
      assert.isTrue(broker.latest.closed)
      yield* TestClock.adjust("2 seconds")
      yield* settle
      assert.strictEqual(broker.connections.length, 2)
      assert.strictEqual((yield* client.state)._tag, "Connected")
    }),
  )

  it.effect("survives a frame it cannot read", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.latest.say({ type: "pong", id: "nobody" })
      yield* client.ping
      assert.strictEqual(broker.connections.length, 1)
    }),
  )
})
