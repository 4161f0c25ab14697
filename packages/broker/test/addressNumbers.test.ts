/** Inboxes whose numbers are the last for which a key has room: each has its own messages, however many sessions there have been. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { bob, meshId } from "./support/MeshScenario.ts"
import { acceptOf, consumeOf, inboxOf, messageOf, sqliteInMemory, sqliteStoreOn } from "./support/Stores.ts"
import { commit, moveOf, pageOf, seqsOf } from "./support/StoreSuite.ts"

const sessions = ["n1", "n2", "n3", "n4", "n5"]
const first = 10

const numberOf = Effect.fnUntraced(function* (session: string) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly number: number }>`SELECT number FROM mesh.address
    WHERE member_id = ${bob.memberId} AND session_id = ${session}`
  return row?.number ?? 0
})

/** As if so many addresses had been given one after the other, of which the last is left. */
const given = Effect.fnUntraced(function* (number: number) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`INSERT INTO mesh.address (number, mesh_id, member_id, session_id, own, used_at)
    VALUES (${number}, ${meshId}, ${bob.memberId}, 'the last one', ${yield* numberOf("")}, 1)`
})

describe("the inboxes of a store on SQLite", () => {
  for (const [when, before] of [
    ["the last number is near", () => 2 ** 25 - 4],
    ["as many have been given again", (bobs: number) => 2 ** 26 + bobs - 1],
  ] as const) {
    it.effect(`have each its own messages when ${when} (I8, I13)`, () =>
      Effect.gen(function* () {
        yield* commit(acceptOf(messageOf(1)), acceptOf(messageOf(2)))
        yield* given(before(yield* numberOf("")))
        for (const [index, session] of sessions.entries()) {
          yield* commit(acceptOf(messageOf(first + index), [inboxOf(bob, session)]))
        }
        for (const [index, session] of sessions.entries()) {
          assert.deepStrictEqual(yield* seqsOf({ inbox: inboxOf(bob, session) }), [first + index], session)
          // What is another's is not taken out.
          yield* commit(consumeOf([1, 2], inboxOf(bob, session)))
        }
        assert.deepStrictEqual(yield* seqsOf(), [1, 2])
        yield* commit(...sessions.map((session) => moveOf("all", session)))
        assert.deepStrictEqual(yield* seqsOf(), [1, 2, ...sessions.map((_, index) => first + index)])
        assert.strictEqual((yield* pageOf())[0]?.message.senderSession, messageOf(1).senderSession)
      }).pipe(Effect.provide(sqliteStoreOn(sqliteInMemory))),
    )
  }
})
