/** Group commit, with a store that does what the test says: what goes together, in what order, and what survives. */
import { assert, describe, it } from "@effect/vitest"
import { MeshId } from "@claudemesh/domain/Ids"
import { Deferred, Effect, Layer, References } from "effect"
import { TestClock } from "effect/testing"
import { brokerLimits } from "../src/Limits.ts"
import { GroupCommits } from "../src/store/GroupCommit.ts"
import { Write, Written } from "../src/store/MessageStore.ts"
import {
  namesOf,
  duplicate,
  Script,
  endOf,
  fails,
  settled,
  scenario,
  busyWith,
  accepts,
  consumed,
  attached,
  detached,
  moved,
} from "./support/GroupCommitScript.ts"
import { bob, meshId } from "./support/MeshScenario.ts"
import { noSpread } from "./support/NoSpread.ts"
import { acceptOf, inboxOf, messageOf } from "./support/Stores.ts"

describe("a batch", () => {
  it.effect("is all that waited while the last one was committed, with no timer (I7)", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const release = yield* busyWith(script, acceptOf(messageOf(1)))
        yield* script.submit(acceptOf(messageOf(2)), consumed(1))
        yield* settled
        yield* script.submit(acceptOf(messageOf(3)))
        assert.deepStrictEqual([script.batches, script.ends], [[["accept 1"]], []])
        yield* release
        assert.deepStrictEqual(script.batches, [["accept 1"], ["accept 2", "consume 1", "accept 3"]])
        assert.deepStrictEqual(script.ends, ["accept 1: Done", "accept 2: Done", "consume 1: Done", "accept 3: Done"])
      }),
    ),
  )

  it.effect("is on its way before those of the last one are told, so that what follows is done meanwhile (I7)", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const groupCommit = (yield* GroupCommits).groupCommitOf(meshId)
        const underWay: Array<number> = []
        const note = () => underWay.push(script.batches.length)
        script.answer = (batch) => Effect.andThen(settled, Effect.succeed(batch.map(() => Written.Done())))
        groupCommit.submit(acceptOf(messageOf(1)), note)
        yield* Effect.repeat(Effect.yieldNow, { times: 20 })
        assert.deepStrictEqual([script.batches, underWay], [[["accept 1"]], []])
        groupCommit.submit(acceptOf(messageOf(2)), note)
        yield* Effect.repeat(settled, { times: 5 })
        assert.deepStrictEqual(
          [script.batches, underWay],
          [
            [["accept 1"], ["accept 2"]],
            [2, 2],
          ],
        )
      }),
    ),
  )

  it.effect("is half of what is on its way, where what is told brings as much anew and the database is elsewhere", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const groupCommit = (yield* GroupCommits).groupCommitOf(meshId)
        script.answer = (batch) => Effect.andThen(settled, Effect.succeed(batch.map(() => Written.Done())))
        const writes = accepts(1, 2_000)
        const next = (): void => {
          const write = writes.shift()
          if (write !== undefined) groupCommit.submit(write, next)
        }
        for (let sender = 0; sender < 200; sender++) next()
        yield* Effect.repeat(settled, { until: () => writes.length === 0 })
        assert.deepStrictEqual(script.batches.map((batch) => batch.length).slice(4, 8), [100, 100, 100, 100])
      }),
    ),
  )

  it.live("of a store that commits where it is asked to leaves everybody else a turn before the next one", () => {
    const script = new Script()
    return Effect.gen(function* () {
      const groupCommit = (yield* GroupCommits).groupCommitOf(meshId)
      const seen = new Set<number>()
      const look = (): void => {
        if (script.batches.length >= 20) return
        seen.add(script.batches.length)
        setImmediate(look)
      }
      setImmediate(look)
      for (const write of accepts(1, brokerLimits.commitWritesMax * 20)) groupCommit.submit(write, () => {})
      yield* groupCommit.settled
      assert.isAtLeast(seen.size, 19)
    }).pipe(Effect.provide(GroupCommits.layer(1, brokerLimits).pipe(Layer.provide(script.store))))
  })

  it.effect("holds no more writes than one transaction may (I23)", () =>
    scenario(
      (script) =>
        Effect.gen(function* () {
          const release = yield* busyWith(script, acceptOf(messageOf(1)))
          yield* script.submit(...accepts(2, 8))
          yield* release
          assert.deepStrictEqual(
            script.batches.map((batch) => batch.length),
            [1, 3, 3, 1],
          )
          assert.strictEqual(script.ends.length, 8)
        }),
      { commitWritesMax: 3 },
    ),
  )

  it.effect("holds no more rows than one transaction may: an ack of many counts with each of them (I23)", () =>
    scenario(
      (script) =>
        Effect.gen(function* () {
          const ofMany = { ...consumed(10), seqs: [10, 11, 12] }
          const release = yield* busyWith(script, acceptOf(messageOf(1)))
          yield* script.submit(consumed(1), ofMany, consumed(13), consumed(14))
          yield* release
          assert.deepStrictEqual(
            script.batches.slice(1).map((batch) => batch.length),
            [2, 2],
          )
        }),
      { commitRowsMax: 4 },
    ),
  )

  it.effect("holds no more text than one transaction may, and always at least one write (I23)", () =>
    scenario(
      (script) =>
        Effect.gen(function* () {
          const release = yield* busyWith(script, acceptOf(messageOf(1)))
          const sized = (seq: number, characters: number) =>
            acceptOf(messageOf(seq, { ciphertext: "A".repeat(characters) }))
          yield* script.submit(sized(2, 400), sized(3, 600), sized(4, 4), sized(5, 5_000), consumed(1), sized(6, 4))
          yield* release
          assert.deepStrictEqual(script.batches.slice(1), [
            ["accept 2", "accept 3"],
            ["accept 4"],
            ["accept 5"],
            ["consume 1", "accept 6"],
          ])
        }),
      { commitCharactersMax: 1_000 },
    ),
  )

  it.effect("has a write of each mesh that waits, however much one of them has waiting (I23)", () =>
    scenario(
      (script) =>
        Effect.gen(function* () {
          const release = yield* busyWith(script, consumed(1))
          const groupCommits = yield* GroupCommits
          yield* script.submit(...accepts(2, 12))
          for (const mesh of ["mesh-2", "mesh-3"]) {
            for (const seq of [101, 102]) {
              const message = { ...messageOf(seq, { id: `${mesh} ${seq}` }), meshId: MeshId.make(mesh) }
              groupCommits.groupCommitOf(message.meshId).submit(acceptOf(message), () => {})
            }
          }
          yield* release
          yield* Effect.repeat(settled, { times: 5 })
          assert.deepStrictEqual(script.batches.slice(1, 4), [
            ["accept 2", "accept 101", "accept 101", "accept 3"],
            ["accept 102", "accept 102", "accept 4", "accept 5"],
            ["accept 6", "accept 7", "accept 8", "accept 9"],
          ])
          assert.deepStrictEqual(
            script.ends.slice(1),
            accepts(2, 12).map(({ message }) => `accept ${message.seq}: Done`),
            "each mesh in its own order",
          )
        }),
      { commitWritesMax: 4 },
    ),
  )

  it.effect("lets what is large wait no longer than for the batch that it does not fit in", () =>
    scenario(
      (script) =>
        Effect.gen(function* () {
          const release = yield* busyWith(script, consumed(1))
          const large = {
            ...messageOf(1, { id: "large", ciphertext: "A".repeat(900) }),
            meshId: MeshId.make("mesh-2"),
          }
          yield* script.submit(...[2, 3, 4].map((seq) => acceptOf(messageOf(seq, { ciphertext: "A".repeat(200) }))))
          ;(yield* GroupCommits).groupCommitOf(large.meshId).submit(acceptOf(large), () => {})
          yield* release
          assert.deepStrictEqual(script.batches.slice(1), [["accept 2", "accept 3", "accept 4"], ["accept 1"]])
        }),
      { commitCharactersMax: 1_000 },
    ),
  )

  it.effect("of which one write is too slow is split, so that the slow one fails alone (I24)", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const release = yield* busyWith(script, acceptOf(messageOf(1)))
        script.probe = Effect.void
        script.answer = (batch) =>
          namesOf(batch).includes("moved slow")
            ? Effect.andThen(Effect.sleep("5 seconds"), fails("unavailable")(batch))
            : Effect.succeed(batch.map(() => Written.Done()))
        yield* script.submit(consumed(2), consumed(3), moved("slow"), consumed(4), acceptOf(messageOf(5)))
        const tryEnds = Effect.andThen(TestClock.adjust("5 seconds"), Effect.repeat(settled, { times: 3 }))
        const other = Write.Consume({
          meshId: MeshId.make("mesh-2"),
          inbox: inboxOf(bob),
          seqs: [90],
          priority: "next",
          atMillis: 1,
        })
        yield* release
        yield* tryEnds
        assert.deepStrictEqual(script.ends.slice(1), ["accept 5: unavailable", "consume 2: Done", "consume 3: Done"])
        // Others' writes, and what can be told, are not held up by what is split, and nobody hears that the database is away.
        ;(yield* GroupCommits).groupCommitOf(other.meshId).submit(other, () => script.ends.push("elsewhere"))
        yield* script.submit(acceptOf(messageOf(6)))
        yield* tryEnds
        assert.deepStrictEqual(script.ends.slice(4), ["elsewhere"])
        yield* tryEnds
        assert.deepStrictEqual(script.ends.slice(5), ["moved slow: unavailable", "consume 4: Done", "accept 6: Done"])
      }),
    ),
  )

  it.effect("that was refused is tried in halves: one bad write costs the others some tries, and not one each", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const release = yield* busyWith(script, acceptOf(messageOf(1)))
        script.answer = (batch) =>
          namesOf(batch).includes("accept 70")
            ? fails("rejected")(batch)
            : Effect.succeed(batch.map(() => Written.Done()))
        yield* script.submit(...accepts(2, 129))
        yield* release
        yield* Effect.repeat(settled, { times: 5 })
        assert.deepStrictEqual(
          script.ends.slice(1),
          accepts(2, 129).map(({ message: { seq } }) => `accept ${seq}: ${seq === 70 ? "rejected" : "Done"}`),
        )
        assert.isAtMost(script.batches.length, 17)
      }),
    ),
  )

  it.effect("gives each write its own outcome, in the order of submission (I7)", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const release = yield* busyWith(script, consumed(1))
        script.answer = (batch) => Effect.succeed(batch.map((_, index) => (index === 1 ? duplicate : Written.Done())))
        yield* script.submit(...accepts(2, 4))
        yield* release
        assert.deepStrictEqual(script.ends.slice(1), ["accept 2: Done", "accept 3: Duplicate", "accept 4: Done"])
      }),
    ),
  )

  it.effect("is tried in halves when it is refused, so that one bad item fails alone (I24)", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const release = yield* busyWith(script, consumed(1))
        script.answer = (batch) =>
          namesOf(batch).includes("accept 3")
            ? fails("rejected")(batch)
            : Effect.succeed(batch.map(() => Written.Done()))
        yield* script.submit(acceptOf(messageOf(2)), acceptOf(messageOf(3)), attached("s1"), acceptOf(messageOf(4)))
        yield* release
        assert.deepStrictEqual(script.ends.slice(1), [
          "accept 2: Done",
          "accept 3: rejected",
          "attached s1: Done",
          "accept 4: Done",
        ])
      }),
    ),
  )

  it.effect("says to each item that it was fenced, if it was", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const release = yield* busyWith(script, consumed(1))
        script.answer = fails("fenced")
        yield* script.submit(...accepts(2, 3))
        yield* release
        assert.deepStrictEqual(script.ends.slice(1), ["accept 2: fenced", "accept 3: fenced"])
      }),
    ),
  )

  it.effect("over which the store dies fails, and the group commit lives (I12, I24)", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const { answer } = script
        script.answer = () => Effect.die("a defect of the store")
        yield* script.submit(acceptOf(messageOf(1)), consumed(9))
        yield* settled
        assert.deepStrictEqual(script.ends, ["accept 1: rejected", "consume 9: rejected"])
        script.answer = answer
        yield* script.submit(acceptOf(messageOf(2)))
        yield* settled
        assert.deepStrictEqual(script.ends.at(-1), "accept 2: Done")
      }),
    ),
  )

  it.effect("with too few results fails for those without one", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const release = yield* busyWith(script, consumed(1))
        script.answer = () => Effect.succeed([Written.Done()])
        yield* script.submit(...accepts(2, 3))
        yield* release
        assert.deepStrictEqual(script.ends.slice(1), ["accept 2: Done", "accept 3: rejected"])
      }),
    ),
  )
})

