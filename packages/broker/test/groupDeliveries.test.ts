/**
 * What was sent to groups, on a real file's tables: whatever was acked, leased, rolled back, read again or carried to its inbox, each delivery
 * waits in one place until it is acked, with its own key, and its receipt stays.
 */
import { Base64 } from "@claudemesh/domain/Base64"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as fc from "fast-check"
import { allToInboxes, GroupDeliveries } from "../src/store/sqlite/GroupDeliveries.ts"
import { type Handle, SqliteHandle } from "../src/store/sqlite/Handle.ts"
import { addressOf, priorityOf, seqOf } from "../src/store/sqlite/Layout.ts"
import { migrateSqlite } from "../src/store/sqlite/Migrations.ts"
import { sqliteInMemory } from "./support/Stores.ts"

const mesh = 1
const addresses = [2, 3, 4, 5, 6]
const keyOf = (seq: number, address: number) => Base64.make(`${seq}x${address}`.padEnd(8, "A"))

/** One of the messages until now, by its place among them, and one of the inboxes. */
const delivery = fc.record({ message: fc.nat({ max: 40 }), address: fc.constantFrom(...addresses) })
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      _tag: fc.constant("Batch" as const),
      adds: fc.array(
        fc.record({
          to: fc.uniqueArray(fc.constantFrom(...addresses), { minLength: 2 }),
          priority: fc.integer({ min: 0, max: 2 }),
        }),
        { maxLength: 3 },
      ),
      leases: fc.array(delivery, { maxLength: 2 }),
      acks: fc.array(fc.record({ one: delivery, at: fc.integer({ min: 1, max: 3 }) }), { maxLength: 8 }),
      fails: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ _tag: "Settle" as const }) },
  { weight: 1, arbitrary: fc.constant({ _tag: "Restart" as const }) },
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

/** What became of one: it waits, or was acked then. */
interface Delivered {
  readonly seq: number
  readonly address: number
  readonly priority: number
  at: number | undefined
}

const tables = ["group_delivery", "group_left", "group_text", "waiting", "consumed"]

/** What waits in an inbox, there and together, and what the whole table says. */
const inInboxes = ({ database }: Handle) =>
  database
    .query<{ seq: number; address: number; priority: number; key: string }, []>(
      `SELECT ${seqOf("key")} AS seq, ${addressOf("key")} AS address, ${priorityOf("key")} AS priority, sealed_key AS key FROM mesh.waiting`,
    )
    .all()
    .map(({ address, key, priority, seq }) => `${seq} ${address} ${priority} ${key}`)

const check = (handle: Handle, groups: GroupDeliveries, model: ReadonlyArray<Delivered>): void => {
  const together = addresses.flatMap((address) =>
    groups
      .waitingIn(mesh, address)
      .map(({ priority, sealedKey, seq }) => `${seq} ${address} ${priority} ${sealedKey ?? ""}`),
  )
  const waiting = model.filter(({ at }) => at === undefined)
  assert.deepStrictEqual(
    [...together, ...inInboxes(handle)].toSorted(),
    waiting.map(({ address, priority, seq }) => `${seq} ${address} ${priority} ${keyOf(seq, address)}`).toSorted(),
  )
  assert.strictEqual(groups.waitingOf(mesh).length, together.length)
  for (const { address, seq } of model) {
    assert.strictEqual(
      groups.waitsUntil(mesh, seq, address) !== undefined,
      together.some((one) => one.startsWith(`${seq} ${address} `)),
    )
  }
}

