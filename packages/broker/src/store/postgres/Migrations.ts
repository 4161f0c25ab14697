/** The tables, in numbered steps that are never edited once released. Brokers that start together take turns by an advisory lock. */
import { Effect } from "effect"
import { Migrator, SqlClient } from "effect/unstable/sql"
import { StatementMillis } from "../Deadlines.ts"
import { createIndex } from "../sql/Dialect.ts"
import { auditRotation } from "../sql/AuditTables.ts"
import { auditChain, auditMessages } from "./AuditChain.ts"
import { layout } from "./Layout.ts"

const initial = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE mesh.mesh (
    id text NOT NULL PRIMARY KEY,
    slug text NOT NULL,
    name text NOT NULL,
    owner_public_key text NOT NULL,
    allow_unsealed bigint NOT NULL,
    created_at bigint NOT NULL
  )`
  yield* sql`CREATE TABLE mesh.member (
    mesh_id text NOT NULL,
    id text NOT NULL,
    public_key text NOT NULL,
    display_name text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (mesh_id, id),
    UNIQUE (mesh_id, public_key)
  )`
  yield* sql`CREATE TABLE mesh.session (
    mesh_id text NOT NULL,
    member_id text NOT NULL,
    session_id text NOT NULL,
    protocol bigint NOT NULL,
    attached_at bigint NOT NULL,
    detached_at bigint,
    PRIMARY KEY (mesh_id, member_id, session_id)
  )`
  yield* initialMessages
})

const initialMessages = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // The id follows from mesh, sender and the sender's own id, so its uniqueness is the idempotency rule.
  yield* sql`CREATE TABLE mesh.message (
    mesh_id text NOT NULL,
    seq bigint NOT NULL,
    id text NOT NULL UNIQUE,
    sender_member_id text NOT NULL,
    sender_session_id text NOT NULL,
    target_spec text NOT NULL,
    priority text NOT NULL,
    nonce text NOT NULL,
    ciphertext text NOT NULL,
    reply_to text,
    content_hash text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (mesh_id, seq)
  )`
  // session_id is '' in a delivery to the member's own inbox: a primary key takes no NULL.
  yield* sql`CREATE TABLE mesh.delivery (
    mesh_id text NOT NULL,
    seq bigint NOT NULL,
    member_id text NOT NULL,
    session_id text NOT NULL,
    priority text NOT NULL,
    consumed_at bigint,
    PRIMARY KEY (mesh_id, seq, member_id, session_id)
  )`
  yield* createIndex(
    sql,
    "delivery_waiting",
    "delivery",
    "(mesh_id, member_id, session_id, priority, seq) WHERE consumed_at IS NULL",
  )
  yield* sql`CREATE TABLE mesh.audit_log (
    mesh_id text NOT NULL,
    seq bigint NOT NULL,
    event text NOT NULL,
    at bigint NOT NULL,
    actor_member_id text,
    actor_session_id text,
    message_id text,
    target_spec text,
    priority text,
    ciphertext_bytes bigint,
    recipients bigint,
    PRIMARY KEY (mesh_id, seq)
  )`
})

/** What a group needs: the key of each recipient, and who is in which channel. */
const groups = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE mesh.delivery ADD COLUMN sealed_key text`
  yield* sql`CREATE TABLE mesh.channel_subscription (
    mesh_id text NOT NULL,
    member_id text NOT NULL,
    session_id text NOT NULL,
    channel text NOT NULL,
    joined_at bigint NOT NULL,
    PRIMARY KEY (mesh_id, member_id, session_id, channel)
  )`
})

/** What is kept no longer is found by its time, and not by reading all there is. */
const retention = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Before texts went with their last recipient, they stayed.
  yield* sql`UPDATE mesh.message SET ciphertext = '' WHERE NOT EXISTS (
    SELECT 1 FROM mesh.delivery d WHERE d.mesh_id = message.mesh_id AND d.seq = message.seq AND d.consumed_at IS NULL)`
  yield* createIndex(sql, "message_held", "message", "(expires_at) WHERE ciphertext <> ''")
  yield* createIndex(sql, "message_age", "message", "(created_at)")
  yield* createIndex(sql, "audit_log_age", "audit_log", "(at)")
  yield* createIndex(sql, "session_away", "session", "(detached_at) WHERE detached_at IS NOT NULL")
})

