/** What waits to be sent outlives its process; two processes of one member share one outbox on disk. */
import { SessionId } from "@claudemesh/domain/Ids"
import { assert, layer } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { SeenMessages } from "../../src/inbox/SeenMessages.ts"
import { outboxFlushMillis } from "../../src/Limits.ts"
import { Processes } from "../../src/local/Processes.ts"
import { storesInMemory } from "../../src/LocalStores.ts"
import { OutboxStore } from "../../src/outbox/OutboxStore.ts"
import { KnownMembers } from "../../src/trust/KnownMembers.ts"
import { startClient } from "../support/Clients.ts"
import { ackOf, type FakeBroker, settle, testLayer } from "../support/FakeBroker.ts"

const message = (text: string) => ({ to: "Bob", text, priority: "next" as const })
const down = (broker: FakeBroker) => (broker.mode = "down")

/** Processes of one member on one machine. Each has a broker of its own here, which is one and the same to them. */
const machine = Effect.gen(function* () {
  const shared = Layer.succeedContext(yield* Layer.build(storesInMemory))
  const known = Layer.succeedContext(yield* Layer.build(KnownMembers.memory))
  return {
    store: yield* Effect.provide(OutboxStore, shared),
    start: Effect.fnUntraced(function* (session: string, prepare: (broker: FakeBroker) => void = () => {}) {
      const scope = yield* Scope.make()
      const started = yield* startClient(
        prepare,
        { sessionId: SessionId.make(session) },
        known,
        SeenMessages.memory,
        shared,
      ).pipe(Scope.provide(scope))
      return { ...started, end: Scope.close(scope, Exit.void) }
    }),
  }
})

/** Knows Bob, and then its broker is away. */
const offline = Effect.fnUntraced(function* (session: string) {
  const { start, store } = yield* machine
  const first = yield* start(session)
  first.broker.mode = "down"
  first.broker.latest.close(1001)
  yield* settle
  return { first, start, store }
})

/** A clock on the wall that somebody sets back; the monotonic one goes on. */
const settableClock = Effect.map(Clock.Clock, (clock) => {
  let behindMillis = 0
  const currentTimeMillisUnsafe = () => clock.currentTimeMillisUnsafe() - behindMillis
  const currentTimeNanosUnsafe = () => clock.currentTimeNanosUnsafe() - BigInt(behindMillis) * 1_000_000n
  return {
    currentTimeMillisUnsafe,
    currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
    currentTimeNanosUnsafe,
    currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration),
    setBack: (millis: number) => (behindMillis = millis),
  } satisfies Clock.Clock & { readonly setBack: (millis: number) => void }
})

const waitsFor = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    yield* TestClock.adjust("4 seconds")
    return yield* Fiber.join(fiber)
  })