const run = (handle: Handle, max: number, steps: ReadonlyArray<Step>): void => {
  const { database } = handle
  let groups = new GroupDeliveries(handle, max)
  let model: ReadonlyArray<Delivered> = []
  const acked = new Map<string, number>()
  let seq = 0
  const batch = ({ acks, adds, fails, leases }: Extract<Step, { readonly _tag: "Batch" }>): void => {
    const then = model.map((one) => ({ ...one }))
    const at = (message: number, address: number) =>
      then.find((one) => one.seq === (seq === 0 ? 0 : (message % seq) + 1) && one.address === address)
    database.run("BEGIN")
    for (const { priority, to } of adds) {
      seq += 1
      const message = { mesh, seq, priority, atMillis: 0, expiresAtMillis: 1_000_000, characters: 4 }
      groups.add(
        message,
        to.map((address) => [address, keyOf(seq, address)]),
      )
      for (const address of to) then.push({ seq, address, priority, at: undefined })
    }
    for (const { address, message } of leases) groups.toInbox(mesh, at(message, address)?.seq ?? 0, address)
    for (const { at: millis, one } of acks) {
      const found = at(one.message, one.address)
      if (found === undefined) continue
      assert.isFalse(
        groups.consume(mesh, found.seq, found.address, (found.priority + 1) % 3, millis),
        "another priority",
      )
      if (groups.consume(mesh, found.seq, found.address, found.priority, millis)) {
        assert.isUndefined(found.at, "it was acked before")
        found.at = millis
        if (!fails) acked.set(`${found.seq} ${found.address}`, millis)
      }
    }
    groups.write()
    database.run(fails ? "ROLLBACK" : "COMMIT")
    if (fails) groups.forget()
    else model = then
  }
  for (const one of steps) {
    if (one._tag === "Batch") batch(one)
    else if (one._tag === "Settle") groups.settle(100_000, 3)
    else groups = new GroupDeliveries(handle, max)
    check(handle, groups, model)
    const held = groups.waitingOf(mesh).length
    assert.isAtMost(held, max)
  }
  for (const number of new Set(model.map((one) => one.seq))) {
    const theirs = [...groups.receiptsOf(mesh, number)].map(([address, at]) => `${number} ${address} ${at}`)
    const expected = [...acked].filter(([key]) => key.startsWith(`${number} `)).map(([key, at]) => `${key} ${at}`)
    assert.sameMembers(theirs, expected)
  }
}

describe("what was sent to groups", () => {
  it.effect("waits in one place until it is acked, and its receipt stays (I6, I7, I8)", () =>
    Effect.gen(function* () {
      const handle = yield* SqliteHandle
      yield* migrateSqlite
      fc.assert(
        fc.property(fc.integer({ min: 6, max: 20 }), fc.array(step, { maxLength: 40, size: "max" }), (max, steps) => {
          for (const table of tables) handle.database.run(`DELETE FROM mesh.${table}`)
          run(handle, max, steps)
        }),
        { numRuns: 100 },
      )
    }).pipe(Effect.provide(Layer.fresh(sqliteInMemory))),
  )

  it.effect("lies in its inbox, with receipts one by one, once a file is looked through and not served", () =>
    Effect.gen(function* () {
      const handle = yield* SqliteHandle
      yield* migrateSqlite
      const groups = new GroupDeliveries(handle)
      const message = { mesh, seq: 7, priority: 1, atMillis: 0, expiresAtMillis: 9, characters: 4 }
      groups.add(
        message,
        addresses.map((address) => [address, keyOf(7, address)]),
      )
      groups.toInbox(mesh, 7, 4)
      assert.isTrue(groups.consume(mesh, 7, 2, 1, 11))
      assert.isTrue(groups.consume(mesh, 7, 3, 1, 12))
      groups.write()
      yield* allToInboxes(handle)
      assert.deepStrictEqual(
        inInboxes(handle),
        [4, 5, 6].map((address) => `7 ${address} 1 ${keyOf(7, address)}`),
      )
      const receipts = handle.database.query("SELECT address, at FROM mesh.consumed ORDER BY address").all()
      assert.deepStrictEqual(receipts, [
        { address: 2, at: 11 },
        { address: 3, at: 12 },
      ])
      assert.strictEqual(new GroupDeliveries(handle).waitingOf(mesh).length, 0)
    }).pipe(Effect.provide(Layer.fresh(sqliteInMemory))),
  )
})