/** Who was let in by whom, and who was put out: all of it signed, and passed on as it was signed. */
const trust = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // More members than an invite has uses cannot be stored, whoever counts.
  yield* sql`CREATE TABLE mesh.invite (
    mesh_id text NOT NULL,
    public_key text NOT NULL,
    slug text NOT NULL,
    mesh_name text NOT NULL,
    allow_unsealed bigint NOT NULL,
    owner_public_key text NOT NULL,
    broker_url text NOT NULL,
    role text NOT NULL,
    uses bigint NOT NULL,
    used bigint NOT NULL CHECK (used <= uses),
    expires_at text NOT NULL,
    expires_millis bigint NOT NULL,
    label text NOT NULL,
    issuer text NOT NULL,
    signature text NOT NULL,
    PRIMARY KEY (mesh_id, public_key)
  )`
  yield* createIndex(sql, "invite_unused", "invite", "(expires_millis) WHERE used = 0")
  yield* sql`CREATE TABLE mesh.revocation (
    mesh_id text NOT NULL,
    version bigint NOT NULL,
    previous text NOT NULL,
    subject text NOT NULL,
    kept text NOT NULL,
    at text NOT NULL,
    by text NOT NULL,
    signature text NOT NULL,
    PRIMARY KEY (mesh_id, version)
  )`
  // Of a member without a certificate all of these are NULL.
  for (const column of ["invite text", "allow_v1 bigint", "joined_at text", "signature text", "consent text"]) {
    yield* sql`ALTER TABLE mesh.member ADD COLUMN ${sql.literal(column)}`
  }
})

/** When a delivery was leased: one that has been, and is not consumed, may have been shown. */
const leases = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE mesh.delivery ADD COLUMN leased_at bigint`
  // Before there were leases, what had been pushed was not written down: any session that was there may have had it.
  yield* sql`UPDATE mesh.delivery SET leased_at = 0 WHERE consumed_at IS NULL AND EXISTS (
    SELECT 1 FROM mesh.message m JOIN mesh.session s ON s.mesh_id = m.mesh_id
    WHERE m.mesh_id = delivery.mesh_id AND m.seq = delivery.seq AND s.member_id = delivery.member_id
      AND (delivery.session_id = '' OR s.session_id = delivery.session_id)
      AND (s.detached_at IS NULL OR s.detached_at >= m.created_at))`
})

/** Which of its owners, one after the other, may write to a mesh: the last that has loaded it. */
const owners = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE mesh.mesh ADD COLUMN owner_epoch bigint NOT NULL DEFAULT 0`
})

/** Where meshes have moved to, by their owners' word. */
const moves = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE mesh.moved (
    mesh_id text NOT NULL,
    version bigint NOT NULL,
    broker_url text NOT NULL,
    at text NOT NULL,
    signature text NOT NULL,
    PRIMARY KEY (mesh_id, version)
  )`
})

const auditRotated = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  for (const statement of auditRotation) yield* sql.unsafe(statement)
})

const all = {
  "0001_initial": initial,
  "0002_groups": groups,
  "0003_retention": retention,
  "0004_trust": trust,
  "0005_leases": leases,
  "0006_owners": owners,
  "0007_layout": layout,
  "0008_moves": moves,
  "0009_audit_chain": auditChain,
  "0010_audit_rotation": auditRotated,
  "0011_audit_messages": auditMessages,
}

/** Any number: it only has to be the same in every broker, and another than other programs' on the database. */
export const advisoryLock = 7_900_001

/** A step, and a move to another database, may have to read and write all there is. */
export const longMillis = 3_600_000

/** To the tables as they were after so many steps. */
export const migrateTo = (count: number) => {
  const steps = Object.fromEntries(Object.entries(all).slice(0, count))
  const run = Migrator.make({})({ loader: Migrator.fromRecord(steps), table: "mesh.migration" })
  return Effect.flatMap(SqlClient.SqlClient, (sql) =>
    // The migrator locks only a table that exists, so the schema and that table come first, under a lock.
    sql.withTransaction(
      Effect.gen(function* () {
        yield* sql`SELECT set_config('statement_timeout', ${String(longMillis)}, true)`
        yield* sql`SELECT pg_advisory_xact_lock(${advisoryLock})`
        yield* sql`CREATE SCHEMA IF NOT EXISTS mesh`
        yield* sql`CREATE TABLE IF NOT EXISTS mesh.migration (migration_id integer PRIMARY KEY, created_at timestamptz NOT NULL DEFAULT now(), name text NOT NULL)`
        return yield* run
      }),
    ),
  ).pipe(Effect.provideService(StatementMillis, longMillis))
}

export const migrate = migrateTo(Object.keys(all).length)
