/**
 * How messages lie in the embedded database (decision 0073). A row of `waiting` has the text of its message, and goes with the ack; what a
 * group got has its text once, in `group_text`, with a count of those it waits for. What a resend and `message_status` are answered from is
 * `accepted` and `consumed`, which are only added to until they are kept no longer. The audit is one row for each mesh and
 * commit: of `journal` here, and of `audit_block` since there is a chain (`AuditBlocks.ts`). Keys are numbers of several parts, put together in SQL: JavaScript has no integers of that size.
 */

/** Bits of a sequence number; above them stand the number of a mesh, or a priority and the number of an address. */
const seqBits = 36
const seqMask = "68719476735"

/** Of an address: a key has a bit less for it than for its sign, and says where an inbox ends by the number after its own. */
export const lastAddress = 2 ** (63 - seqBits - 2) - 2

/** Given a mesh and a sequence number. */
export const messageKey = (mesh: string, seq: string): string => `((${mesh} << ${seqBits}) | ${seq})`

/** Given an address, a priority and a sequence number. */
export const waitingKey = (address: string, priority: string, seq: string): string =>
  `((${address} << ${seqBits + 2}) | (${priority} << ${seqBits}) | ${seq})`

export const seqOf = (key: string): string => `(${key} & ${seqMask})`
export const meshNumberOf = (key: string): string => `(${key} >> ${seqBits})`
export const priorityOf = (key: string): string => `((${key} >> ${seqBits}) & 3)`
export const addressOf = (key: string): string => `(${key} >> ${seqBits + 2})`

/** By their numbers in a key. */
export const priorities = ["now", "next", "low"] as const

export const priorityName = (number: string): string =>
  `CASE ${number} WHEN 0 THEN 'now' WHEN 1 THEN 'next' ELSE 'low' END`
const priorityNumber = (name: string): string => `CASE ${name} WHEN 'now' THEN 0 WHEN 'next' THEN 1 ELSE 2 END`

const acceptedTable = (id: string): string => `CREATE TABLE mesh.accepted (
    key INTEGER PRIMARY KEY,
    id ${id},
    sender bigint NOT NULL,
    priority bigint NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    content_hash text NOT NULL,
    recipients text NOT NULL
  )`

const tables = [
  // Meshes (without a member), members (without a session) and sessions, as small numbers. own: the member's, of a session.
  `CREATE TABLE mesh.address (
    number INTEGER PRIMARY KEY,
    mesh_id text NOT NULL,
    member_id text NOT NULL,
    session_id text NOT NULL,
    own bigint,
    used_at bigint NOT NULL,
    UNIQUE (mesh_id, member_id, session_id)
  )`,
  "CREATE INDEX mesh.address_age ON address (used_at) WHERE session_id <> ''",
  // The id follows from mesh, sender and the sender's own id, so its uniqueness is the idempotency rule.
  acceptedTable("blob NOT NULL UNIQUE"),
  "CREATE INDEX mesh.accepted_age ON accepted (created_at)",
  // The text is '' once its time is over, and NULL where it is in group_text.
  `CREATE TABLE mesh.waiting (
    key INTEGER PRIMARY KEY,
    leased_at bigint,
    expires_at bigint NOT NULL,
    sealed_key text,
    nonce text,
    target_spec text,
    reply_to text,
    ciphertext text
  )`,
  "CREATE INDEX mesh.waiting_held ON waiting (expires_at) WHERE ciphertext <> '' OR sealed_key IS NOT NULL",
  `CREATE TABLE mesh.group_text (
    key INTEGER PRIMARY KEY,
    waits bigint NOT NULL,
    expires_at bigint NOT NULL,
    nonce text NOT NULL,
    target_spec text NOT NULL,
    reply_to text,
    ciphertext text NOT NULL
  )`,
  "CREATE INDEX mesh.group_text_held ON group_text (expires_at) WHERE ciphertext <> ''",
  `CREATE TABLE mesh.consumed (
    message bigint NOT NULL,
    address bigint NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (message, address)
  ) WITHOUT ROWID`,
  // The key is that of the highest number in it. events: arrays, each with the place of its actor in actors.
  `CREATE TABLE mesh.journal (
    key INTEGER PRIMARY KEY,
    at bigint NOT NULL,
    actors text NOT NULL,
    events text NOT NULL
  )`,
  "CREATE INDEX mesh.journal_age ON journal (at)",
]

