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

export const consumeColumns = {
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
} as const satisfies Record<string, Column>
