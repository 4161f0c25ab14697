/** What happens between the broker's push and the agent: judged by which clock, and kept before it is handed over. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { History } from "../../src/inbox/History.ts"
import { SeenMessages } from "../../src/inbox/SeenMessages.ts"
import { StateDb } from "../../src/local/StateDb.ts"
import { OutboxStore } from "../../src/outbox/OutboxStore.ts"
import { KnownMembers } from "../../src/trust/KnownMembers.ts"
import { startClient } from "../support/Clients.ts"
import { type FakeBroker, person, pushOf, settle, testLayer } from "../support/FakeBroker.ts"
import { sealedSend } from "../support/SealedSend.ts"

const dayMillis = 24 * 60 * 60_000

const sealed = (text: string) =>
  Effect.gen(function* () {
    return yield* sealedSend({ from: yield* person("Bob"), to: yield* person("Alice"), text })
  })

layer(testLayer)("a receiver whose clock is ahead", (it) => {
  it.effect(
    "leaves unread what came just now by the broker's clock, counts it, and shows it once the clock is right",
    () =>
      Effect.gen(function* () {
        const send = yield* sealed("just now")
        yield* TestClock.adjust(40 * dayMillis)
        const { alice, bob, broker, client, membership } = yield* startClient(
          (broker) => (broker.clockOffsetMillis = -40 * dayMillis),
        )
        broker.latest.say(pushOf(send, bob, membership.meshId, alice.publicKey, { createdAt: broker.time }))
        yield* settle
        assert.deepStrictEqual((yield* client.take()).messages, [])
        assert.deepStrictEqual(broker.sent("lease"), [])
        assert.deepInclude(yield* client.waits, { here: 0, forClock: 1 })
        assert.strictEqual(yield* client.clockNotice, "This machine's clock is 40 days ahead of the broker's.")
        // As if our clock had been set to the broker's time: what differs is the same.
        broker.clockOffsetMillis = 0
        yield* client.ping
        const [shown] = (yield* client.take()).messages
        assert.deepInclude(shown?.content, { _tag: "Mismatch", field: "sentAt" })
      }),
  )

  it.effect("is not made to show an old copy again by a broker that says that it is earlier", () =>
    Effect.gen(function* () {
      const send = yield* sealed("a year ago")
      yield* TestClock.adjust(365 * dayMillis)
      const { alice, bob, broker, client, membership } = yield* startClient(
        (broker) => (broker.clockOffsetMillis = -364 * dayMillis),
      )
      broker.latest.say(pushOf(send, bob, membership.meshId, alice.publicKey))
      yield* settle
      assert.deepStrictEqual((yield* client.take()).messages, [])
    }),
  )
})

layer(testLayer)("a message that is about to be shown", (it) => {
  const withHistory = (add: (texts: ReadonlyArray<string>) => Effect.Effect<void>) => {
    const real = Layer.fresh(Layer.mergeAll(History.layer, OutboxStore.layer)).pipe(Layer.provide(StateDb.memory))
    const spied = Layer.effect(
      History,
      Effect.map(History, (history) =>
        History.of({
          ...history,
          add: (messages) => add(messages.flatMap(({ content }) => (content._tag === "Opened" ? [content.text] : []))),
        }),
      ),
    )
    return Layer.provideMerge(spied, real)
  }
  const start = (
    add: (texts: ReadonlyArray<string>) => Effect.Effect<void>,
    prepare: (broker: FakeBroker) => void = () => {},
  ) => startClient(prepare, {}, KnownMembers.memory, SeenMessages.memory, withHistory(add))

  it.effect("is kept, so that it can be shown again, once it is leased and before it is handed over", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const { alice, bob, broker, client, membership } = yield* start(
        (texts) => Effect.sync(() => void events.push(`kept ${texts.join(", ")}`)),
        (broker) => {
          broker.override = (frame) => {
            if (frame.type === "lease") events.push("leased")
            return false
          }
        },
      )
      broker.latest.say(pushOf(yield* sealed("hello"), bob, membership.meshId, alice.publicKey))
      yield* settle
      const { messages } = yield* client.take()
      events.push(`handed over ${messages.length}`)
      assert.deepStrictEqual(events, ["leased", "kept hello", "handed over 1"])
    }),
  )

  it.effect("waits again when the call is given up before it was kept", () =>
    Effect.gen(function* () {
      const { alice, bob, broker, client, membership } = yield* start(() => Effect.never)
      broker.latest.say(pushOf(yield* sealed("hello"), bob, membership.meshId, alice.publicKey))
      yield* settle
      const taking = yield* Effect.forkChild(client.take())
      yield* settle
      yield* Fiber.interrupt(taking)
      assert.strictEqual(client.inbox.waiting.length, 1)
      assert.strictEqual(broker.sent("release").length, 1)
    }),
  )
})
