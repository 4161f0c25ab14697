/** In which order messages leave, how many round trips that takes, and by which clock they are sealed. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { openPush } from "../../src/seal/OpenPush.ts"
import { Sodium } from "../../src/keys/Sodium.ts"
import { certified, trustOf } from "../support/Certified.ts"
import { startClient } from "../support/Clients.ts"
import { type FakeBroker, memberOf, peerOf, person, pushOf, settle, testLayer } from "../support/FakeBroker.ts"
import { carol } from "../support/Malice.ts"

const message = (text: string, to = "Bob") => ({ to, text, priority: "next" as const })

/** What the broker was sent, opened by Bob. */
const textsOf = Effect.fnUntraced(function* (broker: FakeBroker) {
  const sodium = yield* Sodium
  const bob = yield* person("Bob")
  const alice = yield* person("Alice")
  const reader = { ...certified(bob), sessionId: bob.sessionId }
  return broker.sends.map((send) => {
    const content = openPush(pushOf(send, alice, reader.meshId, bob.publicKey), reader, sodium)
    return content._tag === "Opened" ? content.text : content._tag
  })
})

const twenty = Array.from({ length: 20 }, (_, n) => String(n))

layer(testLayer)("the order of messages", (it) => {
  for (const [when, prepare] of [
    [
      "before the first roster is there",
      (broker: FakeBroker) => (broker.override = (frame) => frame.type === "list_members"),
    ],
    ["before the first connection", (broker: FakeBroker) => (broker.mode = "down")],
    ["at once", () => {}],
  ] as const) {
    it.effect(`is that of the calls, when 20 of them come ${when}`, () =>
      Effect.gen(function* () {
        const { broker, client } = yield* startClient((broker) => void prepare(broker))
        const asked = new Array<string>()
        const sending = yield* Effect.forkChild(
          Effect.forEach(
            twenty,
            (text) =>
              Effect.andThen(
                Effect.sync(() => asked.push(text)),
                client.enqueue(message(text)),
              ),
            { concurrency: "unbounded" },
          ),
        )
        yield* settle
        broker.mode = "up"
        broker.override = () => false
        for (const { sent, say } of broker.connections) {
          for (const frame of sent) {
            if (frame.type === "list_members")
              say({ type: "members", id: frame.id, members: broker.members, revocations: 0 })
          }
        }
        yield* TestClock.adjust("5 seconds")
        for (const { ack } of yield* Fiber.join(sending)) yield* ack
        assert.deepStrictEqual(asked, twenty)
        assert.deepStrictEqual(yield* textsOf(broker), twenty)
      }),
    )
  }

  it.effect(
    "stays when a message is refused for now, and when the connection is lost: one is on the wire at a time",
    () =>
      Effect.gen(function* () {
        const { broker, client } = yield* startClient()
        let sends = 0
        const accepted: Array<string> = []
        broker.override = (frame, connection) => {
          if (frame.type !== "send" || frame.id === undefined) return false
          sends += 1
          const said = sends % 7
          if (said === 1)
            connection.say({ type: "error", code: "unavailable", message: "", id: frame.id, retryable: true })
          else if (said === 3)
            connection.say({ type: "error", code: "rate_limited", message: "", id: frame.id, retryable: true })
          else if (said === 5) connection.close(1001)
          else {
            accepted.push(frame.id)
            return false
          }
          return true
        }
        const enqueued = yield* Effect.forEach(twenty, (text) => client.enqueue(message(text)))
        for (let minute = 0; minute < 40; minute++) yield* TestClock.adjust("30 seconds")
        for (const { ack } of enqueued) yield* ack
        assert.deepStrictEqual(
          accepted,
          enqueued.map(({ id }) => id),
        )
      }),
  )

  it.effect("is not held up by a call that was given up before its turn", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient(
        (broker) => (broker.override = (frame) => frame.type === "list_members"),
      )
      const [first, given, last] = [
        yield* Effect.forkChild(client.enqueue(message("first"))),
        yield* Effect.forkChild(client.enqueue(message("given up"))),
        yield* Effect.forkChild(client.enqueue(message("last"))),
      ]
      yield* settle
      yield* Fiber.interrupt(given)
      broker.override = () => false
      for (const frame of broker.sent("list_members")) {
        broker.latest.say({ type: "members", id: frame.id, members: broker.members, revocations: 0 })
      }
      for (const fiber of [first, last]) yield* (yield* Fiber.join(fiber)).ack
      assert.deepStrictEqual(yield* textsOf(broker), ["first", "last"])
    }),
  )
})

