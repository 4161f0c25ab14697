/** The production store on each of its databases, with the client beside it so that a test can look at the tables. */
import { Base64 } from "@claudemesh/domain/Base64"
import { SessionId } from "@claudemesh/domain/Ids"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import { Effect, Layer, Option, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { type InboxAddress, type MemberRecord, type StoredMessage, Write } from "../../src/store/MessageStore.ts"
import { migrate as migratePostgres } from "../../src/store/postgres/Migrations.ts"
import { postgres } from "../../src/store/postgres/Postgres.ts"
import { postgresAuditStore } from "../../src/store/postgres/PostgresAuditStore.ts"
import { postgresMessageStore } from "../../src/store/postgres/PostgresMessageStore.ts"
import { SqliteHandle } from "../../src/store/sqlite/Handle.ts"
import { migrateSqlite } from "../../src/store/sqlite/Migrations.ts"
import { sqliteFile, sqliteIn } from "../../src/store/sqlite/Sqlite.ts"
import { sqliteAuditStore } from "../../src/store/sqlite/SqliteAuditStore.ts"
import { sqliteMessageStore } from "../../src/store/sqlite/SqliteMessageStore.ts"
import { alice, bob, meshId, nonce } from "./MeshScenario.ts"
import { Postgres } from "./Postgres.ts"
import { sqlClient } from "./SqliteClient.ts"
import { temporaryFolder } from "./TestBroker.ts"

/** The tables are made before anybody asks for them. */
export const storeOn = <E, R>(database: Layer.Layer<SqlClient.SqlClient, E, R>) =>
  Layer.merge(postgresMessageStore, postgresAuditStore).pipe(
    Layer.provideMerge(Layer.provideMerge(Layer.effectDiscard(migratePostgres), database)),
  )

export const sqliteStoreOn = <E, R>(database: Layer.Layer<SqlClient.SqlClient | SqliteHandle, E, R>) =>
  Layer.merge(sqliteMessageStore, sqliteAuditStore).pipe(
    Layer.provideMerge(Layer.provideMerge(Layer.effectDiscard(migrateSqlite), database)),
  )

/** As at a start, on whichever database it is. */
export const migrateAgain = Effect.flatMap(Effect.serviceOption(SqliteHandle), (handle) =>
  Option.isSome(handle)
    ? Effect.provideService(migrateSqlite, SqliteHandle, handle.value)
    : Effect.asVoid(migratePostgres),
)

export const sqliteInMemory = Layer.provideMerge(sqlClient, sqliteFile(":memory:"))

export const sqliteAt = (folder: string) =>
  Layer.provideMerge(sqlClient, Layer.provide(sqliteIn(folder), BunFileSystem.layer))

export const sqliteInAFile = Layer.unwrap(Effect.map(temporaryFolder, sqliteAt))

export const postgresAt = (url: string) => Layer.provide(postgres(Redacted.make(url)), BunFileSystem.layer)

/** A database of its own on the server at hand. */
export const freshPostgres = Layer.unwrap(
  Effect.flatMap(Postgres, ({ freshDatabase }) => Effect.map(freshDatabase, postgresAt)),
)

/** The same, with the tables, which take longer to make than most tests. */
export const postgresWithTables = Layer.unwrap(
  Effect.flatMap(Postgres, ({ databaseWithTables }) => Effect.map(databaseWithTables, postgresAt)),
)

export const inboxOf = (member: MemberRecord, session?: string): InboxAddress => ({
  memberId: member.memberId,
  session: session === undefined ? undefined : SessionId.make(session),
})

export interface MessageChoices {
  readonly id?: string
  readonly priority?: Priority
  readonly ciphertext?: string
  readonly contentHash?: string
  readonly expiresAtMillis?: number
  readonly replyTo?: StoredMessage["messageId"]
  readonly targetSpec?: string
}

/** From alice; known by `id`, which is `m` and its sequence number unless told. */
export const messageOf = (seq: number, choices: MessageChoices = {}): StoredMessage => ({
  meshId,
  seq,
  messageId: messageIdOf(meshId, alice.publicKey, choices.id ?? `m${seq}`),
  senderMemberId: alice.memberId,
  senderSession: SessionId.make("s1"),
  targetSpec: choices.targetSpec ?? bob.publicKey,
  priority: choices.priority ?? "next",
  nonce,
  ciphertext: Base64.make(choices.ciphertext ?? "AAAA"),
  replyTo: choices.replyTo,
  createdAtMillis: 1_000 + seq,
  expiresAtMillis: choices.expiresAtMillis ?? 1_000_000,
  contentHash: choices.contentHash ?? "hash",
})

export const acceptOf = (
  message: StoredMessage,
  recipients: ReadonlyArray<InboxAddress> = [inboxOf(bob)],
): Extract<Write, { readonly _tag: "Accept" }> =>
  Write.Accept({ message, recipients: recipients.map((inbox) => ({ inbox, sealedKey: undefined })) })

export const consumeOf = (
  seq: number | ReadonlyArray<number>,
  inbox: InboxAddress,
  atMillis = 5_000,
  priority: Priority = "next",
): Write => Write.Consume({ meshId, inbox, seqs: typeof seq === "number" ? [seq] : seq, priority, atMillis })

/** Returns when so many connections to the client's database wait for a lock that another holds. */
export const whenWaiting = (connections: number) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.repeat(
      sql`SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()`,
      { until: (waiting) => waiting.length >= connections, schedule: Schedule.spaced("10 millis") },
    ),
  )