/** As they are in Postgres, for who looks into the file. */
const messageViews = [
  `CREATE VIEW mesh.delivery AS
    SELECT i.mesh_id, ${seqOf("w.key")} AS seq, i.member_id, i.session_id, ${priorityName(priorityOf("w.key"))} AS priority,
      NULL AS consumed_at, w.sealed_key, w.leased_at
    FROM waiting w JOIN address i ON i.number = ${addressOf("w.key")}
    UNION ALL
    SELECT i.mesh_id, ${seqOf("c.message")}, i.member_id, i.session_id, ${priorityName("a.priority")}, c.at, NULL, NULL
    FROM consumed c JOIN address i ON i.number = c.address JOIN accepted a ON a.key = c.message`,
  `CREATE VIEW mesh.message AS
    SELECT s.mesh_id, ${seqOf("a.key")} AS seq, lower(hex(a.id)) AS id, s.member_id AS sender_member_id,
      s.session_id AS sender_session_id, coalesce(g.target_spec, w.target_spec) AS target_spec,
      ${priorityName("a.priority")} AS priority, coalesce(g.nonce, w.nonce) AS nonce,
      coalesce(g.ciphertext, w.ciphertext, '') AS ciphertext, coalesce(g.reply_to, w.reply_to) AS reply_to,
      a.content_hash, a.created_at, a.expires_at
    FROM accepted a JOIN address s ON s.number = a.sender LEFT JOIN group_text g ON g.key = a.key
    LEFT JOIN address i ON i.number = a.recipients->>0
    LEFT JOIN waiting w ON w.ciphertext IS NOT NULL AND w.key = coalesce(
      (SELECT key FROM waiting o WHERE o.key = ${waitingKey("i.number", "a.priority", seqOf("a.key"))}),
      ${waitingKey("coalesce(i.own, i.number)", "a.priority", seqOf("a.key"))})`,
]

const views = [
  ...messageViews,
  `CREATE VIEW mesh.audit_log AS
    SELECT m.mesh_id, e.value->>0 AS seq, e.value->>2 AS event, e.value->>1 AS at,
      json_extract(j.actors, '$[' || (e.value->>3) || '][0]') AS actor_member_id,
      json_extract(j.actors, '$[' || (e.value->>3) || '][1]') AS actor_session_id,
      e.value->>4 AS message_id, e.value->>5 AS target_spec, e.value->>6 AS priority,
      e.value->>7 AS ciphertext_bytes, e.value->>8 AS recipients
    FROM journal j JOIN address m ON m.number = ${meshNumberOf("j.key")}, json_each(j.events) e`,
]

