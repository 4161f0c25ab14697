/**
 * Every statement of the store on Postgres, carried out on tables that are full, and how: planned while the tables were empty, which a broker's
 * connections keep for as long as they last; planned with statistics; and as behind a pooler, where nothing of the session is set.
 */
import { Effect, Exit } from "effect"
import { OwnPostgres } from "../Postgres.ts"
import { postgresAt, storeOn } from "../Stores.ts"
import { postgresFill } from "./Fill.ts"
import { explaining, type Plan, plansIn } from "./Plans.ts"
import { workload } from "./Workload.ts"

export interface Call {
  readonly pass: string
  readonly name: string
  readonly millis: number
  readonly failed: boolean
  readonly plans: ReadonlyArray<Plan>
}

/** One row, or a few for each broker that there ever was. */
const small: ReadonlySet<string> = new Set(["migration", "audit_key", "audit_rotation"])

/** A step of retention, and a page, have bounds below this; a mesh of the test has fewer rows. */
const rowsMax = 1_200

/** What reads a table from one end to the other, or, where each mesh has few rows, those of other meshes, too. */
export const wholeScans = (calls: ReadonlyArray<Call>, most = rowsMax): ReadonlyArray<string> => [
  ...new Set(
    calls.flatMap(({ name, pass, plans }) =>
      plans.flatMap(({ scans, statement }) =>
        scans
          .filter(({ rows, table, whole }) => (whole || rows > most) && !small.has(table))
          .map(({ how, rows, table }) => `${pass}, ${name}: ${how} on ${table}, ${rows} rows: ${statement}`),
      ),
    ),
  ),
]

export interface Asked {
  readonly rows: number
  readonly meshes: number
  readonly passes: ReadonlyArray<"planned while empty" | "with statistics" | "behind a pooler">
  readonly say?: (text: string) => void
}

/** Gives the database as it was left, too. */
export const examine = Effect.fnUntraced(function* ({ meshes, passes, rows, say = () => {} }: Asked) {
  const server = yield* OwnPostgres
  const url = yield* server.freshDatabase
  const sql = yield* Effect.acquireRelease(
    Effect.sync(() => new Bun.SQL(url, { max: 1 })),
    (one) => Effect.promise(() => one.close()),
  )
  const run = (...statements: ReadonlyArray<string>) =>
    Effect.promise(async () => {
      for (const statement of statements) await sql.unsafe(statement)
    })
  let from = rows * 10
  const calls: Array<Call> = []
  const round = Effect.fnUntraced(function* (pass: string) {
    from += 1_000
    for (const [name, call] of workload(from)) {
      const begun = performance.now()
      const exit = yield* Effect.exit(call)
      const millis = performance.now() - begun
      // The log is written by the server, after its answer.
      yield* Effect.sleep("8 millis")
      const plans = yield* plansIn(yield* server.logged)
      calls.push({ pass, name, millis, failed: Exit.isFailure(exit), plans })
    }
  })
  yield* run(...explaining(new URL(url).pathname.slice(1)))
  yield* Effect.gen(function* () {
    const tables = yield* Effect.promise(
      () =>
        sql`SELECT string_agg('mesh.' || tablename, ', ') AS names FROM pg_tables WHERE schemaname = 'mesh' AND tablename <> 'migration'`,
    )
    if (passes.includes("planned while empty")) {
      yield* round("empty")
      yield* run(
        ...String(tables[0]?.names)
          .split(", ")
          .map((table) => `DELETE FROM ${table}`),
      )
    }
    const begun = performance.now()
    yield* run(...postgresFill(rows, meshes))
    say(`filled in ${((performance.now() - begun) / 1_000).toFixed(0)} s`)
    yield* server.logged
    if (passes.includes("planned while empty")) yield* round("planned while empty")
  }).pipe(Effect.provide(storeOn(postgresAt(url))))
  yield* run("ANALYZE")
  yield* server.logged
  if (passes.includes("with statistics")) {
    yield* round("with statistics").pipe(Effect.provide(storeOn(postgresAt(url))))
  }
  if (passes.includes("behind a pooler")) {
    yield* round("behind a pooler").pipe(Effect.provide(storeOn(postgresAt(`${url}?pgbouncer=true`))))
  }
  return { url, calls: calls.filter(({ pass }) => pass !== "empty") }
})