describe("while the database is away", () => {
  it.effect("senders hear of it at once, and acks and sessions are kept and written later, in order (I7, I8)", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const { answer } = script
        const release = yield* busyWith(script, consumed(1))
        script.answer = fails("unavailable")
        yield* script.submit(
          acceptOf(messageOf(2)),
          attached("s1"),
          consumed(3),
          acceptOf(messageOf(4)),
          detached("s1"),
        )
        yield* release
        assert.deepStrictEqual(script.ends.slice(1), ["accept 2: unavailable", "accept 4: unavailable"])
        yield* script.submit(consumed(5))
        script.answer = answer
        yield* settled
        assert.strictEqual(script.batches.length, 2, "nothing is tried before the back-off is over")
        yield* TestClock.adjust("50 millis")
        yield* settled
        assert.deepStrictEqual(script.batches.slice(2), [["attached s1", "consume 3", "detached s1", "consume 5"]])
        assert.deepStrictEqual(script.ends.slice(3), [
          "attached s1: Done",
          "consume 3: Done",
          "detached s1: Done",
          "consume 5: Done",
        ])
      }),
    ),
  )

  it.effect("who asks for a lease hears of it at once, and what ends one is kept and written later (I8, I12)", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const { answer } = script
        const release = yield* busyWith(script, consumed(1))
        script.answer = fails("unavailable")
        const deliveries = [2, 3].map((seq) => ({ inbox: inboxOf(bob), seq }))
        yield* script.submit(
          Write.Lease({ meshId, deliveries, atMillis: 1 }),
          Write.Release({ meshId, deliveries }),
          Write.Lease({ meshId, deliveries, atMillis: 2 }),
        )
        yield* release
        assert.deepStrictEqual(script.ends.slice(1), ["lease 2+3: unavailable", "lease 2+3: unavailable"])
        script.answer = answer
        yield* TestClock.adjust("50 millis")
        yield* settled
        assert.deepStrictEqual(script.ends.slice(3), ["release 2+3: Done"])
      }),
    ),
  )

  it.effect("it is tried again after 50 ms, doubling to less than 2 s, and from 50 ms again once it has answered", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const { answer } = script
        script.answer = fails("unavailable")
        yield* script.submit(consumed(1))
        yield* settled
        for (const millis of [50, 100, 200, 400, 800, 1_600, 1_667, 1_667]) {
          const before = script.batches.length
          yield* TestClock.adjust(millis - 2)
          yield* settled
          assert.strictEqual(script.batches.length, before, `not before ${millis} ms`)
          yield* TestClock.adjust(2)
          yield* settled
          assert.strictEqual(script.batches.length, before + 1, `after ${millis} ms`)
        }
        script.answer = answer
        yield* TestClock.adjust(2_000)
        yield* settled
        assert.deepStrictEqual(script.ends, ["consume 1: Done"])
        script.answer = fails("unavailable")
        yield* script.submit(consumed(2))
        yield* settled
        script.answer = answer
        yield* TestClock.adjust(50)
        yield* settled
        assert.deepStrictEqual(script.ends, ["consume 1: Done", "consume 2: Done"])
      }),
    ),
  )

  it.effect("what it had begun to try in halves stays in order", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const { answer } = script
        const release = yield* busyWith(script, consumed(1))
        script.answer = (batch) => (batch.length > 1 ? fails("rejected") : fails("unavailable"))(batch)
        yield* script.submit(attached("s1"), detached("s1"), attached("s2"))
        yield* release
        script.answer = answer
        yield* TestClock.adjust("10 seconds")
        yield* settled
        assert.deepStrictEqual(script.ends.slice(1), ["attached s1: Done", "detached s1: Done", "attached s2: Done"])
      }),
    ),
  )
})

