/**
 * From one row for everything that was ever said of a message to what is read: what waits is a row of its inbox with its text,
 * which goes with the ack; what a group is sent has its text once. What is left of a message is what a resend is told, with
 * the recipients; who has acked is a row for each batch and 256 numbers, and the audit a row for each batch.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/unstable/sql"

/** Of so many numbers one after the other the receipts stand together. A stored number: it is never changed. */
export const receiptsTogether = 256

/** Raised where a mesh has a later owner, or one has given its number already. */
export const fencedCode = "CM001"

const tables = [
  `CREATE FUNCTION mesh.fenced() RETURNS bigint LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''the mesh has a later owner, or its number is taken'' USING ERRCODE = ''${fencedCode}''; END'`,
  `CREATE TABLE mesh.accepted (
    id text NOT NULL PRIMARY KEY,
    mesh_id text NOT NULL,
    seq bigint NOT NULL,
    sender_member_id text NOT NULL,
    priority text NOT NULL,
    content_hash text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    recipient_members text[] NOT NULL,
    recipient_sessions text[] NOT NULL
  )`,
  // What is of the message itself is NULL where several wait for it: it stands in its shared text.
  `CREATE TABLE mesh.waiting (
    mesh_id text NOT NULL,
    member_id text NOT NULL,
    session_id text NOT NULL,
    priority text NOT NULL,
    seq bigint NOT NULL,
    expires_at bigint NOT NULL,
    characters bigint NOT NULL,
    sealed_key text,
    leased_at bigint,
    id text,
    sender_member_id text,
    sender_session_id text,
    target_spec text,
    nonce text,
    ciphertext text,
    reply_to text,
    content_hash text,
    created_at bigint,
    PRIMARY KEY (mesh_id, member_id, session_id, priority, seq)
  )`,
  `CREATE TABLE mesh.group_text (
    mesh_id text NOT NULL,
    seq bigint NOT NULL,
    expires_at bigint NOT NULL,
    remaining bigint NOT NULL,
    id text NOT NULL,
    sender_member_id text NOT NULL,
    sender_session_id text NOT NULL,
    target_spec text NOT NULL,
    nonce text NOT NULL,
    ciphertext text NOT NULL,
    reply_to text,
    content_hash text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (mesh_id, seq)
  )`,
  `CREATE TABLE mesh.consumed (
    mesh_id text NOT NULL,
    bucket bigint NOT NULL,
    at bigint NOT NULL,
    expires_at bigint NOT NULL,
    seqs bigint[] NOT NULL,
    members text[] NOT NULL,
    sessions text[] NOT NULL,
    ats bigint[] NOT NULL
  )`,
  `CREATE TABLE mesh.journal (
    mesh_id text NOT NULL,
    last_seq bigint NOT NULL,
    at bigint NOT NULL,
    seqs bigint[] NOT NULL,
    events text[] NOT NULL,
    ats bigint[] NOT NULL,
    members text[] NOT NULL,
    sessions text[] NOT NULL,
    messages text[] NOT NULL,
    specs text[] NOT NULL,
    priorities text[] NOT NULL,
    bytes bigint[] NOT NULL,
    recipients bigint[] NOT NULL,
    PRIMARY KEY (mesh_id, last_seq)
  )`,
]

