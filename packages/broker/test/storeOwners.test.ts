/** Whose a mesh is, as every database must keep it: what an earlier owner writes is refused, whatever it is. */
import { MeshId, SessionId } from "@claudemesh/domain/Ids"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { brokerLimits } from "../src/Limits.ts"
import { GroupCommits, type Outcome } from "../src/store/GroupCommit.ts"
import { MessageStore, Write } from "../src/store/MessageStore.ts"
import { alice, bob, meshId, meshRecord } from "./support/MeshScenario.ts"
import { Postgres } from "./support/Postgres.ts"
import { acceptOf, consumeOf, freshPostgres, inboxOf, messageOf, storeOn, whenWaiting } from "./support/Stores.ts"
import {
  channelWrite,
  type Claim,
  commit,
  commitIn,
  conforms,
  moveOf,
  pageOf,
  reasonOf,
  sessionWrite,
  sizes,
} from "./support/StoreSuite.ts"

const madeMesh = Effect.flatMap(MessageStore, (store) => store.createMesh(meshRecord, undefined, [alice, bob], 1))

const load = Effect.flatMap(MessageStore, (store) => Effect.map(store.loadMesh(meshId), Option.getOrThrow))

/** All that an owner would find, but for its epoch. */
const found = Effect.gen(function* () {
  const { epoch: _, ...loaded } = yield* load
  const pages = yield* Effect.forEach([inboxOf(bob), inboxOf(bob, "s1")], (inbox) => pageOf({ inbox }))
  return { loaded, pages, sizes: yield* sizes }
})

const deliveries = [{ inbox: inboxOf(bob), seq: 2 }]

/** A word of each kind on what the later owner has written. */
const words: ReadonlyArray<Write> = [
  consumeOf(2, inboxOf(bob)),
  Write.Lease({ meshId, deliveries, atMillis: 9 }),
  Write.Release({ meshId, deliveries: [{ inbox: inboxOf(bob, "s1"), seq: 2 }] }),
  sessionWrite("SessionAttached", "s9", 9),
  sessionWrite("SessionDetached", "s1", 9),
  Write.SessionForgotten({ meshId, memberId: bob.memberId, session: SessionId.make("s1") }),
  moveOf("all", "s1"),
  channelWrite("ChannelJoined", "s1", "two"),
  channelWrite("ChannelLeft", "s1", "one"),
]