describe("while the group commit pauses because the database is away", () => {
  it.effect("what somebody waits for is refused at once, and what is kept waits (I12)", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const { answer } = script
        script.answer = fails("unavailable")
        yield* script.submit(acceptOf(messageOf(1)))
        yield* settled
        yield* script.submit(acceptOf(messageOf(2)), consumed(1))
        assert.deepStrictEqual(script.ends, ["accept 1: unavailable", "accept 2: unavailable"])
        script.answer = answer
        yield* TestClock.adjust(50)
        yield* settled
        yield* script.submit(acceptOf(messageOf(3)))
        yield* settled
        assert.deepStrictEqual(script.batches, [["accept 1"], ["consume 1"], ["accept 3"]])
      }),
    ),
  )
})

describe("whoever waits until all is settled", () => {
  const waitIn = (script: Script) =>
    Effect.flatMap(GroupCommits, (groupCommits) =>
      Effect.forkChild(
        Effect.map(Effect.exit(groupCommits.groupCommitOf(meshId).settled), (exit) =>
          script.ends.push(`settled: ${exit._tag}`),
        ),
        { startImmediately: true },
      ),
    )

  it.effect("waits for what was submitted before, and not for what comes after", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const release = yield* busyWith(script, acceptOf(messageOf(1)))
        yield* script.submit(consumed(1))
        yield* waitIn(script)
        yield* script.submit(consumed(2))
        yield* settled
        assert.deepStrictEqual(script.ends, [])
        yield* release
        assert.deepStrictEqual(script.ends, [
          "accept 1: Done",
          "consume 1: Done",
          "settled: Success",
          "consume 2: Done",
        ])
        assert.deepStrictEqual(script.batches, [["accept 1"], ["consume 1"], ["consume 2"]])
      }),
    ),
  )

  it.effect("hears at once that the database is away, before and while the group commit pauses", () =>
    scenario((script) =>
      Effect.gen(function* () {
        script.answer = fails("unavailable")
        yield* script.submit(consumed(1))
        yield* waitIn(script)
        yield* settled
        yield* waitIn(script)
        yield* settled
        assert.deepStrictEqual(script.ends, ["settled: Failure", "settled: Failure"])
      }),
    ),
  )
})

