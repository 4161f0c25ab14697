import { MeshId, MessageId, PublicKey, SessionId, Slug } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { type HeldMessage, PushBuffer } from "../src/inbox/PushBuffer.ts"
import { type Seen, seenInMemory } from "../src/inbox/SeenMessages.ts"
import { Content } from "../src/seal/OpenPush.ts"
import { settle } from "./support/FakeBroker.ts"

const idOf = (n: number) => MessageId.make(n.toString(16).padStart(32, "0"))

const message = (n: number): HeldMessage => ({
  messageId: idOf(n),
  meshId: MeshId.make("mesh"),
  slug: Slug.make("team"),
  senderKey: PublicKey.make("ab".repeat(32)),
  senderSessionId: undefined,
  priority: "next",
  targetSpec: undefined,
  replyTo: undefined,
  createdAt: IsoTime.make("2026-11-24T07:59:58.670Z"),
  redelivered: false,
  arrival: n,
  content: Content.Opened({ text: `message ${n}`, binding: "bound" }),
})

const bufferOf = (...numbers: ReadonlyArray<number>) => {
  const acked: Array<ReadonlyArray<MessageId>> = []
  const buffer = new PushBuffer(seenInMemory(SessionId.make("session"), 0), (ids) => acked.push(ids))
  for (const n of numbers) buffer.offer(message(n))
  return { acked, buffer, waiting: () => buffer.waiting.map(({ arrival }) => arrival) }
}

it.effect("acks nothing before the host has it (I8)", () =>
  Effect.gen(function* () {
    const { acked, buffer } = bufferOf(1, 2, 3)
    const lease = yield* buffer.take(2)
    assert.deepStrictEqual(acked, [])
    yield* lease.consumed
    assert.deepStrictEqual(acked, [[idOf(1), idOf(2)]])
  }),
)

it.effect("puts back what the host could not take, before what came since, in order", () =>
  Effect.gen(function* () {
    const { acked, buffer, waiting } = bufferOf(1, 2, 3, 4)
    const first = yield* buffer.take(2)
    const second = yield* buffer.take(1)
    buffer.offer(message(5))
    yield* first.putBack
    yield* second.putBack
    assert.deepStrictEqual(waiting(), [1, 2, 3, 4, 5])
    assert.deepStrictEqual(acked, [])
  }),
)

it.effect("ends a lease once: what comes after does nothing", () =>
  Effect.gen(function* () {
    const { acked, buffer, waiting } = bufferOf(1)
    const lease = yield* buffer.take()
    yield* lease.consumed
    yield* lease.putBack
    yield* lease.consumed
    assert.deepStrictEqual(waiting(), [])
    assert.deepStrictEqual(acked, [[idOf(1)]])
  }),
)

it.effect("shows no message id twice: not while it waits, is leased, or was handed over (I7)", () =>
  Effect.gen(function* () {
    const { acked, buffer, waiting } = bufferOf(1)
    assert.strictEqual(buffer.offer(message(1)), "duplicate")
    const lease = yield* buffer.take()
    assert.strictEqual(buffer.offer(message(1)), "duplicate")
    yield* lease.consumed
    assert.strictEqual(buffer.offer(message(1)), "handed-over-before")
    assert.deepStrictEqual(waiting(), [])
    assert.deepStrictEqual(acked, [[idOf(1)], [idOf(1)]])
  }),
)

it.effect("holds 500, leased ones included, and drops the newest unacked over that (I23)", () =>
  Effect.gen(function* () {
    const { acked, buffer } = bufferOf(...Array.from({ length: 500 }, (_, n) => n))
    const lease = yield* buffer.take(100)
    assert.strictEqual(buffer.offer(message(500)), "full")
    assert.deepStrictEqual([buffer.waiting.length, buffer.dropped, acked.length], [400, 1, 0])
    yield* lease.consumed
    assert.strictEqual(buffer.offer(message(500)), "kept")
  }),
)

it.effect("acks only once it is written down that the host has it, and takes no second copy meanwhile (I7, I8)", () =>
  Effect.gen(function* () {
    const written = yield* Deferred.make<void>()
    const acked: Array<ReadonlyArray<MessageId>> = []
    const slow: Seen = { has: () => false, add: () => Deferred.await(written), refresh: Effect.void }
    const buffer = new PushBuffer(slow, (ids) => acked.push(ids))
    buffer.offer(message(1))
    const consuming = yield* Effect.forkChild((yield* buffer.take()).consumed)
    yield* settle
    const meanwhile = { offered: buffer.offer(message(1)), acked: [...acked] }
    yield* Deferred.succeed(written, undefined)
    yield* Fiber.join(consuming)
    assert.deepStrictEqual(meanwhile, { offered: "duplicate", acked: [] })
    assert.deepStrictEqual(acked, [[idOf(1)]])
  }),
)

it.effect("wakes who waits for a message, and lets the next one wait again", () =>
  Effect.gen(function* () {
    const { buffer } = bufferOf()
    const woken = yield* Effect.forkChild(buffer.awaitAvailable)
    yield* settle
    assert.isUndefined(woken.pollUnsafe())
    buffer.offer(message(1))
    yield* Fiber.join(woken)
    yield* (yield* buffer.take()).consumed
    const again = yield* Effect.forkChild(buffer.awaitAvailable)
    yield* settle
    assert.isUndefined(again.pollUnsafe())
    yield* Fiber.interrupt(again)
  }),
)
