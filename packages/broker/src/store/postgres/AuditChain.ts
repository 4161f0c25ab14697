/**
 * The audit as a chain. What was written before it stays where it is, outside the chain, until it is kept no longer; an older broker that still
 * runs goes on writing there. A mesh's chain begins with the first commit of a broker that knows of chains.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { auditTables } from "../sql/AuditTables.ts"

/** A number is there once: a chain cannot fork. */
export const auditBlockKey = "audit_block_pkey"

const events = `SELECT b.mesh_id, (e ->> 0)::bigint AS seq, e ->> 2 AS event, (e ->> 1)::bigint AS at,
    (b.actors::json -> (e ->> 3)::integer) ->> 0 AS actor_member_id, (b.actors::json -> (e ->> 3)::integer) ->> 1 AS actor_session_id,
    e ->> 4 AS message_id, e ->> 5 AS target_spec, e ->> 6 AS priority, (e ->> 7)::bigint AS ciphertext_bytes, (e ->> 8)::bigint AS recipients
  FROM mesh.audit_block b CROSS JOIN LATERAL json_array_elements(b.events::json) e`

const before = `SELECT j.mesh_id, u.* FROM mesh.journal j CROSS JOIN LATERAL unnest(j.seqs, j.events, j.ats, j.members, j.sessions,
    j.messages, j.specs, j.priorities, j.bytes, j.recipients) u(seq, event, at, actor_member_id, actor_session_id, message_id, target_spec,
    priority, ciphertext_bytes, recipients)`

/** What an event is about that is of several messages. */
export const auditMessages = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP VIEW mesh.audit_log`
  yield* sql.unsafe(`CREATE VIEW mesh.audit_log AS ${events.replace(" AS recipients", " AS recipients, e ->> 9 AS messages")}
    UNION ALL ${before.replace("u.*", "u.*, NULL::text AS messages")}`)
})

export const auditChain = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE mesh.audit_block (
    mesh_id text NOT NULL,
    number bigint NOT NULL,
    previous text NOT NULL,
    hash text NOT NULL,
    at bigint NOT NULL,
    total bigint NOT NULL,
    actors text NOT NULL,
    events text NOT NULL,
    CONSTRAINT ${sql.literal(auditBlockKey)} PRIMARY KEY (mesh_id, number)
  )`
  yield* sql`CREATE INDEX audit_block_age ON mesh.audit_block (at)`
  for (const statement of auditTables) yield* sql.unsafe(statement)
  yield* sql`DROP VIEW mesh.audit_log`
  yield* sql.unsafe(`CREATE VIEW mesh.audit_log AS ${events} UNION ALL ${before}`)
})
