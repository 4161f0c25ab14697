/** What both databases have beside the blocks: the key that signs, what it has signed, and how it came from the ones before. */

/** Each key once: it hands over to one other. */
export const auditRotation = [
  `CREATE TABLE mesh.audit_rotation (
    key text NOT NULL PRIMARY KEY,
    next text NOT NULL UNIQUE,
    at bigint NOT NULL,
    signature text NOT NULL
  )`,
]

export const auditTables = [
  `CREATE TABLE mesh.audit_key (
    public_key text NOT NULL PRIMARY KEY,
    secret_key text NOT NULL,
    created_at bigint NOT NULL
  )`,
  // Of each mesh one of the kind `removed`: where it is, what was before has gone.
  `CREATE TABLE mesh.audit_checkpoint (
    mesh_id text NOT NULL,
    kind text NOT NULL,
    number bigint NOT NULL,
    hash text NOT NULL,
    total bigint NOT NULL,
    at bigint NOT NULL,
    key text NOT NULL,
    signature text NOT NULL,
    PRIMARY KEY (mesh_id, kind, number)
  )`,
]
