import { MeshId, MessageId, PublicKey, Slug } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { type HeldMessage, PushBuffer } from "../src/inbox/PushBuffer.ts"
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
  const buffer = new PushBuffer((ids) => acked.push(ids))
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

it.effect("remembers the last 10,000 it handed over, and no more (I23)", () =>
  Effect.gen(function* () {
    const { buffer } = bufferOf()
    for (let n = 0; n <= 10_000; n++) {
      buffer.offer(message(n))
      yield* (yield* buffer.take()).consumed
    }
    assert.strictEqual(buffer.offer(message(1)), "handed-over-before")
    assert.strictEqual(buffer.offer(message(0)), "kept")
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
