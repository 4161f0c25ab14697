/** Everything that a broker stores, in Postgres. Loaded where that is the database, and nowhere else. */
import { Layer, type Redacted } from "effect"
import { migrate } from "./Migrations.ts"
import { postgres } from "./Postgres.ts"
import { postgresAuditStore } from "./PostgresAuditStore.ts"
import { postgresMessageStore } from "./PostgresMessageStore.ts"

export const postgresStores = (url: Redacted.Redacted) =>
  Layer.merge(postgresMessageStore, postgresAuditStore).pipe(
    Layer.provide(Layer.effectDiscard(migrate)),
    Layer.provide(postgres(url)),
  )
