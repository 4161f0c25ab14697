/**
 * What waits in a session's inbox becomes its member's, but for what the member has already: it sent it, or it is a
 * recipient in another of its inboxes. It is rare, and decided here: what the database has to be asked is asked once, and
 * what follows is written in a fixed number of statements.
 */
import { Effect } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import type { Moved } from "../MovesOf.ts"
import * as Rows from "../sql/Rows.ts"
import { lowering } from "./Acking.ts"
import { Arrays } from "./Arrays.ts"

type Waits = Rows.Waits

const placeOf = ({ meshId, memberId, seq, session }: Waits, inSession = session): string =>
  `${Rows.seqKey(meshId, seq)}/${memberId}/${inSession}`

export const moveInboxes = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, moves: ReadonlyArray<Moved>) {
  const waiting = yield* waitingIn(sql, moves)
  if (waiting.length === 0) return
  const moving = new Map(waiting.map((one) => [placeOf(one), one]))
  const isDropped = (one: Waits): boolean =>
    (one.isToGroup && one.senderMemberId === one.memberId) ||
    // Of two that move, one stays.
    one.others.some((other) => other < one.session || !moving.has(placeOf(one, other)))
  const dropped = waiting.filter(isDropped)
  const moved = waiting.filter((one) => !isDropped(one))
  if (dropped.length > 0) yield* drop(sql, dropped)
  const marks = dropped.filter(({ leasedAtMillis }) => leasedAtMillis !== null)
  if (marks.length > 0) yield* markStaying(sql, marks)
  if (moved.length > 0) yield* becomeTheMembers(sql, moved)
  yield* rewriteRecipients(sql, dropped, moved)
})

const toGroup = "(spec = '*' OR spec LIKE '#%' OR spec LIKE 'tag:%')"

const waitingIn = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, moves: ReadonlyArray<Moved>) {
  const arrays = new Arrays()
  const asked = [
    arrays.texts(moves.map(({ write }) => write.meshId)),
    arrays.texts(moves.map(({ write }) => write.memberId)),
    arrays.texts(moves.map(({ write }) => write.session)),
    arrays.numbers(moves.map(({ write }) => (write.what === "groups" ? 1 : 0))),
    arrays.numbers(moves.map(({ belowSeq }) => belowSeq)),
  ]
  // Two words on one inbox, of groups and of all, give its rows once.
  return yield* Rows.waits(
    yield* sql.unsafe(
      `SELECT DISTINCT ON (mesh_id, member_id, session_id, seq) mesh_id, member_id, session_id, seq, id, sender, leased_at,
          CASE WHEN ${toGroup} THEN 1 ELSE 0 END AS to_group,
          (SELECT coalesce(string_agg(u.session, ' '), '') FROM mesh.accepted a, unnest(a.recipient_members, a.recipient_sessions) u(member, session)
            WHERE a.id = o.id AND u.member = o.member_id AND u.session <> o.session_id) AS others,
          (SELECT count(*) FROM mesh.accepted a, unnest(a.recipient_members, a.recipient_sessions) u(member, session)
            WHERE a.id = o.id AND u.member = o.member_id AND u.session = '') AS own
        FROM (SELECT w.mesh_id, w.member_id, w.session_id, w.seq, w.leased_at, r.only_groups, coalesce(w.id, t.id) AS id,
            coalesce(w.target_spec, t.target_spec) AS spec, coalesce(w.sender_member_id, t.sender_member_id) AS sender
          FROM unnest(${asked.join(", ")}) AS r(mesh_id, member_id, session_id, only_groups, below)
          CROSS JOIN LATERAL (SELECT * FROM mesh.waiting w WHERE w.mesh_id = r.mesh_id AND w.member_id = r.member_id
            AND w.session_id = r.session_id AND w.seq < r.below OFFSET 0) w
          LEFT JOIN LATERAL (SELECT t.id, t.target_spec, t.sender_member_id FROM mesh.group_text t
            WHERE t.mesh_id = w.mesh_id AND t.seq = w.seq OFFSET 0) t ON true) o
        WHERE only_groups = 0 OR ${toGroup}`,
      arrays.parameters,
    ),
  )
})

