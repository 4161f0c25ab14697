/**
 * A block of the audit lies under its mesh and its number, and says the mesh's last sequence number as it was then. Before, the number of its last
 * event was its key, and so there was none for what takes no number. Entries from before there was a chain lie in `journal`, as they did.
 */
import { meshNumberOf, messageKey, seqOf } from "./Layout.ts"

const eventsOf = (table: string): string =>
  `SELECT m.mesh_id, e.value->>0 AS seq, e.value->>2 AS event, e.value->>1 AS at,
      json_extract(j.actors, '$[' || (e.value->>3) || '][0]') AS actor_member_id,
      json_extract(j.actors, '$[' || (e.value->>3) || '][1]') AS actor_session_id,
      e.value->>4 AS message_id, e.value->>5 AS target_spec, e.value->>6 AS priority,
      e.value->>7 AS ciphertext_bytes, e.value->>8 AS recipients, e.value->>9 AS messages
    FROM ${table} j JOIN address m ON m.number = ${meshNumberOf("j.key")}, json_each(j.events) e`

export const auditBlocks = [
  "DROP VIEW mesh.audit_log",
  "ALTER TABLE mesh.audit_block RENAME TO journal",
  `CREATE TABLE mesh.audit_block (
    key INTEGER PRIMARY KEY,
    number bigint NOT NULL,
    previous blob NOT NULL,
    hash blob NOT NULL,
    at bigint NOT NULL,
    total bigint NOT NULL,
    last_seq bigint NOT NULL,
    actors text NOT NULL,
    events text NOT NULL
  )`,
  "CREATE INDEX mesh.audit_block_age ON audit_block (at)",
  `INSERT INTO mesh.audit_block (key, number, previous, hash, at, total, last_seq, actors, events)
    SELECT ${messageKey(meshNumberOf("key"), "number")}, number, previous, hash, at, total,
      max(${seqOf("key")}) OVER (PARTITION BY ${meshNumberOf("key")} ORDER BY number), actors, events
    FROM mesh.journal WHERE number IS NOT NULL`,
  "DELETE FROM mesh.journal WHERE number IS NOT NULL",
  `CREATE VIEW mesh.audit_log AS ${eventsOf("audit_block")} UNION ALL ${eventsOf("journal")}`,
]
