/** The columns of the rows that a batch writes, each with its type in both databases. */
import type { Column } from "./Dialect.ts"

export const messageColumns = {
  mesh_id: "text",
  seq: "bigint",
  id: "text",
  sender_member_id: "text",
  sender_session_id: "text",
  target_spec: "text",
  priority: "text",
  nonce: "text",
  ciphertext: "text",
  reply_to: "text",
  content_hash: "text",
  created_at: "bigint",
  expires_at: "bigint",
} as const satisfies Record<string, Column>

export const deliveryColumns = {
  mesh_id: "text",
  seq: "bigint",
  member_id: "text",
  session_id: "text",
  priority: "text",
  sealed_key: "text",
} as const satisfies Record<string, Column>

export const auditColumns = {
  mesh_id: "text",
  seq: "bigint",
  event: "text",
  at: "bigint",
  actor_member_id: "text",
  actor_session_id: "text",
  message_id: "text",
  target_spec: "text",
  priority: "text",
  ciphertext_bytes: "bigint",
  recipients: "bigint",
} as const satisfies Record<string, Column>

export const enrolmentAuditColumns = {
  mesh_id: "text",
  seq: "bigint",
  event: "text",
  at: "bigint",
  actor_member_id: "text",
} as const satisfies Record<string, Column>

export const consumeColumns = {
  mesh_id: "text",
  seq: "bigint",
  member_id: "text",
  session_id: "text",
  at: "bigint",
} as const satisfies Record<string, Column>

export const leaseColumns = {
  mesh_id: "text",
  seq: "bigint",
  member_id: "text",
  session_id: "text",
  at: "bigint",
} as const satisfies Record<string, Column>

export const attachColumns = {
  mesh_id: "text",
  member_id: "text",
  session_id: "text",
  protocol: "bigint",
  at: "bigint",
} as const satisfies Record<string, Column>

export const detachColumns = {
  mesh_id: "text",
  member_id: "text",
  session_id: "text",
  at: "bigint",
  since: "bigint",
} as const satisfies Record<string, Column>

export const memberColumns = {
  mesh_id: "text",
  id: "text",
  public_key: "text",
  display_name: "text",
  created_at: "bigint",
  invite: "text",
  allow_v1: "bigint",
  joined_at: "text",
  signature: "text",
  consent: "text",
} as const satisfies Record<string, Column>

export const inviteColumns = {
  mesh_id: "text",
  public_key: "text",
  slug: "text",
  mesh_name: "text",
  allow_unsealed: "bigint",
  owner_public_key: "text",
  broker_url: "text",
  role: "text",
  uses: "bigint",
  used: "bigint",
  expires_at: "text",
  expires_millis: "bigint",
  label: "text",
  issuer: "text",
  signature: "text",
} as const satisfies Record<string, Column>

export const revocationColumns = {
  mesh_id: "text",
  version: "bigint",
  previous: "text",
  subject: "text",
  kept: "text",
  at: "text",
  by: "text",
  signature: "text",
} as const satisfies Record<string, Column>
