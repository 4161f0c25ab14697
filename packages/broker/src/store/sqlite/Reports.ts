/** What became of a message, from the rows of its deliveries. */
import type { MemberId, SessionId } from "@claudemesh/domain/Ids"
import type { Priority } from "@claudemesh/domain/routing/Status"
import type { DeliveryReport } from "../MessageStore.ts"

/** Of a message without deliveries what is of one is NULL. */
export interface ReportRow {
  readonly seq: number
  readonly sender_member_id: MemberId
  readonly priority: Priority
  readonly expires_at: number
  readonly member_id: MemberId | null
  readonly session_id: SessionId | "" | null
  readonly consumed_at: number | null
}

export const sessionOf = (column: SessionId | ""): SessionId | undefined => (column === "" ? undefined : column)

export const reportOf = (rows: ReadonlyArray<ReportRow>): DeliveryReport | undefined => {
  const [first] = rows
  return (
    first && {
      seq: first.seq,
      senderMemberId: first.sender_member_id,
      priority: first.priority,
      expiresAtMillis: first.expires_at,
      deliveries: rows.flatMap(({ consumed_at, member_id, session_id }) =>
        member_id === null || session_id === null
          ? []
          : [
              {
                inbox: { memberId: member_id, session: sessionOf(session_id) },
                consumedAtMillis: consumed_at ?? undefined,
              },
            ],
      ),
    }
  )
}
