/** The audit log, without payload or key (I18). */
import type { MemberId, MeshId } from "@claudemesh/domain/Ids"
import { decodedBytes } from "@claudemesh/domain/Base64"
import type { Write } from "../MessageStore.ts"
import { prepare, type SqliteHandle } from "./Handle.ts"

/** What happened but a message. */
interface Event {
  readonly seq: number
  readonly at: number
  readonly event: "mesh_created" | "invite_added" | "member_joined" | "key_revoked" | "mesh_moved"
  readonly actor?: MemberId
  readonly recipients?: number
}

type Accept = Extract<Write, { readonly _tag: "Accept" }>

export interface AuditWrites {
  readonly add: (meshId: MeshId, event: Event) => void
  readonly accepted: (accept: Accept) => void
}

export const auditWritesOn = (handle: SqliteHandle["Service"]): AuditWrites => {
  const add = prepare<never, [string, number, string, number, string | null, number | null]>(
    handle,
    "INSERT INTO mesh.audit_log (mesh_id, seq, event, at, actor_member_id, recipients) VALUES (?, ?, ?, ?, ?, ?)",
  )
  const accepted = prepare<never, [string, number, number, string, string, string, string, string, number, number]>(
    handle,
    `INSERT INTO mesh.audit_log (mesh_id, seq, event, at, actor_member_id, actor_session_id, message_id, target_spec,
      priority, ciphertext_bytes, recipients) VALUES (?, ?, 'message_accepted', ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  return {
    add: (meshId, { actor, at, event, recipients, seq }) =>
      void add.run(meshId, seq, event, at, actor ?? null, recipients ?? null),
    accepted: ({ message, recipients }) =>
      void accepted.run(
        message.meshId,
        message.seq,
        message.createdAtMillis,
        message.senderMemberId,
        message.senderSession,
        message.messageId,
        message.targetSpec,
        message.priority,
        decodedBytes(message.ciphertext),
        recipients.length,
      ),
  }
}
