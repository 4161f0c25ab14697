/** When an answer counts as shown, under a clock of the test's own and with a host that does as it is told (I8). */
import type { InboxMessage } from "@claudemesh/client/inbox/Inbox"
import { assert, describe, it } from "@effect/vitest"
import { Crypto, Deferred, Effect } from "effect"
import { TestClock } from "effect/testing"
import { answerCharactersMax, confirmMillis, messagesCharactersMax, wholeCharactersMax } from "../../src/mcp/Limits.ts"
import { type Inboxes, makeReading } from "../../src/mcp/Reading.ts"
import { wrapped } from "../../src/mcp/WrapUntrusted.ts"
import { numbered } from "../support/Messages.ts"

let drawn = 0
const crypto = Crypto.make({
  randomBytes: (size) => new Uint8Array(size).fill((drawn += 1)),
  digest: () => Effect.die("unused"),
})

/** Inboxes of which it is noted what became of each message. */
const inboxesWith = (...messages: ReadonlyArray<InboxMessage>) => {
  const became = new Map<number, "leased" | "committed" | "released">()
  const inboxes: Inboxes = {
    waiting: Effect.sync(() => messages.filter(({ arrival }) => (became.get(arrival) ?? "released") === "released")),
    lease: (chosen, held) =>
      Effect.sync(() => {
        const set = (what: "leased" | "committed" | "released") =>
          Effect.sync(() => chosen.forEach(({ arrival }) => became.set(arrival, what)))
        chosen.forEach(({ arrival }) => became.set(arrival, "leased"))
        held({
          messages: messages.filter((one) => chosen.some(({ arrival }) => arrival === one.arrival)),
          commit: set("committed"),
          release: set("released"),
        })
      }),
  }
  return { inboxes, became: (arrival: number) => became.get(arrival) ?? "waiting" }
}

/** A host that answers pings, or speaks, when the test says so. */
const hostOfTest = Effect.sync(() => {
  const pings: Array<Deferred.Deferred<void>> = []
  const spoken: Array<Deferred.Deferred<void>> = []
  const wait = (list: Array<Deferred.Deferred<void>>) =>
    Effect.suspend(() => {
      const asked = Deferred.makeUnsafe<void>()
      list.push(asked)
      return Deferred.await(asked)
    })
  const all = (list: Array<Deferred.Deferred<void>>) =>
    Effect.andThen(
      Effect.yieldNow,
      Effect.forEach(list, (asked) => Deferred.succeed(asked, undefined), { discard: true }),
    )
  return { host: { ping: wait(pings), spoken: wait(spoken) }, pong: all(pings), speak: all(spoken) }
})

const started = Effect.gen(function* () {
  const { host, pong, speak } = yield* hostOfTest
  const reading = yield* makeReading(host)
  const answered = (id: number) =>
    Effect.sync(() => {
      reading.leaving(id)
      reading.left(id)
    })
  return { reading, pong, speak, answered }
}).pipe(Effect.provideService(Crypto.Crypto, crypto))

