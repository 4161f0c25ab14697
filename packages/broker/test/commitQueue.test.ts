/** What waits in a group commit while the database is away: merged, bounded, and in order. */
import { assert, describe, it } from "@effect/vitest"
import { MeshId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { brokerLimits } from "../src/Limits.ts"
import { CommitQueue, Waiting } from "../src/store/CommitQueue.ts"
import { GroupCommits } from "../src/store/GroupCommit.ts"
import { StoreError, Write } from "../src/store/MessageStore.ts"
import {
  namesOf,
  Script,
  fails,
  settled,
  scenario,
  busyWith,
  consumed,
  attached,
  detached,
  forgotten,
  moved,
  joined,
  left,
} from "./support/GroupCommitScript.ts"
import { bob, meshId } from "./support/MeshScenario.ts"
import { acceptOf, inboxOf, messageOf } from "./support/Stores.ts"

describe("a batch of so many messages", () => {
  it("takes acks along that wait among them, and leaves the rest in order", () => {
    const queue = new CommitQueue(brokerLimits)
    const writes = [
      consumed(1),
      acceptOf(messageOf(2)),
      consumed(3),
      acceptOf(messageOf(4)),
      acceptOf(messageOf(5)),
      consumed(6),
    ]
    for (const write of writes) queue.add(Waiting.Job({ write, epoch: 1, done: () => {} }))
    const taken = () => namesOf(queue.takeBatch(256, 2))
    assert.deepStrictEqual([queue.sequenced, taken()], [3, ["consume 1", "accept 2", "consume 3", "accept 4"]])
    assert.deepStrictEqual([queue.sequenced, taken(), queue.sequenced], [1, ["accept 5", "consume 6"], 0])
  })
})

describe("what a group commit keeps", () => {
  const awayWith = Effect.fnUntraced(function* (script: Script) {
    const { answer } = script
    script.answer = fails("unavailable")
    yield* script.submit(acceptOf(messageOf(1)))
    yield* settled
    return Effect.suspend(() => {
      script.answer = answer
      script.batches.length = 0
      return Effect.andThen(TestClock.adjust("10 seconds"), settled)
    })
  })

  it.effect(
    "is the last word on each inbox, and the first and last on each session, however often they change in an outage (I23)",
    () =>
      scenario((script) =>
        Effect.gen(function* () {
          const back = yield* awayWith(script)
          for (let round = 0; round < 1_000; round++) {
            yield* script.submit(attached("s1"), detached("s1"), moved("s1"), attached("s2"))
          }
          yield* back
          assert.deepStrictEqual(script.batches, [
            ["attached s1", "attached s2", "attached s1", "detached s1", "moved s1", "attached s2"],
          ])
        }),
      ),
  )

  it.effect(
    "is of a session that came and went both, of one that came back the coming alone, of a forgotten one neither",
    () =>
      scenario((script) =>
        Effect.gen(function* () {
          const back = yield* awayWith(script)
          yield* script.submit(attached("gone"), detached("gone"))
          yield* script.submit(attached("back"), detached("back"), attached("back"))
          yield* script.submit(attached("old"), detached("old"), forgotten("old"), attached("new"), forgotten("new"))
          yield* script.submit(attached("new"))
          yield* back
          assert.deepStrictEqual(script.batches, [
            [
              "attached gone",
              "detached gone",
              "attached back",
              "attached back",
              "forgotten old",
              "forgotten new",
              "attached new",
            ],
          ])
        }),
      ),
  )

  it.effect(
    "has a session's first attachment in its place, before what is accepted for it, and its last one behind what was asked for before",
    () =>
      scenario((script) =>
        Effect.gen(function* () {
          // One batch is under way, and the rest waits behind it.
          const release = yield* busyWith(script, acceptOf(messageOf(1)))
          yield* script.submit(attached("s1"), acceptOf(messageOf(2)), moved("s1"), attached("s1"), attached("s1"))
          yield* release
          assert.deepStrictEqual(script.batches.flat(), [
            "accept 1",
            "attached s1",
            "accept 2",
            "moved s1",
            "attached s1",
          ])
        }),
      ),
  )

  it.effect("is the last word on each channel, and all who asked hear what became of it (I12)", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const back = yield* awayWith(script)
        yield* script.submit(joined("s1"), consumed(1), left("s1"), joined("s2"), left("s1"))
        assert.deepStrictEqual(script.ends, ["accept 1: unavailable"])
        yield* back
        assert.deepStrictEqual(script.batches, [["consume 1", "joined s2", "left s1"]])
        assert.deepStrictEqual(script.ends.slice(1), [
          "consume 1: Done",
          "joined s2: Done",
          "joined s1: Done",
          "left s1: Done",
          "left s1: Done",
        ])
      }),
    ),
  )

  it.effect("is not merged with what stands before a barrier", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const release = yield* busyWith(script, consumed(1))
        yield* script.submit(consumed(2))
        const groupCommits = yield* GroupCommits
        yield* Effect.forkChild(groupCommits.groupCommitOf(meshId).settled, { startImmediately: true })
        yield* script.submit(consumed(2))
        yield* release
        assert.deepStrictEqual(script.batches, [["consume 1"], ["consume 2"], ["consume 2"]])
      }),
    ),
  )

  it.effect("is bounded for each mesh, with room for what nobody would ask for again (I23)", () =>
    scenario(
      (script) =>
        Effect.gen(function* () {
          const release = yield* busyWith(script, consumed(1))
          yield* script.submit(joined("s1"), joined("s1"), left("s1"), consumed(2, 3), consumed(4))
          assert.deepStrictEqual(script.ends, ["left s1: unavailable", "consume 4: unavailable"])
          const elsewhere = (yield* GroupCommits).groupCommitOf(MeshId.make("mesh-2"))
          elsewhere.submit(
            Write.Consume({
              meshId: MeshId.make("mesh-2"),
              inbox: inboxOf(bob),
              seqs: [9],
              priority: "next",
              atMillis: 1,
            }),
            () => script.ends.push("elsewhere"),
          )
          yield* release
          assert.deepStrictEqual(script.batches[1], ["joined s1", "consume 9", "consume 2+3"])
          yield* script.submit(consumed(5))
          yield* settled
          assert.deepStrictEqual(script.batches[2], ["consume 5"])
        }),
      { projectionsQueuedMax: 4 },
    ),
  )

  it("has room for all sessions that a mesh remembers", () => {
    assert.isAbove(brokerLimits.projectionsQueuedMax, brokerLimits.sessionsPerMeshMax)
  })

  it.effect(
    "does not keep senders waiting for what is tried first: they hear at once that the database is away (I12)",
    () =>
      scenario((script) =>
        Effect.gen(function* () {
          const back = yield* awayWith(script)
          yield* script.submit(...Array.from({ length: 300 }, (_, n) => consumed(n + 1)))
          // From now on it is silent: a try ends after 5 s.
          script.answer = () =>
            Effect.andThen(Effect.sleep("5 seconds"), Effect.fail(new StoreError({ reason: "unavailable", cause: "" })))
          yield* TestClock.adjust(100)
          yield* settled
          assert.strictEqual(script.batches.at(-1)?.length, 256)
          yield* script.submit(acceptOf(messageOf(2)))
          assert.deepStrictEqual(script.ends.at(-1), "accept 2: unavailable")
          yield* TestClock.adjust("5 seconds")
          yield* back
          yield* script.submit(acceptOf(messageOf(3)))
          yield* settled
          assert.strictEqual(script.ends.at(-1), "accept 3: Done")
          assert.strictEqual(script.ends.filter((end) => end.startsWith("consume") && end.endsWith("Done")).length, 300)
        }),
      ),
  )
})
