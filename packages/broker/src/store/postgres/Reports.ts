/** What is known of an accepted message: its recipients, and who of them has acked it. It is what a resend and its sender are told. */
import type { MeshId, MessageId } from "@claudemesh/domain/Ids"
import { Effect, Option } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import { Written } from "../MessageStore.ts"
import * as Rows from "../sql/Rows.ts"
import { Arrays } from "./Arrays.ts"
import { receiptsTogether } from "./Layout.ts"
import { storeError } from "./Transaction.ts"

/** Behind `a`, which is what is asked for of `mesh.accepted`: each recipient, with the first receipt that it gave. */
const withRecipients = `LEFT JOIN LATERAL unnest(a.recipient_members, a.recipient_sessions) r(member_id, session_id) ON true
  LEFT JOIN LATERAL (SELECT u.member, u.session, min(u.at) AS at
    FROM mesh.consumed p CROSS JOIN LATERAL unnest(p.seqs, p.members, p.sessions, p.ats) u(seq, member, session, at)
    WHERE p.mesh_id = a.mesh_id AND p.bucket = a.seq / ${receiptsTogether} AND u.seq = a.seq
    GROUP BY u.member, u.session) c ON c.member = r.member_id AND c.session = r.session_id`

const columns = `a.id, a.content_hash, a.seq, a.sender_member_id, a.priority, a.expires_at, r.member_id, r.session_id, c.at AS consumed_at`

export const firstResults = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, messageIds: ReadonlySet<string>) {
  const arrays = new Arrays()
  const ids = arrays.texts([...messageIds])
  const rows = yield* sql.unsafe(
    `SELECT ${columns} FROM unnest(${ids}) AS o(id)
      CROSS JOIN LATERAL (SELECT * FROM mesh.accepted a WHERE a.id = o.id OFFSET 0) a ${withRecipients}`,
    arrays.parameters,
  )
  const found = yield* Rows.accepted(rows)
  return new Map([...found].map(([id, first]) => [id, Written.Duplicate(first)]))
})

export const deliveryReportOf = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  meshId: MeshId,
  messageId: MessageId,
) {
  const found = yield* Rows.deliveryReport(
    yield* sql.unsafe(
      `SELECT ${columns} FROM mesh.accepted a ${withRecipients}
        WHERE a.id = $1 AND a.mesh_id = $2 ORDER BY r.member_id, r.session_id`,
      [messageId, meshId],
    ),
  )
  return Option.fromUndefinedOr(found)
}, Effect.mapError(storeError))