describe("when the group commit's scope closes", () => {
  it.effect("what was submitted before is committed first (I7)", () =>
    Effect.gen(function* () {
      const script = new Script()
      yield* Effect.gen(function* () {
        const release = yield* busyWith(script, consumed(1))
        yield* script.submit(...accepts(2, 3))
        yield* Effect.forkDetach(Effect.andThen(settled, release))
      }).pipe(Effect.provide(GroupCommits.layer(1, brokerLimits).pipe(Layer.provide(script.store))))
      assert.deepStrictEqual(script.ends, ["consume 1: Done", "accept 2: Done", "accept 3: Done"])
    }),
  )

  it.effect(
    "it waits for a database that does not answer no longer than a draining broker may, and every write has an end (I12)",
    () =>
      Effect.gen(function* () {
        const script = new Script()
        script.answer = fails("unavailable")
        const closing = yield* Effect.forkChild(
          script
            .submit(consumed(1), acceptOf(messageOf(2)))
            .pipe(
              Effect.andThen(settled),
              Effect.provide(GroupCommits.layer(1, brokerLimits).pipe(Layer.provide(script.store))),
              Effect.provideService(References.MinimumLogLevel, "None"),
              Effect.provide(noSpread),
            ),
        )
        yield* settled
        yield* TestClock.adjust(50)
        yield* settled
        assert.deepStrictEqual(closing.pollUnsafe()?._tag, "Success")
        assert.sameMembers(script.ends, ["accept 2: unavailable", "consume 1: unavailable"])
      }),
  )
})

