/** Before the tests: one Postgres server for all of them. To make one takes longer than most files' tests. */
import { sharedServer, startServer } from "./Postgres.ts"

export default async function setup(): Promise<() => Promise<void>> {
  // Another project has started it.
  if (process.env[sharedServer] !== undefined) return async () => {}
  const { stop, url } = await startServer(() => {})
  process.env[sharedServer] = url
  return stop
}
