/**
 * The tables of the embedded database, in numbered steps that are never edited once released. All that are missing are one
 * transaction. The file has one broker. A step is what SQLite is told, so that a start has nothing else to load for it.
 */
import { Effect } from "effect"
import { auditRotation, auditTables } from "../sql/AuditTables.ts"
import { auditBlocks } from "./AuditBlocks.ts"
import { inTransaction, SqliteHandle } from "./Handle.ts"
import { messageIdsApart, newLayout } from "./Layout.ts"
import { sqliteError } from "./Sqlite.ts"

type Step = ReadonlyArray<string>

const initialMessages: Step = [
  // The id follows from mesh, sender and the sender's own id, so its uniqueness is the idempotency rule.
  `CREATE TABLE mesh.message (
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
  )`,
  // session_id is '' in a delivery to the member's own inbox: a primary key takes no NULL.
  `CREATE TABLE mesh.delivery (
    mesh_id text NOT NULL,
    seq bigint NOT NULL,
    member_id text NOT NULL,
    session_id text NOT NULL,
    priority text NOT NULL,
    consumed_at bigint,
    PRIMARY KEY (mesh_id, seq, member_id, session_id)
  )`,
  `CREATE INDEX mesh.delivery_waiting ON delivery (mesh_id, member_id, session_id, priority, seq) WHERE consumed_at IS NULL`,
  `CREATE TABLE mesh.audit_log (
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
  )`,
]

const initial: Step = [
  `CREATE TABLE mesh.mesh (
    id text NOT NULL PRIMARY KEY,
    slug text NOT NULL,
    name text NOT NULL,
    owner_public_key text NOT NULL,
    allow_unsealed bigint NOT NULL,
    created_at bigint NOT NULL
  )`,
  `CREATE TABLE mesh.member (
    mesh_id text NOT NULL,
    id text NOT NULL,
    public_key text NOT NULL,
    display_name text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (mesh_id, id),
    UNIQUE (mesh_id, public_key)
  )`,
  `CREATE TABLE mesh.session (
    mesh_id text NOT NULL,
    member_id text NOT NULL,
    session_id text NOT NULL,
    protocol bigint NOT NULL,
    attached_at bigint NOT NULL,
    detached_at bigint,
    PRIMARY KEY (mesh_id, member_id, session_id)
  )`,
  ...initialMessages,
]

/** What a group needs: the key of each recipient, and who is in which channel. */
const groups: Step = [
  `ALTER TABLE mesh.delivery ADD COLUMN sealed_key text`,
  `CREATE TABLE mesh.channel_subscription (
    mesh_id text NOT NULL,
    member_id text NOT NULL,
    session_id text NOT NULL,
    channel text NOT NULL,
    joined_at bigint NOT NULL,
    PRIMARY KEY (mesh_id, member_id, session_id, channel)
  )`,
]

/** What is kept no longer is found by its time, and not by reading all there is. */
const retention: Step = [
  // Before texts went with their last recipient, they stayed.
  `UPDATE mesh.message SET ciphertext = '' WHERE NOT EXISTS (
    SELECT 1 FROM mesh.delivery d WHERE d.mesh_id = message.mesh_id AND d.seq = message.seq AND d.consumed_at IS NULL)`,
  `CREATE INDEX mesh.message_held ON message (expires_at) WHERE ciphertext <> ''`,
  `CREATE INDEX mesh.message_age ON message (created_at)`,
  `CREATE INDEX mesh.audit_log_age ON audit_log (at)`,
  `CREATE INDEX mesh.session_away ON session (detached_at) WHERE detached_at IS NOT NULL`,
]

