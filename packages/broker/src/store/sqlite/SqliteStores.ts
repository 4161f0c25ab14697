/** Everything that a broker stores, in the embedded database. Loaded where there is no other, and nowhere else. */
import { Effect, Layer } from "effect"
import { migrateSqlite } from "./Migrations.ts"
import { sqliteIn, unusableData } from "./Sqlite.ts"
import { sqliteAuditStore } from "./SqliteAuditStore.ts"
import { sqliteMessageStore } from "./SqliteMessageStore.ts"

export const sqliteStores = (dataDir: string) =>
  Layer.merge(sqliteMessageStore, sqliteAuditStore).pipe(
    Layer.provide(Layer.effectDiscard(migrateSqlite)),
    Layer.provide(sqliteIn(dataDir)),
    // A file that was opened can still turn out to be damaged, or its disk full.
    Layer.catchTag("SqlError", (error) => Layer.effectContext(Effect.fail(unusableData(dataDir, error)))),
  )
