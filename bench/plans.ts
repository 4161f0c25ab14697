/**
 * How every statement of the store is carried out where each table has a million rows: on Postgres by what the server says of each that it ran
 * (planned while the tables were empty, with statistics, and behind a pooler), then, after a move of all of it, in the embedded database. A table that
 * is read whole is an error.
 *
 *   npm run bench:plans [-- --rows 1000000 --meshes 200]
 */
import { mkdtemp, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { migrateTo } from "@claudemesh/broker/store/transfer/MigrateTo"
import { SqliteHandle } from "@claudemesh/broker/store/sqlite/Handle"
import { Effect, Exit, Redacted } from "effect"
import { type Call, examine, wholeScans } from "../packages/broker/test/support/plans/Examine.ts"
import { workload } from "../packages/broker/test/support/plans/Workload.ts"
import { OwnPostgres } from "../packages/broker/test/support/Postgres.ts"
import { sqliteAt, sqliteStoreOn } from "../packages/broker/test/support/Stores.ts"

const { values } = parseArgs({
  options: { rows: { type: "string", default: "1000000" }, meshes: { type: "string", default: "200" } },
})
const [rows, meshes] = [Number(values.rows), Number(values.meshes)]
const say = (text: string) => console.error(text)

/** Of the statements of a call the one that looked at most rows. */
const mostRows = ({ plans }: Call): number =>
  Math.max(0, ...plans.map(({ scans }) => scans.reduce((sum, scan) => sum + scan.rows, 0)))

const table = (calls: ReadonlyArray<Call>) => {
  const names = [...new Set(calls.map(({ name }) => name))]
  const of = (name: string, pass: string) => calls.find((call) => call.name === name && call.pass === pass)
  return [
    "| call | statements | rows looked at by one, at most | planned while empty, ms | with statistics | behind a pooler |",
    "| --- | --- | --- | --- | --- | --- |",
    ...names.map((name) => {
      const all = calls.filter((call) => call.name === name)
      const millis = ["planned while empty", "with statistics", "behind a pooler"].map((pass) =>
        (of(name, pass)?.millis ?? Number.NaN).toFixed(1),
      )
      const statements = of(name, "with statistics")?.plans.length ?? 0
      const most = Math.max(...all.map(mostRows))
      return `| ${name} | ${statements} | ${most} | ${millis.join(" | ")} |`
    }),
  ].join("\n")
}

const inTheFile = Effect.fnUntraced(function* (folder: string) {
  const { database, prepared } = yield* SqliteHandle
  const whole = prepared.flatMap(({ text }) =>
    database
      .query<{ readonly detail: string }, Array<null>>(`EXPLAIN QUERY PLAN ${text}`)
      .all(...Array.from({ length: text.split("?").length - 1 }, () => null))
      .filter(({ detail }) => /^SCAN (?!o$|migration$|mesh\.audit_(key|rotation)$|\w+ VIRTUAL TABLE)/.test(detail))
      .map(({ detail }) => `${detail}: ${text}`),
  )
  const millis = new Map<string, number>()
  for (const [name, call] of workload(rows * 20)) {
    const begun = performance.now()
    const exit = yield* Effect.exit(call)
    millis.set(name, performance.now() - begun)
    if (Exit.isFailure(exit)) whole.push(`${name} failed`)
  }
  say(
    `${prepared.length} statements in a file of ${Math.round((yield* Effect.promise(() => stat(join(folder, "broker.sqlite")))).size / 1e6)} MB`,
  )
  return { whole, millis }
})

const program = Effect.gen(function* () {
  const { calls, url } = yield* examine({
    rows,
    meshes,
    passes: ["planned while empty", "with statistics", "behind a pooler"],
    say,
  })
  console.log(table(calls))
  for (const one of wholeScans(calls, 10_000)) console.log(`BROKEN  ${one}`)
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "claudemesh-plans-"))),
    (made) => Effect.promise(() => rm(made, { recursive: true, force: true })),
  )
  const begun = performance.now()
  const counts = yield* migrateTo({ _tag: "ToSqlite", url: Redacted.make(url), dataDir: folder }, () => Effect.void)
  const moved = Object.values(counts).reduce((sum, count) => sum + count, 0)
  say(
    `moved ${moved} rows in ${((performance.now() - begun) / 1_000).toFixed(0)} s, ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`,
  )
  const { millis, whole } = yield* inTheFile(folder).pipe(Effect.provide(sqliteStoreOn(sqliteAt(folder))))
  console.log([...millis].map(([name, took]) => `${name}: ${took.toFixed(1)} ms`).join("\n"))
  return [
    ...wholeScans(calls, 10_000),
    ...whole,
    ...calls.filter(({ failed }) => failed).map(({ name, pass }) => `${pass}, ${name}: it failed`),
  ]
})

const found = await Effect.runPromise(program.pipe(Effect.provide(OwnPostgres.layer), Effect.scoped))
for (const one of found) console.log(`BROKEN  ${one}`)
console.log(found.length === 0 ? "no table is read whole" : "broken")
process.exit(found.length === 0 ? 0 : 1)