const keysOf = (arrays: Arrays, all: ReadonlyArray<Waits>) =>
  `unnest(${arrays.texts(all.map(({ meshId }) => meshId))}, ${arrays.texts(all.map(({ memberId }) => memberId))},
    ${arrays.texts(all.map(({ session }) => session))}, ${arrays.numbers(all.map(({ seq }) => seq))}) AS r(mesh_id, member_id, session_id, seq)`

const placesOf = (keys: string): string =>
  `ARRAY(SELECT d.place FROM ${keys} CROSS JOIN LATERAL (SELECT w.ctid AS place FROM mesh.waiting w WHERE w.mesh_id = r.mesh_id
    AND w.member_id = r.member_id AND w.session_id = r.session_id AND w.priority IN ('now', 'next', 'low') AND w.seq = r.seq OFFSET 0) d)`

const drop = (sql: SqlClient.SqlClient, dropped: ReadonlyArray<Waits>) => {
  const arrays = new Arrays()
  const places = placesOf(keysOf(arrays, dropped))
  return sql.unsafe(
    `WITH gone AS (DELETE FROM mesh.waiting WHERE ctid = ANY (${places}) RETURNING mesh_id, seq, ciphertext IS NULL AS is_shared),
      ${lowering("gone").join(",\n")} SELECT count(*) FROM gone`,
    arrays.parameters,
  )
}

/** What was dropped may have been shown: so may what its member has instead, whatever is released of that afterwards. */
const markStaying = (sql: SqlClient.SqlClient, marks: ReadonlyArray<Waits>) => {
  const arrays = new Arrays()
  const instead = marks.flatMap((one) => one.others.map((session) => ({ ...one, session })))
  return sql.unsafe(
    `UPDATE mesh.waiting SET leased_at = 0 WHERE ctid = ANY (${placesOf(keysOf(arrays, instead))})`,
    arrays.parameters,
  )
}

const becomeTheMembers = (sql: SqlClient.SqlClient, moved: ReadonlyArray<Waits>) => {
  const arrays = new Arrays()
  return sql.unsafe(
    `UPDATE mesh.waiting SET session_id = '' WHERE ctid = ANY (${placesOf(keysOf(arrays, moved))})`,
    arrays.parameters,
  )
}

const rewriteRecipients = (sql: SqlClient.SqlClient, dropped: ReadonlyArray<Waits>, moved: ReadonlyArray<Waits>) => {
  const arrays = new Arrays()
  const all = [...dropped, ...moved]
  const changes = `SELECT * FROM unnest(${arrays.texts(all.map(({ id }) => id))}, ${arrays.texts(all.map(({ memberId }) => memberId))},
    ${arrays.texts(all.map(({ session }) => session))}, ${arrays.numbers(all.map((_, index) => (index < dropped.length ? 1 : 0)))})
    AS r(id, member, session, is_dropped)`
  return sql.unsafe(
    `WITH changes AS MATERIALIZED (${changes})
      UPDATE mesh.accepted a SET recipient_members = n.members, recipient_sessions = n.sessions
      FROM (SELECT DISTINCT id FROM changes) o CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(u.member ORDER BY u.place), '{}') AS members,
          coalesce(array_agg(CASE WHEN c.is_dropped = 0 THEN '' ELSE u.session END ORDER BY u.place), '{}') AS sessions
        FROM mesh.accepted b CROSS JOIN LATERAL unnest(b.recipient_members, b.recipient_sessions) WITH ORDINALITY u(member, session, place)
        LEFT JOIN changes c ON c.id = b.id AND c.member = u.member AND c.session = u.session
        WHERE b.id = o.id AND c.is_dropped IS DISTINCT FROM 1) n
      WHERE a.id = o.id`,
    arrays.parameters,
  )
}
