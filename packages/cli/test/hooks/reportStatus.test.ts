/** What is told to the meshes of what the host's hooks saw, and in which order. */
import type { Status } from "@claudemesh/domain/routing/Status"
import { MeshId } from "@claudemesh/domain/Ids"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { reportAgainMillis } from "../../src/host/Limits.ts"
import { makeReports } from "../../src/host/ReportStatus.ts"

/** A mesh whose broker answers when the test says so. */
const slowMesh = () => {
  const told: Array<Status> = []
  let answer = Deferred.makeUnsafe<void>()
  return {
    told,
    answered: Effect.suspend(() => {
      const now = answer
      answer = Deferred.makeUnsafe<void>()
      return Effect.andThen(Deferred.succeed(now, undefined), Effect.yieldNow)
    }),
    client: {
      membership: { meshId: MeshId.make("m1") },
      setStatus: (status: Status) =>
        Effect.suspend(() => {
          told.push(status)
          return Deferred.await(answer)
        }),
    },
  }
}

describe("what a hook saw", () => {
  it.live("is reported once the report before it is answered, and only the last that waits", () =>
    Effect.gen(function* () {
      const { answered, client, told } = slowMesh()
      const report = makeReports()
      const manager = { all: [client] }
      yield* report(manager, "working", 0)
      yield* Effect.sleep(1)
      yield* report(manager, "idle", 1)
      yield* report(manager, "working", 2)
      yield* report(manager, "idle", 3)
      yield* Effect.sleep(1)
      assert.deepStrictEqual(told, ["working"])
      yield* answered
      yield* Effect.sleep(1)
      assert.deepStrictEqual(told, ["working", "idle"])
      yield* answered
      yield* Effect.sleep(1)
      yield* report(manager, "working", 4)
      yield* Effect.sleep(1)
      assert.deepStrictEqual(told, ["working", "idle", "working"])
    }),
  )

  it.live("is reported again only when it is another status, or while the last report is about to be old", () =>
    Effect.gen(function* () {
      const told: Array<Status> = []
      const client = {
        membership: { meshId: MeshId.make("m1") },
        setStatus: (status: Status) => Effect.sync(() => void told.push(status)),
      }
      const report = makeReports()
      for (const millis of [0, 1, reportAgainMillis - 1, reportAgainMillis]) {
        yield* report({ all: [client] }, "working", millis)
        yield* Effect.sleep(1)
      }
      assert.deepStrictEqual(told, ["working", "working"])
    }),
  )
})
