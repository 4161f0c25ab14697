import { MeshId, MessageId, PublicKey, SessionId, Slug } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { NotConnected } from "../../src/connection/ConnectionState.ts"
import { type HeldMessage, Inbox, type InboxMessage, type InboxWire } from "../../src/inbox/Inbox.ts"
import { type Seen, seenInMemory } from "../../src/inbox/SeenMessages.ts"
import { Content } from "../../src/seal/OpenPush.ts"
import { MemberStanding } from "../../src/trust/MemberStanding.ts"
import { settle } from "../support/FakeBroker.ts"

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

const judge = (messages: ReadonlyArray<HeldMessage>) =>
  Effect.succeed(
    messages.map((held): InboxMessage => ({
      ...held,
      sender: { name: undefined, standing: MemberStanding.Uncertified({ doubt: "not_asked" }) },
    })),
  )

interface Choices {
  readonly seen?: Seen
  readonly lease?: InboxWire["lease"]
  readonly window?: number
}

const inboxOf = (numbers: ReadonlyArray<number>, choices: Choices = {}) => {
  const { lease = (ids) => Effect.succeed(new Set(ids)), window = 500 } = choices
  const seen = choices.seen ?? seenInMemory(SessionId.make("session"), 0)
  const acked: Array<ReadonlyArray<MessageId>> = []
  const released: Array<ReadonlyArray<MessageId>> = []
  const inbox = new Inbox(() => seen, {
    lease,
    ack: (ids) => void acked.push(ids),
    release: (ids) => void released.push(ids),
  })
  const offer = (n: number) => inbox.offer(message(n), window)
  for (const n of numbers) offer(n)
  const waiting = () => inbox.waiting.map(({ arrival }) => arrival)
  const take = (max?: number) => inbox.lease(inbox.waiting.slice(0, max), judge)
  return { acked, released, inbox, offer, take, waiting }
}

it.effect("acks nothing before it was shown (I8)", () =>
  Effect.gen(function* () {
    const { acked, take } = inboxOf([1, 2, 3])
    const lease = yield* take(2)
    assert.deepStrictEqual(acked, [])
    yield* lease.commit
    assert.deepStrictEqual(acked, [[idOf(1), idOf(2)]])
  }),
)

it.effect("hands over what the broker leases, and drops what it does not: that is another session's", () =>
  Effect.gen(function* () {
    const { acked, take, waiting } = inboxOf([1, 2, 3], { lease: () => Effect.succeed(new Set([idOf(1), idOf(3)])) })
    const { commit, messages } = yield* take()
    assert.deepStrictEqual(
      messages.map(({ arrival }) => arrival),
      [1, 3],
    )
    assert.deepStrictEqual(waiting(), [])
    yield* commit
    assert.deepStrictEqual(acked, [[idOf(1), idOf(3)]])
  }),
)

it.effect(
  "shows nothing that another process of the machine has shown while the lease was asked for, and acks it",
  () =>
    Effect.gen(function* () {
      const elsewhere = seenInMemory(SessionId.make("session"), 0)
      const known = seenInMemory(SessionId.make("session"), 0)
      const seen: Seen = {
        ...known,
        refresh: Effect.suspend(() => (elsewhere.has(message(1)) ? known.add([idOf(1)]) : Effect.void)),
      }
      const { acked, take, waiting } = inboxOf([1, 2], {
        seen,
        lease: (ids) => Effect.as(elsewhere.add([idOf(1)]), new Set(ids)),
      })
      const { commit, messages } = yield* take()
      assert.deepStrictEqual(
        messages.map(({ arrival }) => arrival),
        [2],
      )
      assert.deepStrictEqual(acked, [[idOf(1)]])
      yield* commit
      assert.deepStrictEqual(acked, [[idOf(1)], [idOf(2)]])
      assert.deepStrictEqual(waiting(), [])
    }),
)

it.effect("gives away what is recalled before it is leased, and keeps what was leased", () =>
  Effect.gen(function* () {
    const { inbox, take, waiting } = inboxOf([1, 2, 3])
    const lease = yield* take(1)
    inbox.recalled([idOf(1), idOf(2)])
    assert.deepStrictEqual(waiting(), [3])
    // The broker took it away although it was leased here: it is not ours to be shown a second time.
    yield* lease.release
    assert.deepStrictEqual(waiting(), [3])
  }),
)

it.effect("keeps a message that was recalled and pushed again while another lease was asked for", () =>
  Effect.gen(function* () {
    const asked = yield* Deferred.make<ReadonlySet<MessageId>>()
    const { inbox, offer, take, waiting } = inboxOf([1, 2], { lease: () => Deferred.await(asked) })
    const taking = yield* Effect.forkChild(take())
    yield* settle
    inbox.recalled([idOf(2)])
    offer(2)
    yield* Deferred.succeed(asked, new Set([idOf(1)]))
    assert.strictEqual((yield* Fiber.join(taking)).messages.length, 1)
    assert.deepStrictEqual(waiting(), [2])
  }),
)

it.effect("has them wait again, where they stood, when the lease is not granted in time or nobody waits for it", () =>
  Effect.gen(function* () {
    const lost = inboxOf([1, 2], { lease: () => Effect.fail(new NotConnected({ reason: "away" })) })
    assert.deepStrictEqual((yield* lost.take()).messages, [])
    assert.deepStrictEqual([lost.waiting(), lost.released], [[1, 2], [[idOf(1), idOf(2)]]])

    const interrupted = inboxOf([1, 2], { lease: () => Effect.never })
    const taking = yield* Effect.forkChild(interrupted.take(1))
    yield* settle
    assert.deepStrictEqual(interrupted.waiting(), [2])
    yield* Fiber.interrupt(taking)
    assert.deepStrictEqual([interrupted.waiting(), interrupted.released], [[1, 2], [[idOf(1)]]])
  }),
)