/** Who was let in by whom, and who was put out: all of it signed, and passed on as it was signed. */
const trust: Step = [
  // More members than an invite has uses cannot be stored, whoever counts.
  `CREATE TABLE mesh.invite (
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
  )`,
  `CREATE INDEX mesh.invite_unused ON invite (expires_millis) WHERE used = 0`,
  `CREATE TABLE mesh.revocation (
    mesh_id text NOT NULL,
    version bigint NOT NULL,
    previous text NOT NULL,
    subject text NOT NULL,
    kept text NOT NULL,
    at text NOT NULL,
    by text NOT NULL,
    signature text NOT NULL,
    PRIMARY KEY (mesh_id, version)
  )`,
  // Of a member without a certificate all of these are NULL.
  ...["invite text", "allow_v1 bigint", "joined_at text", "signature text", "consent text"].map(
    (column) => `ALTER TABLE mesh.member ADD COLUMN ${column}`,
  ),
]

/** When a delivery was leased: one that has been, and is not consumed, may have been shown. */
const leases: Step = [
  `ALTER TABLE mesh.delivery ADD COLUMN leased_at bigint`,
  // Before there were leases, what had been pushed was not written down: any session that was there may have had it.
  `UPDATE mesh.delivery SET leased_at = 0 WHERE consumed_at IS NULL AND EXISTS (
    SELECT 1 FROM mesh.message m JOIN mesh.session s ON s.mesh_id = m.mesh_id
    WHERE m.mesh_id = delivery.mesh_id AND m.seq = delivery.seq AND s.member_id = delivery.member_id
      AND (delivery.session_id = '' OR s.session_id = delivery.session_id)
      AND (s.detached_at IS NULL OR s.detached_at >= m.created_at))`,
]

/** Which of its owners, one after the other, may write to a mesh: the last that has loaded it. */
const owners: Step = [`ALTER TABLE mesh.mesh ADD COLUMN owner_epoch bigint NOT NULL DEFAULT 0`]

/** Where meshes have moved to, by their owners' word. */
const moves: Step = [
  `CREATE TABLE mesh.moved (
    mesh_id text NOT NULL,
    version bigint NOT NULL,
    broker_url text NOT NULL,
    at text NOT NULL,
    signature text NOT NULL,
    PRIMARY KEY (mesh_id, version)
  )`,
]

/**
 * The audit as a chain. Rows from before stay outside it until they are kept no longer: to hash them all would take as long as there are
 * many. A mesh's chain begins with its next commit.
 */
const auditChain: Step = [
  `ALTER TABLE mesh.journal RENAME TO audit_block`,
  ...["number bigint", "previous blob", "hash blob", "total bigint"].map(
    (column) => `ALTER TABLE mesh.audit_block ADD COLUMN ${column}`,
  ),
  ...auditTables,
]

/** How far a file from before may be: a test begins there. */
export const sqliteSteps: Readonly<Record<string, Step>> = {
  "0001_initial": initial,
  "0002_groups": groups,
  "0003_retention": retention,
  "0004_trust": trust,
  "0005_leases": leases,
  "0006_owners": owners,
  "0007_layout": newLayout,
  "0008_moves": moves,
  "0009_audit_chain": auditChain,
  "0010_audit_rotation": auditRotation,
  "0011_audit_blocks": auditBlocks,
  "0012_message_ids": messageIdsApart,
}

/** Which steps a file has behind it. */
const stepTable = `CREATE TABLE IF NOT EXISTS mesh.migration (
  migration_id integer PRIMARY KEY NOT NULL,
  created_at datetime NOT NULL DEFAULT current_timestamp,
  name VARCHAR(255) NOT NULL
)`

export const migrateBy = (steps: Readonly<Record<string, Step>>) =>
  Effect.flatMap(SqliteHandle, (handle) =>
    inTransaction(handle, () => {
      const { database } = handle
      database.run(stepTable)
      using last = database.prepare<{ readonly id: number | null }, []>(
        "SELECT max(migration_id) AS id FROM mesh.migration",
      )
      const done = last.get()?.id ?? 0
      for (const [step, statements] of Object.entries(steps)) {
        const [id = "", ...name] = step.split("_")
        if (Number(id) <= done) continue
        database.run("INSERT INTO mesh.migration (migration_id, name) VALUES (?, ?)", [Number(id), name.join("_")])
        for (const statement of statements) database.run(statement)
      }
    }).pipe(Effect.mapError(({ cause }) => sqliteError(cause))),
  )

export const migrateSqlite = migrateBy(sqliteSteps)
