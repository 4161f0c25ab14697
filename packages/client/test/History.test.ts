import { DisplayName, MeshId, MessageId, PublicKey, SessionId, Slug } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import { History } from "../src/inbox/History.ts"
import type { InboxMessage } from "../src/inbox/Inbox.ts"
import { StateDb } from "../src/local/StateDb.ts"
import { Content } from "../src/seal/OpenPush.ts"
import { MemberStanding } from "../src/trust/MemberStanding.ts"

const idOf = (n: number) => MessageId.make(n.toString(16).padStart(32, "0"))

const message = (n: number, changes: Partial<InboxMessage> = {}): InboxMessage => ({
  messageId: idOf(n),
  meshId: MeshId.make("mesh-team"),
  slug: Slug.make("team"),
  senderKey: PublicKey.make("ab".repeat(32)),
  senderSessionId: SessionId.make("session-bob"),
  priority: "next",
  targetSpec: "*",
  replyTo: undefined,
  createdAt: IsoTime.make("2026-11-24T07:59:58.670Z"),
  redelivered: false,
  arrival: n,
  content: Content.Opened({ text: `message ${n}`, binding: "bound", sentAt: IsoTime.make("2026-11-24T07:59:58.000Z") }),
  sender: {
    name: DisplayName.make("Bob"),
    standing: MemberStanding.Certified({ role: "member", byVoiceAt: undefined }),
  },
  ...changes,
})

const withSettings = (settings: Readonly<Record<string, string>> = {}) =>
  Effect.provide(
    Layer.provideMerge(
      Layer.provideMerge(History.layer, StateDb.memory),
      ConfigProvider.layer(ConfigProvider.fromUnknown(settings)),
    ),
  )

const numbers = Effect.map(
  Effect.flatMap(History, ({ list }) => list),
  (all) => all.map(({ message }) => message.arrival),
)

describe("what was shown", () => {
  it.effect("is read again as it was, by its id or the beginning of it", () =>
    Effect.gen(function* () {
      const history = yield* History
      const standings = [
        MemberStanding.Revoked({ at: IsoTime.make("2026-11-24T07:59:58.670Z"), by: PublicKey.make("cd".repeat(32)) }),
        MemberStanding.Uncertified({ doubt: "not_asked" }),
        MemberStanding.KeyChanged({ pinned: PublicKey.make("cd".repeat(32)), shown: PublicKey.make("ef".repeat(32)) }),
      ]
      const sent = [
        message(1, { senderSessionId: undefined, targetSpec: undefined, replyTo: idOf(9) }),
        ...standings.map((standing, index) => message(index + 2, { sender: { name: undefined, standing } })),
      ]
      yield* history.add(sent)
      assert.deepStrictEqual(
        (yield* history.list).map(({ message }) => message),
        sent,
      )
      assert.deepStrictEqual(
        (yield* history.find(idOf(3))).map(({ message }) => message.arrival),
        [3],
      )
      assert.strictEqual((yield* history.find("0000")).length, 4)
      assert.deepStrictEqual(yield* history.find("*"), [])
    }).pipe(withSettings()),
  )

  it.effect("is kept where it was opened, and once however often it is shown", () =>
    Effect.gen(function* () {
      const history = yield* History
      yield* history.add([
        message(1),
        message(2, { content: Content.Undecryptable({ reason: "bad_key" }) }),
        message(3, { content: Content.Mismatch({ field: "meshId" }) }),
      ])
      yield* history.add([message(1, { redelivered: true })])
      const all = yield* history.list
      assert.deepStrictEqual(
        all.map(({ message }) => [message.arrival, message.redelivered]),
        [[1, true]],
      )
    }).pipe(withSettings()),
  )

  it.effect("is the last 200 of each mesh, for 7 days", () =>
    Effect.gen(function* () {
      const history = yield* History
      yield* history.add([message(1000, { meshId: MeshId.make("mesh-other") })])
      yield* history.add(Array.from({ length: 150 }, (_, n) => message(n)))
      yield* history.add(Array.from({ length: 100 }, (_, n) => message(n + 150)))
      assert.deepStrictEqual(yield* numbers, [1000, ...Array.from({ length: 200 }, (_, n) => n + 50)])
      yield* TestClock.adjust("6 days")
      yield* history.add([message(300)])
      yield* TestClock.adjust("1 days")
      assert.strictEqual((yield* numbers).length, 201)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* numbers, [300])
      assert.deepStrictEqual(yield* history.find(idOf(60)), [])
    }).pipe(withSettings()),
  )

  it.effect("is as much as was set, and nothing where that is 0", () =>
    Effect.gen(function* () {
      const state = yield* StateDb
      const inWorld = (settings: Readonly<Record<string, string>>) =>
        Effect.provide(
          Layer.provideMerge(
            History.layer,
            Layer.mergeAll(Layer.succeed(StateDb, state), ConfigProvider.layer(ConfigProvider.fromUnknown(settings))),
          ),
        )
      const three = [message(1), message(2), message(3)]
      const added = Effect.flatMap(History, ({ add }) => add(three))
      yield* added.pipe(inWorld({ CLAUDEMESH_HISTORY: "2" }))
      assert.deepStrictEqual(yield* numbers.pipe(inWorld({ CLAUDEMESH_HISTORY: "2" })), [2, 3])
      assert.deepStrictEqual(yield* numbers.pipe(inWorld({ CLAUDEMESH_HISTORY: "1" })), [3])
      yield* added.pipe(inWorld({ CLAUDEMESH_HISTORY: "0" }))
      assert.deepStrictEqual(yield* numbers.pipe(inWorld({})), [])
      yield* added.pipe(inWorld({ CLAUDEMESH_HISTORY_DAYS: "1" }))
      yield* TestClock.adjust("25 hours")
      assert.deepStrictEqual(yield* numbers.pipe(inWorld({ CLAUDEMESH_HISTORY_DAYS: "1" })), [])
    }).pipe(Effect.provide(StateDb.memory)),
  )

  it.effect("is not kept by a setting that cannot be understood: reading goes on, and says what to set", () =>
    Effect.gen(function* () {
      const history = yield* History
      yield* history.add([message(1)])
      const listed = yield* Effect.result(history.list)
      assert.match(
        Result.isFailure(listed) ? listed.failure.message : "",
        /^CLAUDEMESH_HISTORY is "none"\. Set it to a/,
      )
    }).pipe(withSettings({ CLAUDEMESH_HISTORY: "none" })),
  )

  it.effect("goes with the mesh that is left", () =>
    Effect.gen(function* () {
      const history = yield* History
      yield* history.add([message(1), message(2, { meshId: MeshId.make("mesh-other") })])
      yield* history.erase(MeshId.make("mesh-team"))
      assert.deepStrictEqual(yield* numbers, [2])
    }).pipe(withSettings()),
  )
})
