/**
 * The tables of `state.db`, as steps that are taken once and in this order. A step that was released is never changed:
 * what comes later is a step behind it. How many were taken is the file's `user_version`.
 */
export const migrations: ReadonlyArray<string> = [
  `
  CREATE TABLE known_record (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    mesh_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    other_key TEXT,
    record TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX known_record_by_key ON known_record (mesh_id, kind, key);
  CREATE UNIQUE INDEX known_record_by_other_key ON known_record (mesh_id, kind, other_key);
  CREATE INDEX known_record_by_seq ON known_record (mesh_id, seq);

  CREATE TABLE seen_message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    mesh_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    millis INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX seen_message_by_seq ON seen_message (mesh_id, seq);

  CREATE TABLE seen_session (
    mesh_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    began_millis INTEGER NOT NULL,
    PRIMARY KEY (mesh_id, session_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE pending (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    record TEXT NOT NULL,
    asked INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE shown_message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    mesh_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    shown_millis INTEGER NOT NULL,
    message TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX shown_message_by_id ON shown_message (message_id, mesh_id);
  CREATE INDEX shown_message_by_mesh ON shown_message (mesh_id, seq);
  CREATE INDEX shown_message_by_time ON shown_message (shown_millis);
  `,
  `
  CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    mesh_id TEXT NOT NULL,
    member TEXT NOT NULL,
    id TEXT NOT NULL,
    message_id TEXT NOT NULL UNIQUE,
    session_id TEXT NOT NULL,
    written_to TEXT NOT NULL,
    frame TEXT NOT NULL,
    sealed_at INTEGER NOT NULL,
    has_left INTEGER NOT NULL,
    sender TEXT
  ) STRICT;
  CREATE INDEX outbox_by_member ON outbox (mesh_id, member, seq);

  CREATE TABLE outbox_sender (
    sender TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    host TEXT NOT NULL,
    beat INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE outbox_problem (
    message_id TEXT NOT NULL UNIQUE,
    mesh_id TEXT NOT NULL,
    member TEXT NOT NULL,
    session_id TEXT NOT NULL,
    written_to TEXT NOT NULL,
    target TEXT NOT NULL,
    code TEXT NOT NULL,
    explanation TEXT NOT NULL,
    at INTEGER NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE outbox ADD COLUMN target TEXT NOT NULL DEFAULT '';
  ALTER TABLE outbox_problem ADD COLUMN claimed_by TEXT;
  ALTER TABLE outbox_problem ADD COLUMN claimed_at INTEGER;
  `,
  `
  CREATE TABLE person_status (
    row INTEGER PRIMARY KEY CHECK (row = 1),
    number INTEGER NOT NULL,
    status TEXT NOT NULL,
    until INTEGER
  ) STRICT;
  `,
  `
  CREATE TABLE sent_message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    mesh_id TEXT NOT NULL,
    message_id TEXT NOT NULL UNIQUE
  ) STRICT;

  CREATE TABLE local_name (
    mesh_id TEXT NOT NULL,
    public_key TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (mesh_id, public_key)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE outbox_problem ADD COLUMN sealed_at INTEGER;
  `,
  `
  CREATE TABLE audit_head (
    mesh_id TEXT NOT NULL,
    broker TEXT NOT NULL,
    head TEXT NOT NULL,
    PRIMARY KEY (mesh_id, broker)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE audit_finding (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    mesh_id TEXT NOT NULL,
    problem TEXT NOT NULL,
    kept TEXT NOT NULL,
    told TEXT NOT NULL,
    found_millis INTEGER NOT NULL,
    agent_told INTEGER NOT NULL,
    UNIQUE (mesh_id, problem, kept)
  ) STRICT;
  `,
]
