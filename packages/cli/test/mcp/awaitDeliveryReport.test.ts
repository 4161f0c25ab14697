/** What a sender waits for, and where an answer goes, under a clock of the test's own and with clients that say what they are told to. */
import type { InboxMessage } from "@claudemesh/client/inbox/Inbox"
import type { Resolved } from "@claudemesh/client/roster/ResolveMember"
import type { PeerView } from "@claudemesh/client/roster/Roster"
import { Content } from "@claudemesh/client/seal/OpenPush"
import { DisplayName, MemberId, MeshId, MessageId, PublicKey, SessionId, Slug } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { formatTarget, Target } from "@claudemesh/domain/routing/Target"
import type { DeliveryState } from "@claudemesh/domain/wire/BrokerFrame"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { awaitDeliveryReport, isReplyTo, type WaitFor } from "../../src/mcp/AwaitDeliveryReport.ts"
import { addressed } from "../../src/mcp/ReplyTarget.ts"
import { message } from "../support/Messages.ts"

const bob = PublicKey.make("b".repeat(64))
const carol = PublicKey.make("c".repeat(64))
const sent = MessageId.make("5".repeat(32))
const toBob = { messageId: sent, target: Target.make({ _tag: "Member", key: bob }) }
const membership = { meshId: MeshId.make("m1"), slug: Slug.make("red") }
const reply = message({ senderKey: bob, replyTo: sent, priority: "next" })

/** A wait under way; what its client says can be changed. */
const waiting = Effect.fnUntraced(function* (waitFor: WaitFor, millis = 60_000) {
  const world = { state: "pending" as DeliveryState, messages: [] as ReadonlyArray<InboxMessage>, asked: 0, urgent: 0 }
  const said: Array<string> = []
  const client = {
    membership,
    look: Effect.sync(() => world.messages),
    hasNamesake: () => false,
    isVerified: () => false,
    nameOf: () => DisplayName.make("bob"),
    pull: () => Effect.succeed({ remaining: 0, elsewhere: [] }),
    messageStatus: () =>
      Effect.sync(() => {
        world.asked += 1
        const recipients = [{ pubkey: bob, state: world.state }]
        return { type: "message_state" as const, id: "r", messageId: sent, state: world.state, recipients }
      }),
  }
  const news = {
    membership,
    alarms: Effect.succeed([]),
    clockNotice: Effect.succeed(undefined),
    problems: Effect.succeed([]),
    problemsTold: () => Effect.void,
    waits: Effect.sync(() => ({ here: world.urgent, urgent: world.urgent, atBroker: 0, elsewhere: [], forClock: 0 })),
  }
  const reading = { waiting: () => [] }
  const progress = (_: number, __: number, words: string) => Effect.sync(() => void said.push(words))
  const call = { manager: { all: [news] }, reading, progress, hostGone: Effect.never }
  const fiber = yield* Effect.forkChild(awaitDeliveryReport({ client, enqueued: toBob, waitFor, millis }, call))
  yield* TestClock.adjust(0)
  return { world, said, fiber }
})

describe("a wait for what becomes of a message", () => {
  it.effect("ends when it was shown, and says how far it is meanwhile, and asks ever more seldom", () =>
    Effect.gen(function* () {
      const { fiber, said, world } = yield* waiting("shown")
      // At 0, 1, 2.5, 4.75, 8.25 and 13.25 s, by looks of a quarter of a second, and every 5 s from then on.
      yield* TestClock.adjust(14_000)
      assert.strictEqual(world.asked, 6)
      yield* TestClock.adjust(30_000)
      assert.strictEqual(world.asked, 12)
      world.state = "consumed"
      yield* TestClock.adjust(5_000)
      assert.strictEqual((yield* Fiber.join(fiber)).end, "shown")
      assert.deepStrictEqual(new Set(said), new Set(["Waits until their session takes it.", "Shown. No reply yet."]))
    }),
  )

  it.effect("ends with its time, with expiry, and with an urgent message for who waits", () =>
    Effect.gen(function* () {
      const late = yield* waiting("shown", 5_000)
      yield* TestClock.adjust(5_000)
      assert.strictEqual((yield* Fiber.join(late.fiber)).end, "time")
      const expired = yield* waiting("reply")
      expired.world.state = "expired"
      yield* TestClock.adjust(1_000)
      assert.strictEqual((yield* Fiber.join(expired.fiber)).end, "expired")
      const urgent = yield* waiting("reply")
      urgent.world.urgent = 1
      yield* TestClock.adjust(250)
      assert.strictEqual((yield* Fiber.join(urgent.fiber)).end, "urgent")
    }),
  )

  it.effect("for a reply ends when it is here, and not when it was only shown", () =>
    Effect.gen(function* () {
      const { fiber, world } = yield* waiting("reply")
      world.state = "consumed"
      world.messages = [message({ senderKey: bob }), message({ senderKey: carol, replyTo: sent })]
      yield* TestClock.adjust(10_000)
      world.messages = [...world.messages, reply]
      yield* TestClock.adjust(250)
      assert.strictEqual((yield* Fiber.join(fiber)).end, "reply")
    }),
  )
})

