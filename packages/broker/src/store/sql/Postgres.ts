/** Postgres as the database, and the check that a commit there is as durable as an ack promises. */
import { PgClient } from "@effect/sql-pg"
import { Duration, Effect, Layer, type Redacted } from "effect"
import { SqlClient } from "effect/unstable/sql"

const connectionsMax = 8

export const postgres = (url: Redacted.Redacted) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [row] = yield* sql<{ readonly setting: string }>`SELECT current_setting('synchronous_commit') AS setting`
      if (row?.setting === "off") {
        yield* Effect.logWarning(
          "synchronous_commit is off in this database: acked messages can be lost with its power. Turn it on.",
        )
      }
    }),
  ).pipe(
    Layer.provideMerge(
      PgClient.layer({
        url,
        maxConnections: connectionsMax,
        connectTimeout: Duration.seconds(5),
        applicationName: "claudemesh",
      }),
    ),
  )
