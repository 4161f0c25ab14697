import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { helloStatementV2 } from "@claudemesh/domain/trust/HelloStatement"
import { Sodium } from "../../src/keys/Sodium.ts"
import { startClient } from "../support/Clients.ts"
import { settle, testLayer } from "../support/FakeBroker.ts"

layer(testLayer)("reconnecting", (it) => {
  it.effect("dials a broker that is down again and again, within the bounds of the schedule (I21)", () =>
    Effect.gen(function* () {
      const { broker } = yield* startClient((broker) => (broker.mode = "down"))
      for (let second = 0; second < 120; second++) yield* TestClock.adjust("1 second")
      const times = broker.connections.map(({ dialledAtMillis }) => dialledAtMillis)
      const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
      for (const [index, expected] of [1_000, 2_000, 4_000, 8_000, 16_000, 25_000].entries()) {
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

  for (const [how, reason] of [
    ["the close code 4002", ""],
    ["a hello refused with revoked", "revoked"],
  ] as const) {
    it.effect(`stops for good after a revocation, by ${how}, and for nothing else (I21)`, () =>
      Effect.gen(function* () {
        const { broker, client } = yield* startClient()
        if (reason === "") broker.latest.close(4002)
        else {
          broker.override = (frame, connection) => {
            if (frame.type !== "hello") return false
            connection.say({ type: "error", code: "revoked", message: "you were revoked" })
            connection.close(1008, "revoked")
            return true
          }
          broker.latest.close(1001)
          yield* TestClock.adjust("2 seconds")
        }
        const dialled = broker.connections.length
        yield* TestClock.adjust("5 minutes")
        assert.deepInclude(yield* client.state, { _tag: "Stopped" })
        assert.strictEqual(broker.connections.length, dialled)
        const refused = yield* Effect.flip(client.enqueue({ to: "Bob", text: "hi", priority: "now" }))
        assert.strictEqual(refused._tag, "ClientStopped")
        assert.strictEqual((yield* Effect.flip(client.awaitConnected("1 second")))._tag, "ClientStopped")
      }),
    )
  }

  for (const code of [1008, 4001]) {
    it.effect(`says why after close code ${code}, and is back within 30 s of its end, without a restart (I21)`, () =>
      Effect.gen(function* () {
        const { broker, client } = yield* startClient()
        broker.override = (frame, connection) => {
          if (frame.type !== "hello") return false
          connection.say({ type: "error", code: "bad_signature", message: "not for this origin" })
          connection.close(code)
          return true
        }
        broker.latest.close(code)
        yield* TestClock.adjust("1 minute")
        const state = yield* client.state
        assert.deepInclude(state, { _tag: "Waiting", code: "bad_signature" })
        // Seldom: what is wrong is not over in a second.
        assert.isAtMost(broker.connections.length, 4)
        broker.override = () => false
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual((yield* client.state)._tag, "Connected")
      }),
    )
  }

  it.effect("tells at once who waits for a connection that the broker refuses, and with which code", () =>
    Effect.gen(function* () {
      const { client } = yield* startClient((broker) => {
        broker.override = (frame, connection) => {
          if (frame.type !== "hello") return false
          connection.say({ type: "error", code: "unauthorized", message: "no such member in this mesh" })
          connection.close(1008, "see the error")
          return true
        }
      })
      const failed = yield* Effect.flip(client.awaitConnected("5 seconds"))
      assert.deepInclude(failed, { _tag: "NotConnected", code: "unauthorized" })
      assert.include(failed.message, "no such member in this mesh")
    }),
  )

  it.effect("dials at once when it is called, and a call waits for that attempt", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient((broker) => (broker.mode = "down"))
      yield* TestClock.adjust("40 seconds")
      const waiting = yield* client.state
      if (waiting._tag !== "Waiting") return assert.fail(waiting._tag)
      yield* TestClock.adjust("5 seconds")
      const dialled = broker.connections.length
      broker.mode = "up"
      const calling = yield* Effect.forkChild(client.roster)
      yield* settle
      assert.strictEqual(broker.connections.length, dialled + 1)
      assert.strictEqual((yield* Fiber.join(calling)).length, 2)
    }),
  )

  it.effect("dials at once for a message, too, before which nothing is to be asked", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      yield* client.roster
      broker.mode = "down"
      broker.latest.close(1006)
      yield* TestClock.adjust("40 seconds")
      yield* TestClock.adjust("5 seconds")
      const dialled = broker.connections.length
      broker.mode = "up"
      const { ack } = yield* client.enqueue({ to: "Bob", text: "hello", priority: "next" })
      const acked = yield* Effect.forkChild(ack)
      yield* settle
      assert.strictEqual(broker.connections.length, dialled + 1)
      yield* Fiber.join(acked)
    }),
  )

  it.effect("dials no more than once a second, however often it is called, and each call has its answer", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient((broker) => (broker.mode = "down"))
      yield* TestClock.adjust("40 seconds")
      const before = broker.connections.length
      const calls = yield* Effect.forkChild(Effect.all(Array.from({ length: 50 }, () => Effect.flip(client.ping))))
      for (let tenth = 0; tenth < 100; tenth++) yield* TestClock.adjust("100 millis")
      const dials = broker.connections.slice(before).map(({ dialledAtMillis }) => dialledAtMillis)
      assert.isAtLeast(dials.length, 9)
      for (const [index, at] of dials.slice(1).entries()) assert.isAtLeast(at - (dials[index] ?? 0), 1_000)
      yield* Fiber.interrupt(calls)
    }),
  )

  it.effect("waits 3 s at most for a broker that takes the call and says nothing, however many calls there are", () =>
    Effect.gen(function* () {
      const { client } = yield* startClient((broker) => (broker.mode = "hangs"))
      const calling = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 20 }), () => Effect.flip(client.ping)),
      )
      yield* TestClock.adjust("3 seconds")
      for (const { _tag } of yield* Fiber.join(calling)) assert.strictEqual(_tag, "NotConnected")
    }),
  )

  it.effect("gives up a connection that is dead when a call has no answer, and is back at the next one", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.override = () => true
      const calling = yield* Effect.forkChild(Effect.flip(client.channels))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(calling))._tag, "RequestTimedOut")
      yield* TestClock.adjust("3 seconds")
      broker.override = () => false
      assert.isTrue(broker.connections[0]?.closed)
      yield* client.channels
    }),
  )

  it.effect("keeps a connection on which only one thing is slow", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.override = (frame) => frame.type === "list_channels"
      const calling = yield* Effect.forkChild(Effect.flip(client.channels))
      yield* TestClock.adjust("5 seconds")
      yield* client.ping
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(calling)
      yield* settle
      assert.deepStrictEqual(
        broker.connections.map(({ closed }) => closed),
        [false],
      )
    }),
  )

  for (const [how, refuse] of [
    ["its hello is refused with session_in_use", true],
    ["it is replaced by another process with its session id", false],
  ] as const) {
    it.effect(`goes on at once under a session id of its own when ${how}`, () =>
      Effect.gen(function* () {
        const { alice, broker, client } = yield* startClient((broker) => {
          if (!refuse) return
          broker.override = (frame, connection) => {
            if (frame.type !== "hello" || broker.connections.length > 1) return false
            connection.say({ type: "error", code: "session_in_use", message: "another process has it" })
            connection.close(1008, "session_in_use")
            return true
          }
        })
        if (!refuse) broker.latest.close(4003)
        yield* settle
        const [first, second] = broker.hellos
        assert.strictEqual(first?.sessionId, alice.sessionId)
        assert.match(second?.sessionId ?? "", new RegExp(`^${alice.sessionId}\\.[0-9a-f]{6}$`))
        assert.strictEqual(second?.instance, first?.instance)
        assert.strictEqual(yield* client.sessionId, second?.sessionId)
        assert.strictEqual((yield* client.state)._tag, "Connected")
        // For the rest of the process.
        broker.latest.close(1001)
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(broker.hellos.at(-1)?.sessionId, second?.sessionId)
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

  for (const mode of ["hangs", "mute", "up"] as const) {
    it.effect(`ends without waiting for a broker that is ${mode}`, () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { broker, client } = yield* startClient((broker) => (broker.mode = mode)).pipe(Scope.provide(scope))
        broker.override = () => true
        const asking = yield* Effect.forkChild(Effect.exit(client.ping))
        yield* settle
        yield* Scope.close(scope, Exit.void)
        assert.deepInclude(yield* client.state, { _tag: "Stopped" })
        assert.isTrue(broker.connections.every(({ closed }) => closed))
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(asking)
      }),
    )
  }
})