describe("a reply that is waited for", () => {
  it("is only what that person wrote, where the message was to one", () => {
    const isReply = isReplyTo({ membership }, toBob)
    assert.isTrue(isReply(reply))
    assert.isFalse(isReply({ ...reply, senderKey: carol }))
    assert.isFalse(isReply({ ...reply, replyTo: MessageId.make("6".repeat(32)) }))
    assert.isFalse(isReply({ ...reply, meshId: MeshId.make("m2") }))
    const toAll = { messageId: sent, target: Target.make({ _tag: "Everyone" }) }
    assert.isTrue(isReplyTo({ membership }, toAll)({ ...reply, senderKey: carol }))
  })
})

const asked = message({ senderKey: bob, senderSessionId: SessionId.make("bobs-1") })

const where = Effect.fnUntraced(function* (
  found: ReadonlyArray<InboxMessage>,
  target: string | undefined,
  sessions: ReadonlyArray<string> = ["bobs-1"],
) {
  const named = (pubkey: PublicKey): Resolved => ({
    displayName: undefined,
    pubkey,
    standing: asked.sender.standing,
  })
  const peers = sessions.map((id): PeerView => ({
    pubkey: bob,
    memberId: MemberId.make("b"),
    displayName: DisplayName.make("bob"),
    sessionId: SessionId.make(id),
    attached: true,
    status: "idle",
    protocol: 2,
    standing: asked.sender.standing,
    profile: undefined,
  }))
  const client = {
    membership,
    peers: Effect.succeed(peers),
    resolve: (who: string) => Effect.succeed(named(who === "bob" ? bob : carol)),
  }
  const manager = {
    all: [client],
    route: (to: string) => Effect.succeed({ client, to }),
  }
  const shownAt = IsoTime.make("2026-01-02T03:04:06.000Z")
  const history = { find: () => Effect.succeed(found.map((one) => ({ message: one, shownAt }))) }
  const { note, to } = yield* addressed({ history, manager }, target, "0".repeat(32))
  return [typeof to === "string" ? to : formatTarget(to), note]
})

describe("an answer", () => {
  it.effect("goes to the session that asked, also where its member is named, and to whom else is named", () =>
    Effect.gen(function* () {
      const session = [`${bob}/bobs-1`, "To the session that asked."]
      assert.deepStrictEqual(yield* where([asked], undefined), session)
      assert.deepStrictEqual(yield* where([asked], "bob"), session)
      assert.deepStrictEqual(yield* where([asked], "carol"), ["carol", ""])
      for (const chosen of ["#builds", "*", "tag:x", `${bob}/bobs-2`]) {
        assert.deepStrictEqual(yield* where([asked], chosen), [chosen, ""])
      }
      const forgetful = ConfigProvider.layer(ConfigProvider.fromUnknown({ CLAUDEMESH_HISTORY: "0" }))
      const [to, note] = yield* Effect.provide(where([], "bob"), forgetful)
      assert.strictEqual(to, "bob", "where nothing is kept it can be answered by name")
      assert.match(note ?? "", /^This machine keeps no history/)
    }),
  )

  it.effect("goes to the member where that session is gone, and says so", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* where([asked], undefined, ["bobs-2"]), [
        bob,
        "To alice, because the session that asked is gone.",
      ])
      const [to] = yield* where([{ ...asked, senderSessionId: undefined }], undefined)
      assert.strictEqual(to, bob)
    }),
  )

  it.effect("goes nowhere by itself where it is not proved who asked", () =>
    Effect.gen(function* () {
      const refused = (found: ReadonlyArray<InboxMessage>) =>
        Effect.map(Effect.flip(where(found, undefined)), (error) => error.message)
      const clear = { ...asked, content: Content.Opened({ text: "hi", binding: "clear" }) }
      assert.match(yield* refused([clear]), /^Nothing was sent: it is not proved who wrote message 0+\. Say who/)
      assert.deepStrictEqual(yield* where([clear], "bob"), ["bob", ""])
      assert.match(yield* refused([]), /is not kept on this machine/)
      assert.match(yield* refused([asked, asked]), /^Nothing was sent: several messages begin/)
      assert.match(yield* refused([{ ...asked, meshId: MeshId.make("left") }]), /is not joined any more/)
    }),
  )
})
