/** Which ids are taken, on a real file's tables: whatever was carried, rolled back, removed or read again, an id is found or is new. */
import { MessageId } from "@claudemesh/domain/Ids"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as fc from "fast-check"
import { type Handle, SqliteHandle } from "../src/store/sqlite/Handle.ts"
import { MessageIds } from "../src/store/sqlite/MessageIds.ts"
import { migrateSqlite } from "../src/store/sqlite/Migrations.ts"
import { sqliteInMemory } from "./support/Stores.ts"

const idOf = (n: number) => MessageId.make(n.toString(16).padStart(2, "0").repeat(16))
const ids = Array.from({ length: 120 }, (_, n) => n)

/** A message of one of these ids is sent, in a transaction with others; some transactions fail. The clock may go back. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      _tag: fc.constant("Batch" as const),
      sends: fc.array(fc.record({ id: fc.constantFrom(...ids), at: fc.integer({ min: 0, max: 30 }) }), {
        maxLength: 4,
      }),
      fails: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ _tag: fc.constant("Remove" as const), before: fc.integer({ max: 10, min: 0 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ _tag: "Restart" as const }) },
)

/** The store's part of it, which is not its own: rows of what was accepted. */
const accepted = ({ database }: Handle) => ({
  insert: (id: MessageId, seq: number, at: number) =>
    database.run(
      `INSERT INTO mesh.accepted (key, id, sender, priority, created_at, expires_at, content_hash, recipients)
        VALUES ((1 << 36) | ?, unhex(?), 1, 1, ?, ?, '', '[]')`,
      [seq, id, at, at + 1],
    ),
  remove: (seq: number) => database.run("DELETE FROM mesh.accepted WHERE key = ((1 << 36) | ?)", [seq]),
})

const run = (
  handle: Handle,
  max: number,
  steps: ReadonlyArray<typeof step extends fc.Arbitrary<infer S> ? S : never>,
): void => {
  const { database } = handle
  const rows = accepted(handle)
  let known = new MessageIds(handle, max)
  let model = new Map<number, { readonly seq: number; readonly at: number }>()
  let seq = 0
  for (const one of steps) {
    if (one._tag === "Restart") known = new MessageIds(handle, max)
    else {
      const then = new Map(model)
      database.run("BEGIN")
      if (one._tag === "Remove") {
        for (const [id, { at, seq: number }] of model) {
          if (at >= one.before) continue
          known.remove(idOf(id))
          rows.remove(number)
          then.delete(id)
        }
      } else {
        for (const { at, id } of one.sends) {
          assert.deepStrictEqual(known.find(idOf(id))?.seq, then.get(id)?.seq, `id ${id} in a transaction`)
          if (then.has(id)) continue
          seq += 1
          rows.insert(idOf(id), seq, at)
          known.add(idOf(id), { mesh: 1, seq }, at)
          then.set(id, { seq, at })
        }
        known.carry()
      }
      const fails = one._tag === "Batch" && one.fails
      database.run(fails ? "ROLLBACK" : "COMMIT")
      if (fails) known.forget()
      else model = then
    }
    for (const id of ids) assert.strictEqual(known.find(idOf(id))?.seq, model.get(id)?.seq, `id ${id}`)
  }
}

describe("the ids of messages", () => {
  it.effect("are each found with what was accepted under it, and with nothing that was not (I6, I7, I17)", () =>
    Effect.gen(function* () {
      const handle = yield* SqliteHandle
      const { database } = handle
      yield* migrateSqlite
      fc.assert(
        fc.property(fc.integer({ min: 3, max: 16 }), fc.array(step, { maxLength: 60, size: "max" }), (max, steps) => {
          for (const table of ["accepted", "message_id", "message_id_upto"]) database.run(`DELETE FROM mesh.${table}`)
          run(handle, max, steps)
        }),
        { numRuns: 100 },
      )
    }).pipe(Effect.provide(Layer.fresh(sqliteInMemory))),
  )

  it.effect("are in their index in the end, but for the last of them, so that a start reads few", () =>
    Effect.gen(function* () {
      const handle = yield* SqliteHandle
      const { database } = handle
      yield* migrateSqlite
      const known = new MessageIds(handle, 16)
      const rows = accepted(handle)
      for (let seq = 0; seq < 200; seq++) {
        database.run("BEGIN")
        rows.insert(idOf(seq), seq, seq)
        known.add(idOf(seq), { mesh: 1, seq }, seq)
        known.carry()
        database.run("COMMIT")
      }
      const upto = database.query<{ at: number }, []>("SELECT at FROM mesh.message_id_upto").get()?.at ?? 0
      const indexed = database.query<{ n: number }, []>("SELECT count(*) AS n FROM mesh.message_id").get()?.n ?? 0
      assert.isAbove(upto, 200 - 3 * 16)
      assert.isAtLeast(indexed, upto)
    }).pipe(Effect.provide(Layer.fresh(sqliteInMemory))),
  )
})
