/**
 * The service: the one place where the broker's layers meet. `layer` is everything for a given configuration;
 * what it stands on from outside is the file system and the source of random bytes.
 */
import * as BunCrypto from "@effect/platform-bun/BunCrypto"
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import { messageTraces } from "@claudemesh/domain/MessageTraces"
import { Effect, type FileSystem, Layer } from "effect"
import type { Migrator, SqlError } from "effect/unstable/sql"
import type { BrokerConfig } from "./Config.ts"
import { Server } from "./http/Server.ts"
import { MeshHost } from "./mesh/MeshHost.ts"
import { processMetrics } from "./metrics/ProcessMetrics.ts"
import type { MeshRules } from "./state/MeshState.ts"
import { GroupCommits } from "./store/GroupCommit.ts"
import { AuditCheckpoints } from "./store/AuditCheckpoints.ts"
import { auditHeads } from "./store/AuditHeads.ts"
import { AuditStore } from "./store/AuditStore.ts"
import { withAuditDeadlines, withDeadlines } from "./store/Deadlines.ts"
import { withFailuresLogged } from "./store/FailureLog.ts"
import type { DatabaseUrlUnusable } from "./store/postgres/Postgres.ts"
import type { DataDirUnusable } from "./store/sqlite/Sqlite.ts"
import { RetentionSweep } from "./store/RetentionSweep.ts"
import { MessageStore } from "./store/MessageStore.ts"
import { Ed25519 } from "./trust/Ed25519.ts"
import { Version } from "./Version.ts"

/** SQLite has one writer; Postgres commits several batches at once. */
const groupCommitsOf = (config: BrokerConfig): number => (config.database._tag === "Postgres" ? 4 : 1)

type Unusable = SqlError.SqlError | Migrator.MigrationError | DataDirUnusable | DatabaseUrlUnusable

/** Only what is used of the two is loaded: the other would be a part of every start. */
const stores = ({ database }: BrokerConfig): Layer.Layer<MessageStore | AuditStore, Unusable, FileSystem.FileSystem> =>
  database._tag === "Postgres"
    ? Layer.unwrap(
        Effect.promise(async () => (await import("./store/postgres/PostgresStores.ts")).postgresStores(database.url)),
      )
    : Layer.unwrap(
        Effect.promise(async () => (await import("./store/sqlite/SqliteStores.ts")).sqliteStores(database.dataDir)),
      )

const storeLayer = (config: BrokerConfig) =>
  Layer.merge(
    Layer.effect(
      MessageStore,
      Effect.map(MessageStore, (store) => withFailuresLogged(withDeadlines(store, config.limits))),
    ),
    Layer.effect(
      AuditStore,
      Effect.map(AuditStore, (store) => withAuditDeadlines(store, config.limits)),
    ),
  ).pipe(Layer.provide(stores(config)))

export const rulesOf = (config: BrokerConfig): MeshRules => ({
  limits: config.limits,
  messageBytesMax: config.messageBytesMax,
  workingTtlMillis: config.workingTtlMillis,
  hookFreshMillis: config.hookFreshMillis,
})

export const Broker = {
  layer: (config: BrokerConfig) => {
    const rules = rulesOf(config)
    return Server.layer(config, rules).pipe(
      Layer.provide(MeshHost.local(rules)),
      Layer.provide(GroupCommits.layer(groupCommitsOf(config), config.limits)),
      Layer.provide(auditHeads(config.limits)),
      Layer.provide([RetentionSweep.layer(config.limits), AuditCheckpoints.layer(config.limits)]),
      Layer.provide(storeLayer(config)),
      Layer.provide([Ed25519.layer, BunCrypto.layer]),
      Layer.provide(BunFileSystem.layer),
      Layer.provide(processMetrics),
      Layer.provide(messageTraces("claudemesh-broker", Version.version)),
    )
  },
}