it.effect("has them wait again when they could not be judged", () =>
  Effect.gen(function* () {
    const { inbox, released, waiting } = inboxOf([1])
    const judging = yield* Effect.forkChild(inbox.lease(inbox.waiting, () => Effect.never))
    yield* settle
    yield* Fiber.interrupt(judging)
    assert.deepStrictEqual([waiting(), released], [[1], [[idOf(1)]]])
  }),
)

it.effect("puts back what was not shown, before what came since, in order, and tells the broker", () =>
  Effect.gen(function* () {
    const { acked, offer, released, take, waiting } = inboxOf([1, 2, 3, 4])
    const first = yield* take(2)
    const second = yield* take(1)
    offer(5)
    yield* first.release
    yield* second.release
    assert.deepStrictEqual(waiting(), [1, 2, 3, 4, 5])
    assert.deepStrictEqual([acked, released], [[], [[idOf(1), idOf(2)], [idOf(3)]]])
  }),
)

it.effect("ends a lease once: what comes after does nothing", () =>
  Effect.gen(function* () {
    const { acked, take, waiting } = inboxOf([1])
    const lease = yield* take()
    yield* lease.commit
    yield* lease.release
    yield* lease.commit
    assert.deepStrictEqual([waiting(), acked], [[], [[idOf(1)]]])
  }),
)

it.effect("keeps a lease when its connection is lost, and forgets all that is not leased (I8)", () =>
  Effect.gen(function* () {
    const { acked, inbox, offer, released, take, waiting } = inboxOf([1, 2])
    const shown = yield* take(1)
    const unshown = yield* take(1)
    offer(3)
    assert.strictEqual(inbox.connectionLost(), 1)
    assert.deepStrictEqual(waiting(), [])
    // It may be pushed to another session now, so it does not wait here; and there is nobody to tell.
    yield* unshown.release
    assert.deepStrictEqual([waiting(), released], [[], []])
    assert.strictEqual(offer(1), "duplicate")
    yield* shown.commit
    assert.deepStrictEqual([waiting(), acked], [[], [[idOf(1)]]])
  }),
)

it.effect("has a message wait that was pushed again, on a new connection, before its lease was released", () =>
  Effect.gen(function* () {
    const { inbox, offer, released, take, waiting } = inboxOf([1])
    const lease = yield* take()
    inbox.connectionLost()
    offer(1)
    yield* lease.release
    assert.deepStrictEqual([waiting(), released], [[1], []])
  }),
)

it.effect("shows no message id twice: not while it waits, is leased, or was shown (I7)", () =>
  Effect.gen(function* () {
    const { acked, offer, take, waiting } = inboxOf([1])
    assert.strictEqual(offer(1), "duplicate")
    const lease = yield* take()
    assert.strictEqual(offer(1), "duplicate")
    yield* lease.commit
    assert.strictEqual(offer(1), "shown-before")
    assert.deepStrictEqual([waiting(), acked], [[], [[idOf(1)], [idOf(1)]]])
  }),
)

it.effect("holds what the window promises, leased messages included, and says when more is pushed (I23)", () =>
  Effect.gen(function* () {
    const { offer, take, waiting } = inboxOf([1, 2, 3, 4, 5], { window: 5 })
    const lease = yield* take(2)
    assert.strictEqual(offer(6), "full")
    assert.deepStrictEqual(waiting(), [3, 4, 5])
    yield* lease.commit
    assert.strictEqual(offer(6), "kept")
  }),
)

it.effect("acks only once it is written down that it was shown, and takes no second copy meanwhile (I7, I8)", () =>
  Effect.gen(function* () {
    const written = yield* Deferred.make<void>()
    const seen: Seen = { has: () => false, add: () => Deferred.await(written), refresh: Effect.void }
    const { acked, offer, take } = inboxOf([1], { seen })
    const committing = yield* Effect.forkChild((yield* take()).commit)
    yield* settle
    const meanwhile = { offered: offer(1), acked: [...acked] }
    yield* Deferred.succeed(written, undefined)
    yield* Fiber.join(committing)
    assert.deepStrictEqual(meanwhile, { offered: "duplicate", acked: [] })
    assert.deepStrictEqual(acked, [[idOf(1)]])
  }),
)

it.effect("acks and does not show what another process of the machine has shown meanwhile (I7)", () =>
  Effect.gen(function* () {
    const seen = seenInMemory(SessionId.make("session"), 0)
    const { acked, inbox, waiting } = inboxOf([1, 2], { seen })
    yield* seen.add([idOf(1)])
    yield* inbox.seenElsewhere
    assert.deepStrictEqual([waiting(), acked], [[2], [[idOf(1)]]])
  }),
)

it.effect("wakes who waits for a message, and lets the next one wait again", () =>
  Effect.gen(function* () {
    const { inbox, offer, take } = inboxOf([])
    const woken = yield* Effect.forkChild(inbox.awaitAvailable)
    yield* settle
    assert.isUndefined(woken.pollUnsafe())
    offer(1)
    yield* Fiber.join(woken)
    yield* (yield* take()).commit
    const again = yield* Effect.forkChild(inbox.awaitAvailable)
    yield* settle
    assert.isUndefined(again.pollUnsafe())
    yield* Fiber.interrupt(again)
  }),
)