layer(testLayer)("a message to a member who is known", (it) => {
  const framesOf = <A, E, R>(broker: FakeBroker, effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const before = broker.latest.sent.length
      yield* effect
      return broker.latest.sent.slice(before).map(({ type }) => type)
    })

  it.effect("is one frame: no list is asked for", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      for (const text of ["1", "2"]) {
        assert.deepStrictEqual(yield* framesOf(broker, client.send(message(text))), ["send"])
      }
      assert.deepStrictEqual(yield* framesOf(broker, client.send(message("to all", "*"))), ["send"])
    }),
  )

  for (const [what, told] of [
    ["somebody has joined", { type: "members_changed" }],
    ["somebody was revoked", { type: "trust_changed", version: 0 }],
  ] as const) {
    it.effect(`is preceded by one list, once, where ${what} since`, () =>
      Effect.gen(function* () {
        const { broker, client } = yield* startClient()
        broker.latest.say(told)
        yield* settle
        assert.deepStrictEqual(yield* framesOf(broker, client.send(message("1"))), [
          "list_members",
          "list_peers",
          "send",
        ])
        assert.deepStrictEqual(yield* framesOf(broker, client.send(message("2"))), ["send"])
      }),
    )
  }

  it.effect("asks once for a name that is not known, and then says who there is", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client } = yield* startClient()
      const third = yield* carol
      const asked = yield* framesOf(broker, Effect.flip(client.send(message("hi", "Carol"))))
      assert.deepStrictEqual(asked, ["list_members", "list_peers"])
      // She has joined, and nobody was told.
      broker.connections.length = 1
      const { latest } = broker
      broker.connections.length = 0
      broker.members = [alice, bob, third].map((who) => memberOf(who))
      broker.connections.push(latest)
      broker.trust = trustOf([alice, bob, third])
      yield* client.send(message("hi", "Carol"))
    }),
  )

  it.effect("is asked for by a session's own name, or to a member with clients of v1, with the sessions of now", () =>
    Effect.gen(function* () {
      const bob = yield* person("Bob")
      const { broker, client } = yield* startClient((broker) => {
        broker.trust = {
          ...broker.trust,
          certificates: [...trustOf([]).certificates, certified(bob, "team", { allowV1: true }).certificate],
        }
      })
      assert.deepStrictEqual(yield* framesOf(broker, client.send(message("1"))), ["list_members", "list_peers", "send"])
      broker.peers = [peerOf(bob, { protocol: 1 })]
      yield* client.send(message("bare"))
      assert.strictEqual(Buffer.from(broker.sends.at(-1)?.ciphertext ?? "", "base64").length, 16 + "bare".length)
    }),
  )
})

layer(testLayer)("a clock", (it) => {
  const lines = (minutes: number) => ({ ahead: `This machine's clock is ${minutes} minutes ahead of the broker's.` })

  it.effect("that is off by more than 4 minutes sends nothing, and says what to do", () =>
    Effect.gen(function* () {
      for (const minutes of [10, -10]) {
        const { broker, client } = yield* startClient((broker) => (broker.clockOffsetMillis = -minutes * 60_000))
        const refused = yield* Effect.flip(client.send(message("hi")))
        const how = minutes > 0 ? "ahead of" : "behind"
        assert.strictEqual(
          refused.message,
          `This machine's clock is 10 minutes ${how} the broker's. Nothing was sent. Set the clock, then send again.`,
        )
        assert.deepStrictEqual(broker.sends, [])
        assert.strictEqual(yield* client.clockSkewMillis, minutes * 60_000)
      }
    }),
  )

  it.effect("that is off by up to 4 minutes sends, and is named from one minute on", () =>
    Effect.gen(function* () {
      for (const [seconds, notice] of [
        [59, undefined],
        [-59, undefined],
        [120, lines(2).ahead],
        [-239, "This machine's clock is 4 minutes behind the broker's."],
      ] as const) {
        const { client } = yield* startClient((broker) => (broker.clockOffsetMillis = -seconds * 1_000))
        yield* client.send(message("hi"))
        assert.strictEqual(yield* client.clockNotice, notice)
      }
    }),
  )

  it.effect("is measured anew before anything is refused: what was set sends at once", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient((broker) => (broker.clockOffsetMillis = -600_000))
      yield* Effect.flip(client.send(message("1")))
      broker.clockOffsetMillis = 0
      yield* client.send(message("2"))
      assert.isUndefined(yield* client.clockNotice)
    }),
  )

  it.effect("that was wrong when a message was sealed, before the first connection, has it refused and told", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.mode = "down"
      broker.latest.close(1001)
      yield* settle
      const sending = yield* Effect.forkChild(client.enqueue(message("from the future")))
      yield* TestClock.adjust("4 seconds")
      const { ack } = yield* Fiber.join(sending)
      // It turns out that the broker, and everybody else, is an hour behind.
      broker.clockOffsetMillis = -3_600_000
      broker.mode = "up"
      yield* TestClock.adjust("30 seconds")
      const refused = yield* Effect.flip(ack)
      assert.deepInclude(refused, { _tag: "SendRefused", code: "clock" })
      assert.include(refused.message, "60 minutes ahead of the broker's")
      assert.deepStrictEqual(broker.sends, [])
    }),
  )
})