describe("an answer with messages", () => {
  it.effect("is confirmed once the host has answered a ping behind it, and another one 10 s later (I8)", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { answered, pong, reading } = yield* started
        const { became, inboxes } = inboxesWith(numbered(1))
        yield* reading.next(inboxes, 1, 100)
        yield* answered(1)
        yield* TestClock.adjust(10 * confirmMillis)
        assert.strictEqual(became(1), "leased", "a host that is stopped answers nothing, however long that takes")
        yield* pong
        yield* TestClock.adjust(confirmMillis - 1)
        yield* pong
        assert.strictEqual(became(1), "leased", "the agent may still be interrupted")
        yield* TestClock.adjust(1)
        assert.strictEqual(became(1), "leased", "it may have been stopped since")
        yield* pong
        yield* TestClock.adjust(0)
        assert.strictEqual(became(1), "committed")
      }),
    ),
  )

  it.effect("is confirmed for a host that answers no pings when it has asked for more, twice, 10 s apart (I8)", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { answered, reading, speak } = yield* started
        const { became, inboxes } = inboxesWith(numbered(1))
        yield* reading.next(inboxes, 1, 100)
        yield* answered(1)
        yield* TestClock.adjust(confirmMillis - 1)
        yield* speak
        yield* TestClock.adjust(10 * confirmMillis)
        assert.strictEqual(became(1), "leased", "that may have been written before the host could read")
        yield* speak
        yield* TestClock.adjust(2 * confirmMillis)
        assert.strictEqual(became(1), "leased")
        yield* speak
        yield* TestClock.adjust(0)
        assert.strictEqual(became(1), "committed")
      }),
    ),
  )

  it.effect("is confirmed at once by its cursor, and by no other (I8)", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { answered, reading } = yield* started
        const { became, inboxes } = inboxesWith(numbered(1))
        const { cursor = "" } = yield* reading.next(inboxes, 1, 100)
        yield* answered(1)
        assert.isFalse(yield* reading.confirm("another"))
        assert.strictEqual(became(1), "leased")
        assert.isTrue(yield* reading.confirm(cursor))
        assert.strictEqual(became(1), "committed")
        assert.isTrue(yield* reading.confirm(cursor), "and again, which changes nothing")
      }),
    ),
  )

  it.effect("is not confirmed by time once its call was cancelled, and its messages are shown again (I8)", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { answered, pong, reading } = yield* started
        const { became, inboxes } = inboxesWith(numbered(1))
        yield* reading.next(inboxes, 1, 100)
        yield* answered(1)
        yield* pong
        yield* TestClock.adjust(confirmMillis / 2)
        yield* reading.cancelled(1)
        yield* TestClock.adjust(10 * confirmMillis)
        yield* pong
        yield* TestClock.adjust(0)
        assert.strictEqual(became(1), "leased")
        const { texts } = yield* reading.next(inboxes, 2, 100)
        assert.lengthOf(texts, 1)
        assert.match(texts[0] ?? "", / redelivered="yes">/)
      }),
    ),
  )

  it.effect("shows again no more than the agent asks for", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { answered, reading } = yield* started
        const { inboxes } = inboxesWith(numbered(1), numbered(2), numbered(3))
        yield* reading.next(inboxes, 1, 100)
        yield* answered(1)
        yield* reading.cancelled(1)
        assert.lengthOf((yield* reading.next(inboxes, 2, 2)).texts, 2)
        assert.lengthOf(reading.waiting(), 1)
      }),
    ),
  )

  it.effect("is not confirmed when the host was gone before, nor when the process ends (I8)", () => {
    const { became, inboxes } = inboxesWith(numbered(1), numbered(2))
    return Effect.scoped(
      Effect.gen(function* () {
        const { answered, pong, reading } = yield* started
        yield* reading.next(inboxes, 1, 1)
        yield* answered(1)
        yield* pong
        yield* TestClock.adjust(confirmMillis)
        reading.hostGone()
        yield* pong
        yield* TestClock.adjust(confirmMillis)
        assert.strictEqual(became(1), "leased")
        yield* reading.next(inboxes, 2, 1)
        yield* answered(2)
      }),
    ).pipe(Effect.andThen(Effect.sync(() => assert.deepStrictEqual([became(1), became(2)], ["leased", "leased"]))))
  })

  it.effect("gives its messages back when the call is cancelled before it leaves (I8)", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { reading } = yield* started
        const { became, inboxes } = inboxesWith(numbered(1))
        yield* reading.next(inboxes, 1, 100)
        yield* reading.cancelled(1)
        assert.strictEqual(became(1), "released")
      }),
    ),
  )

  it.effect("holds as many messages as fit, and leases no more than these (I23)", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { reading } = yield* started
        const all = Array.from({ length: 60 }, (_, index) => numbered(index + 1, "some words ".repeat(50)))
        const { became, inboxes } = inboxesWith(...all)
        const { texts } = yield* reading.next(inboxes, 1, 100)
        assert.isAbove(texts.length, 10)
        assert.isAtMost(texts.join("\n\n").length, messagesCharactersMax)
        assert.isAbove(texts.join("\n\n").length, messagesCharactersMax - 2_000, "nor are they far from it")
        assert.strictEqual(became(texts.length), "leased")
        assert.strictEqual(became(texts.length + 1), "waiting")
        assert.lengthOf((yield* reading.next(inboxes, 2, 3)).texts, 3, "nor more than the agent asked for")
      }),
    ),
  )

  it.effect("holds parts of a long message, and what comes behind it is not leased until its last part", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { reading } = yield* started
        const long = numbered(2, "x".repeat(2.2 * messagesCharactersMax))
        const { became, inboxes } = inboxesWith(numbered(1), long, numbered(3))
        const answers: Array<ReadonlyArray<string>> = []
        for (const id of [1, 2, 3, 4]) {
          const { texts } = yield* reading.next(inboxes, id, 100)
          assert.isAtMost(texts.join("\n\n").length, answerCharactersMax)
          answers.push(texts.map((text) => / part="([^"]+)"/.exec(text)?.[1] ?? "whole"))
          assert.strictEqual(became(3), id < 4 ? "waiting" : "leased")
        }
        assert.deepStrictEqual(answers, [["whole"], ["1 of 5", "2 of 5"], ["3 of 5", "4 of 5"], ["5 of 5", "whole"]])
      }),
    ),
  )

  it.effect("is between tags that are of this answer alone, also where it is shown again", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { answered, reading } = yield* started
        const { inboxes } = inboxesWith(numbered(1), numbered(2))
        const one = yield* reading.next(inboxes, 1, 100)
        for (const text of one.texts) assert.isTrue(text.startsWith(`<peer-message-${one.boundary} `))
        yield* answered(1)
        yield* reading.cancelled(1)
        const again = yield* reading.next(inboxes, 2, 100)
        assert.notStrictEqual(again.boundary, one.boundary)
        assert.lengthOf(again.texts, 2)
        for (const text of again.texts) assert.notInclude(text, one.boundary)
      }),
    ),
  )

  it.effect("holds nothing but what was asked for, and leases nothing else for it", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { answered, reading } = yield* started
        const { became, inboxes } = inboxesWith(numbered(1), numbered(2), numbered(3))
        yield* reading.next(inboxes, 1, 1)
        yield* answered(1)
        yield* reading.cancelled(1)
        const { cursor = "", texts } = yield* reading.next(inboxes, 2, 100, ({ arrival }) => arrival === 3)
        assert.lengthOf(texts, 1)
        assert.include(texts[0], "\ntext 3\n")
        yield* answered(2)
        yield* reading.confirm(cursor)
        assert.deepStrictEqual([became(1), became(2), became(3)], ["leased", "waiting", "committed"])
      }),
    ),
  )

  it.effect(
    "holds a message of any length, also one that is shown again, and what comes behind it is not kept back",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const around = wholeCharactersMax - wrapped(numbered(1, ""), "", "0".repeat(16)).length
          for (let length = around - 60; length <= around + 60; length += 1) {
            const { answered, reading } = yield* started
            const { became, inboxes } = inboxesWith(numbered(1, `${"x".repeat(length)}\u0000`), numbered(2))
            let id = 0
            const shown = Effect.fnUntraced(function* () {
              const { cursor = "", texts } = yield* reading.next(inboxes, (id += 1), 100)
              assert.isAbove(texts.length, 0, `of ${length} characters`)
              assert.isAtMost(texts.join("\n\n").length, messagesCharactersMax)
              yield* answered(id)
              return cursor
            })
            yield* shown()
            yield* reading.cancelled(id)
            for (let answers = 0; answers < 3 && became(2) !== "committed"; answers += 1) {
              yield* reading.confirm(yield* shown())
            }
            assert.deepStrictEqual([became(1), became(2)], ["committed", "committed"])
          }
        }),
      ),
  )

  it.effect("is given to one of two calls that come at once", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { reading } = yield* started
        const { inboxes } = inboxesWith(numbered(1), numbered(2), numbered(3))
        const answers = yield* Effect.forEach([1, 2], (id) => reading.next(inboxes, id, 2), { concurrency: 2 })
        assert.deepStrictEqual(new Set(answers.map(({ texts }) => texts.length)), new Set([1, 2]))
      }),
    ),
  )
})