/** What was in the tables from before: everything in them, in its new place. */
const moves = [
  `INSERT INTO mesh.address (mesh_id, member_id, session_id, used_at)
    SELECT id, '', '', 0 FROM mesh.mesh UNION SELECT mesh_id, '', '', 0 FROM mesh.old_message
    UNION SELECT mesh_id, '', '', 0 FROM mesh.old_audit_log
    UNION SELECT mesh_id, sender_member_id, '', 0 FROM mesh.old_message UNION SELECT mesh_id, member_id, '', 0 FROM mesh.old_delivery`,
  `INSERT INTO mesh.address (mesh_id, member_id, session_id, own, used_at)
    SELECT o.mesh_id, o.member_id, o.session_id, i.number, max(o.at)
    FROM (SELECT mesh_id, sender_member_id AS member_id, sender_session_id AS session_id, created_at AS at FROM mesh.old_message
      UNION ALL SELECT d.mesh_id, d.member_id, d.session_id, m.created_at FROM mesh.old_delivery d
        JOIN mesh.old_message m ON m.mesh_id = d.mesh_id AND m.seq = d.seq WHERE d.session_id <> '') o
    JOIN mesh.address i ON i.mesh_id = o.mesh_id AND i.member_id = o.member_id AND i.session_id = ''
    GROUP BY o.mesh_id, o.member_id, o.session_id`,
  `INSERT INTO mesh.accepted (key, id, sender, priority, created_at, expires_at, content_hash, recipients)
    SELECT ${messageKey("n.number", "m.seq")}, unhex(m.id), s.number, ${priorityNumber("m.priority")}, m.created_at, m.expires_at,
      m.content_hash, (SELECT json_group_array(i.number) FROM mesh.old_delivery d JOIN mesh.address i
        ON i.mesh_id = d.mesh_id AND i.member_id = d.member_id AND i.session_id = d.session_id
        WHERE d.mesh_id = m.mesh_id AND d.seq = m.seq)
    FROM mesh.old_message m JOIN mesh.address n ON n.mesh_id = m.mesh_id AND n.member_id = ''
    JOIN mesh.address s ON s.mesh_id = m.mesh_id AND s.member_id = m.sender_member_id AND s.session_id = m.sender_session_id`,
  `INSERT INTO mesh.consumed (message, address, at)
    SELECT ${messageKey("n.number", "d.seq")}, i.number, d.consumed_at FROM mesh.old_delivery d
    JOIN mesh.address n ON n.mesh_id = d.mesh_id AND n.member_id = ''
    JOIN mesh.address i ON i.mesh_id = d.mesh_id AND i.member_id = d.member_id AND i.session_id = d.session_id
    WHERE d.consumed_at IS NOT NULL`,
  `INSERT INTO mesh.group_text (key, waits, expires_at, nonce, target_spec, reply_to, ciphertext)
    SELECT a.key, count(*), m.expires_at, m.nonce, m.target_spec, m.reply_to, m.ciphertext
    FROM mesh.old_message m JOIN mesh.accepted a ON a.id = unhex(m.id)
    JOIN mesh.old_delivery d ON d.mesh_id = m.mesh_id AND d.seq = m.seq AND d.consumed_at IS NULL
    WHERE json_array_length(a.recipients) > 1 GROUP BY a.key`,
  `INSERT INTO mesh.waiting (key, leased_at, expires_at, sealed_key, nonce, target_spec, reply_to, ciphertext)
    SELECT ${waitingKey("i.number", "a.priority", "m.seq")}, d.leased_at, m.expires_at, d.sealed_key,
      iif(g.key IS NULL, m.nonce, NULL), iif(g.key IS NULL, m.target_spec, NULL), iif(g.key IS NULL, m.reply_to, NULL),
      iif(g.key IS NULL, m.ciphertext, NULL)
    FROM mesh.old_delivery d JOIN mesh.old_message m ON m.mesh_id = d.mesh_id AND m.seq = d.seq
    JOIN mesh.accepted a ON a.id = unhex(m.id) LEFT JOIN mesh.group_text g ON g.key = a.key
    JOIN mesh.address i ON i.mesh_id = d.mesh_id AND i.member_id = d.member_id AND i.session_id = d.session_id
    WHERE d.consumed_at IS NULL`,
  `INSERT INTO mesh.journal (key, at, actors, events)
    SELECT ${messageKey("n.number", "l.seq")}, l.at,
      iif(l.actor_member_id IS NULL, '[]', json_array(json_array(l.actor_member_id, l.actor_session_id))),
      json_array(json_array(l.seq, l.at, l.event, iif(l.actor_member_id IS NULL, NULL, 0), l.message_id, l.target_spec, l.priority,
        l.ciphertext_bytes, l.recipients))
    FROM mesh.old_audit_log l JOIN mesh.address n ON n.mesh_id = l.mesh_id AND n.member_id = ''`,
]

const before = ["message", "delivery", "audit_log"]

export const newLayout = [
  ...before.map((table) => `ALTER TABLE mesh.${table} RENAME TO old_${table}`),
  ...tables,
  ...moves,
  ...before.map((table) => `DROP TABLE mesh.old_${table}`),
  ...views,
]

/** The index of ids, which a constraint of their table had, is a table of its own, since it is written later than that (`MessageIds.ts`). */
/** Into an empty index, in the order in which it lies. */
export const allIdsIn = [
  `INSERT INTO mesh.message_id (id, message) SELECT id, key FROM mesh.accepted ORDER BY id`,
  `INSERT OR REPLACE INTO mesh.message_id_upto (id, at) SELECT 1, coalesce(max(created_at) + 1, 0) FROM mesh.accepted`,
]

export const messageIdsApart = [
  "DROP VIEW mesh.delivery",
  "DROP VIEW mesh.message",
  `CREATE TABLE mesh.message_id (id blob NOT NULL PRIMARY KEY, message bigint NOT NULL) WITHOUT ROWID`,
  // One row: of all that was accepted before then the id is in the index.
  `CREATE TABLE mesh.message_id_upto (id INTEGER PRIMARY KEY, at bigint NOT NULL)`,
  ...allIdsIn,
  "DROP INDEX mesh.accepted_age",
  "ALTER TABLE mesh.accepted RENAME TO accepted_before",
  acceptedTable("blob NOT NULL"),
  `INSERT INTO mesh.accepted (key, id, sender, priority, created_at, expires_at, content_hash, recipients)
    SELECT key, id, sender, priority, created_at, expires_at, content_hash, recipients FROM mesh.accepted_before ORDER BY key`,
  "DROP TABLE mesh.accepted_before",
  "CREATE INDEX mesh.accepted_age ON accepted (created_at)",
  ...messageViews,
]
