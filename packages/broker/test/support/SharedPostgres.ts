/** Before the tests: one Postgres server for all of them, with a database that has the tables. To make either takes longer than most tests. */
import { Effect } from "effect"
import { migrate } from "../../src/store/postgres/Migrations.ts"
import { sharedServer, startServer, tables } from "./Postgres.ts"
import { postgresAt } from "./Stores.ts"

export default async function setup(): Promise<() => Promise<void>> {
  // Another project has started it.
  if (process.env[sharedServer] !== undefined) return async () => {}
  const { stop, url } = await startServer(() => {})
  const sql = new Bun.SQL(`${url}/postgres`, { max: 1 })
  await sql.unsafe(`CREATE DATABASE ${tables}`)
  await sql.close()
  await Effect.runPromise(Effect.scoped(Effect.provide(migrate, postgresAt(`${url}/${tables}`))))
  process.env[sharedServer] = url
  return stop
}
