/** What the audit records, by the names that are stored and exported (`docs/audit.md`, decision 0084). */
export const auditEventNames = [
  "mesh_created",
  "mesh_moved",
  "invite_added",
  "invite_used",
  "member_joined",
  "key_revoked",
  "message_accepted",
  "messages_consumed",
  "messages_expired",
  "session_attached",
  "session_detached",
  "channel_joined",
  "channel_left",
  "refused",
] as const

export type AuditEventName = (typeof auditEventNames)[number]

/** How an invite is named: by the key that it has, which is no secret. */
export const inviteTarget = (publicKey: string): string => `invite:${publicKey}`

/** All of a mesh that expired in one step. */
export const expiredEvent = (seqs: ReadonlyArray<number>) => ({
  event: "messages_expired" as const,
  recipients: seqs.length,
  messages: seqs.toSorted((one, other) => one - other),
})

/** As `eventText` has it: there is one for each inbox in each commit. */
export const consumedText = (at: number, actor: number, seqs: ReadonlyArray<number>): string =>
  `[null,${at},"messages_consumed",${actor},null,null,null,null,${seqs.length},[${seqs.join(",")}]]`
