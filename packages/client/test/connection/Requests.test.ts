import { Label, MessageId } from "@claudemesh/domain/Ids"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { startClient } from "../support/Clients.ts"
import { at, type FakeBroker, settle, testLayer } from "../support/FakeBroker.ts"

const builds = Label.make("builds")
const reviews = Label.make("reviews")

layer(testLayer)("requests", (it) => {
  it.effect("fail as timed out when no reply comes within 10 s", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.override = (frame) => frame.type === "pull"
      const pull = yield* Effect.forkChild(Effect.flip(client.pull()))
      yield* settle
      yield* TestClock.adjust("10 seconds")
      assert.deepInclude(yield* Fiber.join(pull), { _tag: "RequestTimedOut", request: "pull" })
    }),
  )

  it.effect("fail at once when the connection is lost", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.override = (frame) => frame.type === "pull"
      const pull = yield* Effect.forkChild(Effect.flip(client.pull()))
      yield* settle
      broker.latest.close(1006)
      assert.strictEqual((yield* Fiber.join(pull))._tag, "NotConnected")
    }),
  )

  it.effect("fail without a connection once it was tried to make one, and say why there is none", () =>
    Effect.gen(function* () {
      const { client } = yield* startClient((broker) => (broker.mode = "down"))
      const asking = yield* Effect.forkChild(Effect.flip(client.roster))
      yield* TestClock.adjust("1 second")
      const failed = yield* Fiber.join(asking)
      assert.strictEqual(failed._tag, "NotConnected")
      assert.include(failed.message, "refused")
    }),
  )

  it.effect("fail with the broker's code when refused", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.override = (frame, { say }) => {
        if (frame.type !== "pull") return false
        say({ type: "error", code: "internal", message: "a pull is under way", id: frame.id, retryable: true })
        return true
      }
      assert.deepInclude(yield* Effect.flip(client.pull()), { _tag: "RequestRefused", code: "internal" })
    }),
  )

  it.effect("have ids of their own, so that replies out of order find their requests", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      const ids: Array<string> = []
      broker.override = (frame) => frame.type === "list_channels" && ids.push(frame.id) > 0
      const first = yield* Effect.forkChild(client.channels)
      const second = yield* Effect.forkChild(client.channels)
      yield* settle
      for (const [members, id] of [...ids.entries()].toReversed()) {
        broker.latest.say({
          type: "channels",
          id,
          channels: [{ channel: builds, joined: false, sessions: 0, members }],
        })
      }
      assert.deepStrictEqual(
        [yield* Fiber.join(first), yield* Fiber.join(second)].map(([channel]) => channel?.members),
        [0, 1],
      )
    }),
  )

  it.effect("set the status and summary again after a reconnect", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      yield* client.setStatus("dnd")
      yield* client.setSummary("writing tests")
      broker.latest.close(1001)
      yield* TestClock.adjust("2 seconds")
      yield* settle
      const types = broker.latest.sent.map(({ type }) => type)
      assert.include(types, "set_status")
      assert.include(types, "set_profile")
      assert.strictEqual(broker.sent("set_status").at(-1)?.status, "dnd")
    }),
  )

  const joined = (broker: FakeBroker) => broker.latest.sent.filter(({ type }) => type === "join_channel")

  it.effect("join channels, list them, and join again after a reconnect those not left since", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      for (const channel of [builds, reviews]) yield* client.joinChannel(channel)
      yield* client.leaveChannel(reviews)
      assert.deepStrictEqual(
        broker.sent("leave_channel").map(({ channel }) => channel),
        [reviews],
      )
      broker.channels = [{ channel: builds, joined: true, sessions: 1, members: 2 }]
      assert.deepStrictEqual(yield* client.channels, broker.channels)
      broker.latest.close(1001)
      yield* TestClock.adjust("2 seconds")
      yield* settle
      assert.deepInclude(joined(broker)[0], { channel: builds })
      assert.strictEqual(joined(broker).length, 1)
    }),
  )

  it.effect("remember a channel that could not be joined, unless the broker refused it", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      broker.override = (frame, { say }) => {
        if (frame.type !== "join_channel") return false
        say({ type: "error", code: "capacity", message: "too many", id: frame.id, retryable: true })
        return true
      }
      assert.deepInclude(yield* Effect.flip(client.joinChannel(builds)), { _tag: "RequestRefused", code: "capacity" })
      broker.override = () => false
      broker.mode = "down"
      broker.latest.close(1001)
      const joining = yield* Effect.forkChild(Effect.flip(client.joinChannel(reviews)))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Fiber.join(joining))._tag, "NotConnected")
      broker.mode = "up"
      yield* TestClock.adjust("5 seconds")
      yield* settle
      assert.deepInclude(joined(broker)[0], { channel: reviews })
      assert.strictEqual(joined(broker).length, 1)
    }),
  )

  it.effect("ask what became of a message, for each recipient", () =>
    Effect.gen(function* () {
      const { bob, broker, client } = yield* startClient()
      const messageId = MessageId.make("0".repeat(32))
      const recipients = [{ pubkey: bob.publicKey, sessionId: bob.sessionId, state: "consumed", at }] as const
      broker.override = (frame, { say }) => {
        if (frame.type !== "message_status") return false
        say({ type: "message_state", id: frame.id, messageId: frame.messageId, state: "consumed", at, recipients })
        return true
      }
      const deliveryReport = yield* client.messageStatus(messageId)
      assert.deepInclude(deliveryReport, { messageId, state: "consumed", recipients })
    }),
  )

  for (const [statuses, restored] of [
    [["dnd"], ["dnd"]],
    [["dnd", "idle"], ["idle"]],
    [["dnd", "working"], ["idle"]],
    [["working"], []],
    [["idle"], []],
  ] as const) {
    it.effect(
      `say on a new connection, of ${statuses.join(" and then ")} that could not be said, ${restored.join("") || "nothing"}`,
      () =>
        Effect.gen(function* () {
          const { broker, client } = yield* startClient((broker) => (broker.mode = "down"))
          for (const status of statuses) {
            const setting = yield* Effect.forkChild(Effect.flip(client.setStatus(status)))
            yield* TestClock.adjust("3 seconds")
            assert.strictEqual((yield* Fiber.join(setting))._tag, "NotConnected")
          }
          broker.mode = "up"
          yield* TestClock.adjust("30 seconds")
          assert.deepStrictEqual(
            broker.sent("set_status").map(({ status }) => status),
            [...restored],
          )
        }),
    )
  }

  it.effect("say the status before anything else, and ask for messages only once that is taken", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient()
      yield* client.setStatus("dnd")
      broker.override = (frame) => frame.type === "set_status"
      broker.latest.close(1001)
      yield* TestClock.adjust("2 seconds")
      const pulling = yield* Effect.forkChild(client.pull())
      yield* settle
      const [, first, ...others] = broker.latest.sent
      assert.deepInclude(first, { type: "set_status", status: "dnd" })
      assert.notInclude(
        others.map(({ type }) => type),
        "pull",
      )
      if (first?.type === "set_status") broker.latest.say({ type: "ok", id: first.id ?? "" })
      yield* Fiber.join(pulling)
    }),
  )

  it.effect("show what peers say of themselves, opened", () =>
    Effect.gen(function* () {
      const { alice, broker, client } = yield* startClient()
      yield* client.setSummary("writing tests")
      const profile = broker.sent("set_profile").at(-1)
      const sealedKey = profile?.sealedKeys.find(({ pubkey }) => pubkey === alice.publicKey)?.key
      if (profile === undefined || sealedKey === undefined) return assert.fail("no profile was sent")
      const { ciphertext, nonce } = profile
      broker.peers = broker.peers.map((peer) =>
        peer.pubkey === alice.publicKey ? { ...peer, profile: { nonce, ciphertext, sealedKey } } : peer,
      )
      const [self, bob] = yield* client.peers
      assert.strictEqual(self?.profile?.summary, "writing tests")
      assert.isUndefined(bob?.profile)
    }),
  )
})
