/**
 * Postgres as the database: how it is reached, how long it may take, and the checks at the start. Behind a pooler in
 * transaction mode nothing is asked for that lives longer than a transaction.
 */
import { PgClient, PgConnection } from "@effect/sql-pg"
import { Duration, Effect, FileSystem, Layer, Predicate, type Redacted, Result, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/unstable/sql"
import { PostgresSocket, type PostgresRoute } from "./PostgresSocket.ts"
import { postgresTarget } from "./PostgresUrl.ts"

const connectionsMax = 8

/** How the database knows a broker, and what looks at the database of one. */
export const applicationName = "claudemesh"
const connectMillis = 4_000

/** The database itself ends a statement after this, unless its transaction says otherwise, and a transaction that nobody goes on with. */
const statementMillis = 4_000
const abandonedTransactionMillis = 5_000

export class DatabaseUrlUnusable extends Schema.TaggedError<DatabaseUrlUnusable>()("DatabaseUrlUnusable", {
  problem: Schema.String,
}) {
  override get message() {
    return `DATABASE_URL cannot be used: ${this.problem}`
  }
}

const routeOf = Effect.fnUntraced(function* (url: Redacted.Redacted) {
  const target = postgresTarget(url)
  if (Result.isFailure(target)) return yield* new DatabaseUrlUnusable({ problem: target.failure })
  const { sslRootCert } = target.success
  if (sslRootCert === undefined) return { ...target.success, ca: undefined }
  const files = yield* FileSystem.FileSystem
  const ca = yield* Effect.mapError(
    files.readFileString(sslRootCert),
    (error) => new DatabaseUrlUnusable({ problem: `its sslrootcert cannot be read (${error.message})` }),
  )
  return { ...target.success, ca }
})

/** What a session begins with. A pooler hands sessions on, and refuses to begin one for these. */
const sessionSettings: Readonly<Record<string, string>> = {
  statement_timeout: String(statementMillis),
  // How many rows a statement is given says nothing of how they are best found, and to think it over each time takes long. And what is
  // planned while a table is empty is kept when it is full: by an index from the beginning.
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
  enable_bitmapscan: "off",
  enable_mergejoin: "off",
  idle_in_transaction_session_timeout: String(abandonedTransactionMillis),
  tcp_keepalives_idle: "10",
  tcp_keepalives_interval: "5",
  tcp_keepalives_count: "3",
}

const configOf = (url: Redacted.Redacted, route: PostgresRoute, name: string): PgClient.PgPoolConfig => ({
  url,
  // The stream below has seen to the encryption already.
  ssl: false,
  stream: () => new PostgresSocket(route),
  maxConnections: connectionsMax,
  // Whoever asks the database is told that a broker runs, also when that has nothing to do.
  minConnections: 1,
  connectTimeout: Duration.millis(connectMillis),
  applicationName: name,
  ...(route.pooled ? { prepare: false } : { startupParameters: sessionSettings }),
})

/** How PgBouncer refuses what it cannot keep from one transaction to the next. */
const isPoolersRefusal = ({ reason }: SqlError.SqlError): boolean =>
  Predicate.hasProperty(reason.cause, "message") && /unsupported startup parameter/.test(String(reason.cause.message))

/** Connects once, which shows whether a pooler is there that says so. */
const asItIs = Effect.fnUntraced(function* (url: Redacted.Redacted, route: PostgresRoute, name: string) {
  return yield* Effect.scoped(PgConnection.make(configOf(url, route, name))).pipe(
    Effect.as(route),
    Effect.catch((error) =>
      isPoolersRefusal(error)
        ? Effect.as(
            Effect.logInfo("a pooler stands before the database: statements are not prepared, and have no time there"),
            { ...route, pooled: true },
          )
        : Effect.fail(error),
    ),
  )
})

const isDurable = Layer.effectDiscard(
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly setting: string }>`SELECT current_setting('synchronous_commit') AS setting`
    if (row?.setting === "off") {
      yield* Effect.logWarning(
        "synchronous_commit is off in this database: acked messages can be lost with its power. Turn it on.",
      )
    }
  }),
)

export const postgres = (url: Redacted.Redacted, name = applicationName) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const route = yield* asItIs(url, yield* routeOf(url), name)
      return Layer.provideMerge(isDurable, PgClient.layer(configOf(url, route, name)))
    }),
  )