const claims: Readonly<Record<string, Claim>> = {
  "gives each owner of a mesh a higher epoch than those before": Effect.gen(function* () {
    yield* madeMesh
    const other = { ...meshRecord, meshId: MeshId.make("mesh-2") }
    yield* (yield* MessageStore).createMesh(other, undefined, [alice], 1)
    assert.deepStrictEqual([(yield* load).epoch, (yield* load).epoch], [1, 2])
    const elsewhere = Option.getOrThrow(yield* (yield* MessageStore).loadMesh(other.meshId))
    assert.strictEqual(elsewhere.epoch, 1)
  }),

  "refuses each projection of an earlier owner, and nothing of it is written (I24)": Effect.gen(function* () {
    yield* madeMesh
    const { epoch: earlier } = yield* load
    const { epoch } = yield* load
    yield* commitIn(
      epoch,
      sessionWrite("SessionAttached", "s1", 1),
      channelWrite("ChannelJoined", "s1", "one"),
      acceptOf(messageOf(2, { targetSpec: "*" }), [inboxOf(bob), inboxOf(bob, "s1")]),
      Write.Lease({ meshId, deliveries: [{ inbox: inboxOf(bob, "s1"), seq: 2 }], atMillis: 3 }),
    )
    const before = yield* found
    for (const word of words) {
      assert.strictEqual(yield* reasonOf(commitIn(earlier, word)), "fenced", word._tag)
      assert.deepStrictEqual(yield* found, before, word._tag)
    }
    // The same words by an owner are taken.
    yield* commit(...words)
    assert.notDeepEqual(yield* found, before)
  }),

  "refuses a numbered write of an earlier owner also under a number that is free, and all of its batch": Effect.gen(
    function* () {
      yield* madeMesh
      const { epoch: earlier } = yield* load
      yield* load
      const elsewhere = { ...messageOf(1), meshId: MeshId.make("mesh-2") }
      assert.strictEqual(yield* reasonOf(commitIn(earlier, acceptOf(elsewhere), acceptOf(messageOf(2)))), "fenced")
      assert.deepInclude(yield* sizes, { message: 0, delivery: 0 })
    },
  ),

  "tells the earlier owner through its group commit, once, and takes what others have in that batch (I24)": Effect.gen(
    function* () {
      yield* madeMesh
      yield* (yield* MessageStore).createMesh({ ...meshRecord, meshId: MeshId.make("mesh-2") }, undefined, [alice], 1)
      yield* Effect.gen(function* () {
        const groupCommits = yield* GroupCommits
        const [mine, others] = [groupCommits.groupCommitOf(meshId), groupCommits.groupCommitOf(MeshId.make("mesh-2"))]
        yield* mine.takeOver
        yield* others.takeOver
        const outcomes: Array<Outcome["_tag"]> = []
        const lost = yield* Effect.forkChild(Effect.flip(mine.lost), { startImmediately: true })
        yield* load
        const written = Effect.callback<void>((resume) => {
          mine.submit(sessionWrite("SessionAttached", "s1", 1), (outcome) => outcomes.push(outcome._tag))
          const message = { ...messageOf(2), meshId: MeshId.make("mesh-2") }
          others.submit(acceptOf(message), (outcome) => {
            outcomes.push(outcome._tag)
            resume(Effect.void)
          })
        })
        yield* written
        assert.deepStrictEqual(outcomes, ["Failure", "Success"])
        assert.strictEqual((yield* Fiber.join(lost)).reason, "fenced")
        // Whoever takes it over again owns it.
        yield* mine.takeOver
        const again = yield* Effect.callback<Outcome>((resume) =>
          mine.submit(sessionWrite("SessionAttached", "s1", 1), (outcome) => resume(Effect.succeed(outcome))),
        )
        assert.isTrue(Exit.isSuccess(again))
      }).pipe(Effect.provide(GroupCommits.layer(1, brokerLimits)))
    },
  ),
}

conforms(claims)

layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("two owners on Postgres", (it) => {
  it.effect("take turns: a load waits for a commit that is on its way, and what comes behind it is refused (I24)", () =>
    Effect.gen(function* () {
      yield* madeMesh
      const { epoch } = yield* load
      yield* commitIn(epoch, sessionWrite("SessionAttached", "s1", 1))
      const sql = yield* SqlClient.SqlClient
      // The row that the first owner is about to write is held by somebody else for a moment.
      const isHeld = yield* Deferred.make<void>()
      const held = yield* Effect.forkChild(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`UPDATE mesh.session SET protocol = 2`
            yield* Deferred.succeed(isHeld, undefined)
            yield* whenWaiting(2)
          }),
        ),
      )
      yield* Deferred.await(isHeld)
      const word = yield* Effect.forkChild(commitIn(epoch, sessionWrite("SessionDetached", "s1", 7)))
      yield* whenWaiting(1)
      const loading = yield* Effect.forkChild(load)
      yield* Fiber.join(word)
      const { epoch: next, sessions } = yield* Fiber.join(loading)
      assert.deepStrictEqual([next, sessions[0]?.detachedAtMillis], [epoch + 1, 7])
      yield* Fiber.join(held)
      assert.strictEqual(yield* reasonOf(commitIn(epoch, sessionWrite("SessionDetached", "s1", 8))), "fenced")
    }).pipe(Effect.provide(storeOn(freshPostgres)), Effect.orDie),
  )
})