layer(testLayer)("an outbox that outlives its process", (it) => {
  it.effect("has all of many messages at once that are asked for while the broker is away", () =>
    Effect.gen(function* () {
      const { start, store } = yield* machine
      yield* (yield* start("before")).end
      const { broker, client, end } = yield* start("laptop", down)
      const texts = Array.from({ length: 20 }, (_, n) => String(n))
      const before = broker.connections.length
      const asking = yield* Effect.forkChild(
        Effect.forEach(texts, (text) => client.enqueue(message(text)), { concurrency: "unbounded" }),
      )
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* store.list).length, 20)
      assert.isAtMost(broker.connections.length - before, 2)
      const enqueued = yield* Fiber.join(asking)
      broker.mode = "up"
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(
        broker.sends.map(({ id }) => id),
        enqueued.map(({ id }) => id),
      )
      yield* end
    }),
  )

  it.effect(
    "keeps what is said to a group, sealed to those who are remembered, where the broker was not reached yet",
    () =>
      Effect.gen(function* () {
        const { start, store } = yield* machine
        yield* (yield* start("before")).end
        const { broker, client, end } = yield* start("laptop", down)
        yield* waitsFor(client.enqueue({ ...message("standup"), to: "*" }))
        const [waiting] = yield* store.list
        assert.deepStrictEqual([waiting?.to, waiting?.frame.sealedKeys?.length], ["*", 2])
        broker.mode = "up"
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(
          broker.sends.map(({ id }) => id),
          [waiting?.id],
        )
        yield* end
      }),
  )

  it.effect("has nothing for a group of whom nobody is remembered", () =>
    Effect.gen(function* () {
      const { start, store } = yield* machine
      const { client, end } = yield* start("laptop", down)
      const failed = yield* waitsFor(Effect.flip(client.enqueue({ ...message("standup"), to: "*" })))
      assert.strictEqual(failed._tag, "NotConnected")
      assert.deepStrictEqual(yield* store.list, [])
      yield* end
    }),
  )

  it.effect("is not sent after the time that its sender gave it", () =>
    Effect.gen(function* () {
      const { first, store } = yield* offline("laptop")
      const { messageId } = yield* waitsFor(first.client.enqueue({ ...message("soon"), ttlSeconds: 60 }))
      assert.deepStrictEqual(yield* store.sent(messageId.slice(0, 8)), [
        { meshId: first.client.membership.meshId, messageId },
      ])
      const waiting = yield* first.client.unsent(messageId)
      assert.strictEqual(waiting?._tag === "Waiting" ? waiting.entry.to : waiting?._tag, "Bob")
      yield* TestClock.adjust("61 seconds")
      first.broker.mode = "up"
      yield* TestClock.adjust("90 seconds")
      assert.deepStrictEqual(first.broker.sends, [])
      const [problem] = yield* first.client.problems
      assert.match(problem?.explanation ?? "", /within the time that it was to wait/)
      assert.isAtLeast((problem?.atMillis ?? 0) - (problem?.sealedAtMillis ?? 0), 60_000)
      const unsent = yield* first.client.unsent(messageId)
      assert.deepStrictEqual(unsent?._tag === "NotSent" ? unsent.problem : unsent, problem)
      yield* first.end
    }),
  )

  it.effect("is sent by the next process of the member, in order, as of the session that wrote it (I7)", () =>
    Effect.gen(function* () {
      const { first, start, store } = yield* offline("laptop")
      const sent = [
        yield* waitsFor(first.client.enqueue(message("1"))),
        yield* waitsFor(first.client.enqueue(message("2"))),
      ]
      assert.strictEqual((yield* store.list).length, 2)
      yield* first.end
      const second = yield* start("desktop")
      assert.deepStrictEqual(
        second.broker.sends.map(({ id, sessionId }) => [id, sessionId]),
        sent.map(({ id }) => [id, SessionId.make("laptop")]),
      )
      yield* settle
      assert.deepStrictEqual(yield* store.list, [])
      yield* second.end
    }),
  )

  it.effect("is sent to its end by a process that is about to end, however many targets and answers that takes", () =>
    Effect.gen(function* () {
      const { first, start, store } = yield* offline("laptop")
      for (const text of ["1", "2", "3"]) yield* waitsFor(first.client.enqueue(message(text)))
      yield* first.end
      const unanswered: Array<() => void> = []
      const { broker, client, end } = yield* start("command", (fake) => {
        fake.override = (frame, { say }) => {
          if (frame.type !== "send") return false
          const { meshId, pubkey } = fake.hellos[0] ?? {}
          unanswered.push(() => say(ackOf(meshId, pubkey, frame)))
          return true
        }
      })
      const flushing = yield* Effect.forkChild(client.flush)
      for (const count of [1, 2, 3]) {
        yield* settle
        assert.isUndefined(flushing.pollUnsafe())
        assert.lengthOf(broker.sends, count)
        unanswered.shift()?.()
      }
      yield* Fiber.join(flushing)
      assert.deepStrictEqual(yield* store.list, [])
      yield* end
    }),
  )

  it.effect("holds up a process that is about to end for 3 s at most, and not at all where nothing can be sent", () =>
    Effect.gen(function* () {
      const { first, start, store } = yield* offline("laptop")
      yield* waitsFor(first.client.enqueue(message("1")))
      // It is not connected.
      yield* first.client.flush
      yield* first.end
      const full = yield* start("full", (fake) => {
        fake.override = (frame, { say }) => {
          if (frame.type !== "send" || frame.id === undefined) return false
          say({ type: "error", code: "backlog_full", message: "full", id: frame.id, retryable: true })
          return true
        }
      })
      yield* full.client.flush
      assert.lengthOf(yield* store.list, 1)
      yield* full.end
      const silent = yield* start("silent", (fake) => {
        fake.override = (frame) => frame.type === "send"
      })
      const flushing = yield* Effect.forkChild(silent.client.flush)
      yield* TestClock.adjust(outboxFlushMillis - 1)
      assert.isUndefined(flushing.pollUnsafe())
      yield* TestClock.adjust(1)
      yield* Fiber.join(flushing)
      assert.lengthOf(yield* store.list, 1)
      yield* silent.end
    }),
  )

  it.effect(
    "is sent under its id a second time, where the first process may have sent it, and names no session then",
    () =>
      Effect.gen(function* () {
        const { start, store } = yield* machine
        const first = yield* start("laptop")
        first.broker.override = (frame) => frame.type === "send"
        const { id } = yield* first.client.enqueue(message("once"))
        yield* settle
        assert.strictEqual(first.broker.sends.length, 1)
        yield* first.end
        const second = yield* start("laptop")
        assert.deepStrictEqual(
          second.broker.sends.map((send) => [send.id, send.sessionId]),
          [[id, undefined]],
        )
        yield* settle
        assert.deepStrictEqual(yield* store.list, [])
        yield* second.end
      }),
  )

  it.effect("of a process that was killed is sent once it has been silent for 15 s, and not before", () =>
    Effect.gen(function* () {
      const { store, start } = yield* machine
      const one = yield* start("laptop")
      one.broker.override = (frame) => frame.type === "send"
      const { id } = yield* one.client.enqueue(message("1"))
      const two = yield* start("desktop")
      // It lives, and says so.
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(two.broker.sends, [])
      // As if it was killed: nothing is written any more.
      yield* Effect.provideService(one.end, Processes, { own: { pid: 1, host: "here" }, hasEnded: () => false })
      yield* store.adopt({ meshId: one.membership.meshId, member: one.membership.pubkey }, [], {
        sender: "killed",
        pid: 1,
        host: "here",
      })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(two.broker.sends, [])
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(
        two.broker.sends.map((send) => send.id),
        [id],
      )
      yield* two.end
    }),
  )

  it.effect("of a process that lives is left to it where the clock of its machine is set back meanwhile", () =>
    Effect.gen(function* () {
      const { start } = yield* machine
      const clock = yield* settableClock
      const one = yield* Effect.provideService(start("laptop"), Clock.Clock, clock)
      one.broker.override = (frame) => frame.type === "send"
      const enqueued = (text: string) => Effect.provideService(one.client.enqueue(message(text)), Clock.Clock, clock)
      yield* enqueued("1")
      const two = yield* start("desktop")
      const looksOnce = Effect.andThen(Effect.forkChild(two.client.flush), settle)
      // It has just said that it lives.
      yield* TestClock.adjust("20100 millis")
      yield* looksOnce
      // It looks whether it is time to say so, which it is not yet, and then does so every 5 s from here.
      yield* TestClock.adjust("4400 millis")
      yield* enqueued("2")
      yield* settle
      clock.setBack(10_000)
      yield* TestClock.adjust("14500 millis")
      yield* looksOnce
      assert.deepStrictEqual(two.broker.sends, [])
      yield* one.end
      yield* two.end
    }),
  )

  it.effect("goes before what the process itself is asked to send to the same target, and holds up nothing else", () =>
    Effect.gen(function* () {
      const { first, start } = yield* offline("laptop")
      const before = yield* waitsFor(first.client.enqueue(message("before")))
      yield* first.end
      const second = yield* start("desktop", down)
      const after = yield* waitsFor(second.client.enqueue(message("after")))
      second.broker.mode = "up"
      yield* TestClock.adjust("5 seconds")
      yield* settle
      assert.deepStrictEqual(
        second.broker.sends.map(({ id }) => id),
        [before.id, after.id],
      )
      yield* second.end
    }),
  )

  it.effect(
    "is refused as such after a day, and that is told once: to its session, or after a minute to any other",
    () =>
      Effect.gen(function* () {
        const { first, start, store } = yield* offline("laptop")
        const { messageId } = yield* waitsFor(first.client.enqueue(message("late")))
        yield* first.end
        yield* TestClock.adjust("25 hours")
        const other = yield* start("desktop")
        yield* settle
        assert.deepStrictEqual(other.broker.sends, [])
        assert.deepStrictEqual(yield* store.list, [])
        assert.deepStrictEqual(yield* other.client.problems, [])
        yield* TestClock.adjust("61 seconds")
        const [problem, ...more] = yield* other.client.problems
        assert.deepStrictEqual(more, [])
        assert.deepInclude(problem, { messageId, to: "Bob", code: "expired", sessionId: SessionId.make("laptop") })
        // While it is about to tell it no third one does, unless it has said nothing for 10 minutes.
        const third = yield* start("tablet")
        assert.deepStrictEqual(yield* third.client.problems, [])
        assert.lengthOf(yield* other.client.problems, 1)
        yield* TestClock.adjust("10 minutes")
        assert.lengthOf(yield* third.client.problems, 1)
        yield* third.client.problemsTold([messageId])
        assert.deepStrictEqual(yield* other.client.problems, [])
        yield* third.end
        yield* other.end
      }),
  )

  it.effect(
    "waits for what its session wrote earlier to that target and another process has to send, and for nothing else",
    () =>
      Effect.gen(function* () {
        const { first, start, store } = yield* offline("laptop")
        const { membership } = first
        const earlier = yield* waitsFor(first.client.enqueue(message("earlier")))
        // As if this process had been stopped for so long that another one took it over.
        const other = { sender: "other", pid: 1, host: "elsewhere" }
        yield* store.adopt(
          { meshId: membership.meshId, member: membership.pubkey },
          (yield* store.senders({ meshId: membership.meshId, member: membership.pubkey })).flatMap(
            (sender) => sender?.sender ?? [],
          ),
          other,
        )
        const later = yield* waitsFor(first.client.enqueue(message("later")))
        first.broker.mode = "up"
        const toAll = yield* waitsFor(first.client.enqueue({ ...message("to all"), to: "*" }))
        assert.deepStrictEqual(
          first.broker.sends.map(({ id }) => id),
          [toAll.id],
        )
        yield* store.finish("two", [earlier.messageId], [])
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(
          first.broker.sends.map(({ id }) => id),
          [toAll.id, later.id],
        )
        yield* first.end
        yield* (yield* start("desktop")).end
      }),
  )

  it.effect("is cancelled by another process until it has left this machine, and not after", () =>
    Effect.gen(function* () {
      const { first, start, store } = yield* offline("laptop")
      const [one, two] = [
        yield* waitsFor(first.client.enqueue(message("1"))),
        yield* waitsFor(first.client.enqueue(message("2"))),
      ]
      assert.strictEqual(yield* store.cancel(one.messageId), "cancelled")
      first.broker.mode = "up"
      first.broker.override = (frame) => frame.type === "send"
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(
        first.broker.sends.map(({ id }) => id),
        [two.id],
      )
      assert.strictEqual((yield* Effect.flip(one.ack))._tag, "SendGone")
      assert.isFalse(yield* two.cancel)
      assert.strictEqual(yield* store.cancel(two.messageId), "left")
      yield* first.end
      yield* (yield* start("desktop")).end
    }),
  )

  it.effect(
    "is told of to whoever asks when it was refused after its caller went away, and not when the caller was there",
    () =>
      Effect.gen(function* () {
        const { start } = yield* machine
        const { broker, client, end } = yield* start("laptop")
        broker.override = (frame, { say }) => {
          if (frame.type !== "send" || frame.id === undefined) return false
          say({ type: "error", code: "unknown_target", message: "no such member", id: frame.id, retryable: false })
          return true
        }
        assert.strictEqual((yield* Effect.flip(client.send(message("told"))))._tag, "SendRefused")
        yield* settle
        assert.deepStrictEqual(yield* client.problems, [])
        const { ack, messageId } = yield* client.enqueue(message("said to wait"))
        yield* settle
        assert.deepInclude((yield* client.problems)[0], { messageId, code: "unknown_target" })
        // Who asks for the answer after all is told by it.
        assert.strictEqual((yield* Effect.flip(ack))._tag, "SendRefused")
        assert.deepStrictEqual(yield* client.problems, [])
        yield* end
      }),
  )

  it.effect("is not sent when the call that asked for it is interrupted before it has left", () =>
    Effect.gen(function* () {
      const { first, store } = yield* offline("laptop")
      const sending = yield* Effect.forkChild(first.client.send(message("never mind")))
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual((yield* store.list).length, 1)
      yield* Fiber.interrupt(sending)
      assert.deepStrictEqual(yield* store.list, [])
      yield* first.end
    }),
  )

  it.effect("becomes a problem when the member is revoked: nobody sends it any more", () =>
    Effect.gen(function* () {
      const { start, store } = yield* machine
      const { broker, client, end } = yield* start("laptop")
      broker.override = (frame) => frame.type === "send"
      yield* client.enqueue(message("too late"))
      yield* settle
      broker.latest.close(4002)
      yield* settle
      assert.deepStrictEqual(yield* store.list, [])
      assert.strictEqual((yield* client.problems).length, 1)
      yield* end
    }),
  )
})
