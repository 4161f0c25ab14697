/**
 * No statement of the store on Postgres reads a table whole, be it planned while the tables were empty or with statistics. `npm run bench:plans`
 * asks the same at a million rows, and behind a pooler; SQLite is asked in `storeRetention.test.ts`, since its plans depend on no size.
 */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { OwnPostgres } from "./support/Postgres.ts"
import { examine, wholeScans } from "./support/plans/Examine.ts"

layer(OwnPostgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("a plan on Postgres", (it) => {
  it.effect("reads no table from one end to the other, whatever the broker asks of its store", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { calls } = yield* examine({
          rows: 3_000,
          meshes: 20,
          passes: ["planned while empty", "with statistics"],
        })
        assert.deepStrictEqual(
          calls.filter(({ failed }) => failed).map(({ name }) => name),
          [],
        )
        const statements = new Set(calls.flatMap(({ plans }) => plans.map(({ statement }) => statement)))
        assert.isAbove(statements.size, 60)
        assert.isAbove(calls.flatMap(({ plans }) => plans.flatMap(({ scans }) => scans)).length, 300)
        assert.deepStrictEqual(wholeScans(calls), [])
      }).pipe(Effect.orDie),
    ),
  )
})
