/** Holds the audit log against what the store took: one row for each accepted message, in one strictly rising sequence. */
import { SqliteHandle } from "@claudemesh/broker/store/sqlite/Handle"
import type { MeshId, MessageId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import type { History } from "../History.ts"

interface Row {
  readonly meshId: MeshId
  readonly seq: number
  readonly event: string
  readonly messageId: MessageId | null
  readonly target: string | null
  readonly recipients: number | null
}

export const checkAudit = Effect.fnUntraced(function* (history: History) {
  const { database } = yield* SqliteHandle
  using rows = database.prepare<Row, []>(`SELECT mesh_id AS "meshId", seq, event, message_id AS "messageId",
    target_spec AS target, recipients FROM mesh.audit_log WHERE seq IS NOT NULL ORDER BY mesh_id, seq`)
  const problems: Array<string> = []
  const seen = new Set<MessageId>()
  const last = new Map<string, { readonly seq: number; readonly order: number }>()
  for (const { event, meshId, messageId, recipients, seq, target } of rows.all()) {
    const before = last.get(meshId) ?? { seq: 0, order: 0 }
    const accepted = messageId === null ? undefined : history.accepted.get(messageId)
    const order = accepted === undefined || history.late.has(accepted.messageId) ? before.order : accepted.order
    last.set(meshId, { seq, order })
    const tried: ReadonlySet<number> = history.triedSeqs.get(meshId) ?? new Set()
    // While the store is known to be away, what gets a number is refused without a try.
    const wasAway = history.failures.some(
      (failed) => failed > before.order && (order === before.order || failed < order),
    )
    for (let missing = before.seq + 1; missing < seq && !wasAway; missing++) {
      if (!tried.has(missing)) problems.push(`the audit log has no ${missing}, and nobody tried to use that number`)
    }
    if (event !== "message_accepted" || messageId === null) continue
    if (seen.has(messageId)) problems.push(`${messageId} is in the audit log twice`)
    seen.add(messageId)
    if (accepted === undefined) problems.push(`${messageId} is in the audit log and was not accepted`)
    else if (accepted.seq !== seq || accepted.target !== target || accepted.recipients.length !== recipients) {
      problems.push(`${messageId} is in the audit log with another number, target or count of recipients`)
    }
  }
  for (const messageId of history.accepted.keys()) {
    if (!seen.has(messageId)) problems.push(`${messageId} was accepted and is not in the audit log`)
  }
  return problems
})