const filling = [
  `ALTER TABLE mesh.mesh ADD COLUMN last_seq bigint NOT NULL DEFAULT 0`,
  // Its row is written with each batch: with room in its page no index is.
  `ALTER TABLE mesh.mesh SET (fillfactor = 50)`,
  `UPDATE mesh.mesh SET last_seq = coalesce((SELECT max(seq) FROM mesh.audit_log a WHERE a.mesh_id = mesh.id), 0)`,
  `INSERT INTO mesh.accepted SELECT m.id, m.mesh_id, m.seq, m.sender_member_id, m.priority, m.content_hash, m.created_at, m.expires_at,
      coalesce(d.members, '{}'), coalesce(d.sessions, '{}')
    FROM mesh.message m LEFT JOIN (SELECT mesh_id, seq, array_agg(member_id ORDER BY member_id, session_id) AS members,
      array_agg(session_id ORDER BY member_id, session_id) AS sessions FROM mesh.delivery GROUP BY mesh_id, seq) d
    ON d.mesh_id = m.mesh_id AND d.seq = m.seq`,
  `INSERT INTO mesh.group_text SELECT m.mesh_id, m.seq, m.expires_at, d.remaining, m.id, m.sender_member_id, m.sender_session_id, m.target_spec,
      m.nonce, m.ciphertext, m.reply_to, m.content_hash, m.created_at
    FROM mesh.message m JOIN (SELECT mesh_id, seq, count(*) - count(consumed_at) AS remaining FROM mesh.delivery
      GROUP BY mesh_id, seq HAVING count(*) > 1 AND count(*) > count(consumed_at)) d ON d.mesh_id = m.mesh_id AND d.seq = m.seq
    WHERE m.ciphertext <> ''`,
  `INSERT INTO mesh.waiting SELECT d.mesh_id, d.member_id, d.session_id, d.priority, d.seq, m.expires_at, octet_length(m.ciphertext),
      d.sealed_key, d.leased_at
    FROM mesh.delivery d JOIN mesh.group_text m ON m.mesh_id = d.mesh_id AND m.seq = d.seq WHERE d.consumed_at IS NULL`,
  `INSERT INTO mesh.waiting SELECT d.mesh_id, d.member_id, d.session_id, d.priority, d.seq, m.expires_at, octet_length(m.ciphertext),
      d.sealed_key, d.leased_at, m.id, m.sender_member_id, m.sender_session_id, m.target_spec, m.nonce, m.ciphertext, m.reply_to, m.content_hash,
      m.created_at
    FROM mesh.delivery d JOIN mesh.message m ON m.mesh_id = d.mesh_id AND m.seq = d.seq
    WHERE d.consumed_at IS NULL AND m.ciphertext <> ''
      AND NOT EXISTS (SELECT 1 FROM mesh.group_text s WHERE s.mesh_id = d.mesh_id AND s.seq = d.seq)`,
  `INSERT INTO mesh.consumed SELECT d.mesh_id, d.seq / ${receiptsTogether}, max(d.consumed_at), max(m.expires_at), array_agg(d.seq),
      array_agg(d.member_id), array_agg(d.session_id), array_agg(d.consumed_at)
    FROM mesh.delivery d JOIN mesh.message m ON m.mesh_id = d.mesh_id AND m.seq = d.seq
    WHERE d.consumed_at IS NOT NULL GROUP BY d.mesh_id, d.seq / ${receiptsTogether}`,
  `INSERT INTO mesh.journal SELECT mesh_id, max(seq), max(at), array_agg(seq ORDER BY seq), array_agg(event ORDER BY seq),
      array_agg(at ORDER BY seq), array_agg(actor_member_id ORDER BY seq), array_agg(actor_session_id ORDER BY seq),
      array_agg(message_id ORDER BY seq), array_agg(target_spec ORDER BY seq), array_agg(priority ORDER BY seq),
      array_agg(ciphertext_bytes ORDER BY seq), array_agg(recipients ORDER BY seq)
    FROM mesh.audit_log GROUP BY mesh_id, seq / ${receiptsTogether}`,
]

const indexes = [
  "CREATE INDEX accepted_age ON mesh.accepted (created_at)",
  "CREATE INDEX waiting_age ON mesh.waiting (expires_at)",
  "CREATE INDEX group_text_age ON mesh.group_text (expires_at)",
  "CREATE INDEX consumed_of ON mesh.consumed (mesh_id, bucket)",
  "CREATE INDEX consumed_age ON mesh.consumed (at)",
  "CREATE INDEX journal_age ON mesh.journal (at)",
]

/** For who looks at a database: the tables as they were, to be read. */
const views = [
  `CREATE VIEW mesh.message AS SELECT a.mesh_id, a.seq, a.id, a.sender_member_id, a.priority, a.content_hash, a.created_at, a.expires_at,
      coalesce(s.ciphertext, w.ciphertext, '') AS ciphertext
    FROM mesh.accepted a LEFT JOIN mesh.group_text s ON s.mesh_id = a.mesh_id AND s.seq = a.seq
    LEFT JOIN LATERAL (SELECT w.ciphertext FROM unnest(a.recipient_members, a.recipient_sessions) r(member_id, session_id)
      JOIN mesh.waiting w ON w.mesh_id = a.mesh_id AND w.member_id = r.member_id AND w.session_id = r.session_id
        AND w.priority = a.priority AND w.seq = a.seq LIMIT 1) w ON true`,
  `CREATE VIEW mesh.delivery AS SELECT a.mesh_id, a.seq, r.member_id, r.session_id, a.priority, w.sealed_key, w.leased_at,
      (SELECT min(u.at) FROM mesh.consumed p CROSS JOIN LATERAL unnest(p.seqs, p.members, p.sessions, p.ats) u(seq, member, session, at)
        WHERE p.mesh_id = a.mesh_id AND p.bucket = a.seq / ${receiptsTogether} AND u.seq = a.seq AND u.member = r.member_id
          AND u.session = r.session_id) AS consumed_at
    FROM mesh.accepted a CROSS JOIN LATERAL unnest(a.recipient_members, a.recipient_sessions) r(member_id, session_id)
    LEFT JOIN mesh.waiting w ON w.mesh_id = a.mesh_id AND w.member_id = r.member_id AND w.session_id = r.session_id
      AND w.priority = a.priority AND w.seq = a.seq`,
  `CREATE VIEW mesh.audit_log AS SELECT j.mesh_id, u.* FROM mesh.journal j CROSS JOIN LATERAL unnest(j.seqs, j.events, j.ats, j.members, j.sessions,
      j.messages, j.specs, j.priorities, j.bytes, j.recipients) u(seq, event, at, actor_member_id, actor_session_id, message_id, target_spec,
      priority, ciphertext_bytes, recipients)`,
]

export const layout = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const statements = [
    ...tables,
    ...filling,
    "DROP TABLE mesh.audit_log, mesh.delivery, mesh.message",
    ...indexes,
    ...views,
  ]
  for (const statement of statements) yield* sql.unsafe(statement)
})