describe("several group commits", () => {
  const meshes = Array.from({ length: 20 }, (_, n) => MeshId.make(`mesh-${n}`))
  const submitToAll = (script: Script) =>
    Effect.map(GroupCommits, (groupCommits) => {
      for (const [n, mesh] of meshes.entries()) {
        const write = Write.Consume({ meshId: mesh, inbox: inboxOf(bob), seqs: [n], priority: "next", atMillis: 1 })
        groupCommits.groupCommitOf(mesh).submit(write, () => script.ends.push(mesh))
      }
    })

  it.effect("keep a mesh in one of them, and commit for other meshes meanwhile", () => {
    const script = new Script()
    return Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      yield* submitToAll(script)
      yield* settled
      const batches = [...script.batches]
      assert.strictEqual(batches.length, 4)
      script.answer = (batch) =>
        Effect.as(
          namesOf(batch).includes("consume 0") ? Deferred.await(gate) : Effect.void,
          batch.map(() => Written.Done()),
        )
      script.ends.length = 0
      yield* submitToAll(script)
      yield* settled
      assert.sameDeepMembers(script.batches.slice(4), batches)
      const stuck = batches.find((batch) => batch.includes("consume 0")) ?? []
      assert.strictEqual(script.ends.length, meshes.length - stuck.length)
      yield* Deferred.succeed(gate, undefined)
    }).pipe(Effect.provide(GroupCommits.layer(4, brokerLimits).pipe(Layer.provide(script.store))))
  })
})

describe("a group commit", () => {
  it.effect("goes on when somebody does not take the outcome, and tells the others of the batch (I12, I24)", () =>
    scenario((script) =>
      Effect.gen(function* () {
        const release = yield* busyWith(script, consumed(1))
        const groupCommit = (yield* GroupCommits).groupCommitOf(meshId)
        groupCommit.submit(consumed(2), () => {
          throw new Error("a defect of who asked")
        })
        yield* script.submit(consumed(3))
        yield* release
        yield* script.submit(acceptOf(messageOf(4)))
        yield* settled
        assert.deepStrictEqual(script.ends, ["consume 1: Done", "consume 3: Done", "accept 4: Done"])
      }),
    ),
  )

  it.effect("says what is submitted to it after its end (I12)", () =>
    Effect.gen(function* () {
      const script = new Script()
      const groupCommits = yield* Effect.provide(
        GroupCommits,
        GroupCommits.layer(1, brokerLimits).pipe(Layer.provide(script.store)),
      )
      groupCommits.groupCommitOf(meshId).submit(consumed(1), (outcome) => script.ends.push(endOf(outcome)))
      assert.deepStrictEqual(script.ends, ["unavailable"])
    }),
  )
})
