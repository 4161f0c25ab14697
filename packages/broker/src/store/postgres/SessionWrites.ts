/** Who is there and in which channel, as statements of a batch: of what is said of one session or channel the last word stands. Each gives what the audit
 * has of it. */
import type { SessionId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import type { AuditEventName } from "../AuditEvents.ts"
import { Write } from "../MessageStore.ts"
import { attachColumns, channelColumns, detachColumns, joinColumns, sessionColumns } from "../sql/Columns.ts"
import { records } from "../sql/Dialect.ts"
import * as Rows from "../sql/Rows.ts"
import { entryOf, type JournalEvent } from "./Journal.ts"
import { changedUntilAllAreTaken, missed, missedAndChanged, untilAllAreTaken } from "./Taking.ts"

type OfSession = Extract<Write, { readonly session: SessionId }>

const keyOf = ({ meshId, memberId, session }: OfSession): string => `${meshId}/${memberId}/${session}`

export const sessionKeyOf = ({ meshId, memberId, session }: OfSession) => ({
  mesh_id: meshId,
  member_id: memberId,
  session_id: session,
})

type Of<Tag extends Write["_tag"]> = Extract<Write, { readonly _tag: Tag }>

/** Those of the writes of which a row says that something has changed, each as an event. */
const recorded = <A extends OfSession>(
  values: ReadonlyArray<A>,
  changed: ReadonlySet<string>,
  event: AuditEventName,
  atOf: (value: A) => number,
): ReadonlyArray<JournalEvent> =>
  values
    .filter((one) => changed.has(Rows.sessionKey(one, "channel" in one ? one.channel : "")))
    .map((one) => ({
      ...entryOf(one.meshId, undefined, atOf(one), event, one.memberId),
      session: one.session,
      ...("channel" in one && { targetSpec: `#${one.channel}` }),
    }))

export const attach = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  values: ReadonlyArray<Of<"SessionAttached">>,
) {
  const rows = yield* sql`INSERT INTO mesh.session (mesh_id, member_id, session_id, protocol, attached_at, detached_at)
    SELECT mesh_id, member_id, session_id, protocol, at, NULL
    FROM ${records(
      sql,
      values.map((one) => ({
        ...sessionKeyOf(one),
        protocol: one.protocol,
        at: one.atMillis,
      })),
      attachColumns,
    )} WHERE true
    ON CONFLICT (mesh_id, member_id, session_id)
    DO UPDATE SET protocol = excluded.protocol, attached_at = excluded.attached_at, detached_at = NULL
      WHERE session.attached_at <> excluded.attached_at OR session.detached_at IS NOT NULL
    RETURNING mesh_id, member_id, session_id, '' AS channel`
  return recorded(values, yield* Rows.changedSessions(rows), "session_attached", ({ atMillis }) => atMillis)
})

/** Behind records `r`: the place of each one's row, by the key. */
const placesIn = (table: "channel_subscription" | "session", columns = "", isMore = ""): string =>
  `CROSS JOIN LATERAL (SELECT o.ctid AS place ${columns} FROM mesh.${table} o WHERE o.mesh_id = r.mesh_id
    AND o.member_id = r.member_id AND o.session_id = r.session_id ${isMore} OFFSET 0) d`

/** What was attached is recorded; what was away already is away since then, too. */
export const detach = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  values: ReadonlyArray<Of<"SessionDetached">>,
) {
  const rows = values.map((one) => ({
    ...sessionKeyOf(one),
    at: one.atMillis,
    since: one.sinceMillis ?? one.atMillis,
  }))
  const places = placesIn("session", ", o.detached_at IS NULL AS was_there", "AND o.attached_at <= r.at")
  const changed = yield* changedUntilAllAreTaken(
    sql`WITH found AS MATERIALIZED (SELECT r.since, d.place, d.was_there FROM ${records(sql, rows, detachColumns)} ${sql.literal(places)}),
      taken AS (UPDATE mesh.session SET detached_at = found.since FROM found
        WHERE session.ctid = ANY (ARRAY(SELECT place FROM found)) AND session.ctid = found.place
        RETURNING mesh_id, member_id, session_id, '' AS channel, was_there AS is_change)
      ${sql.literal(missedAndChanged)}`,
  )
  return recorded(values, changed, "session_detached", ({ atMillis }) => atMillis)
})

const remove = (
  sql: SqlClient.SqlClient,
  table: "channel_subscription" | "session",
  rows: ReturnType<typeof records>,
) =>
  untilAllAreTaken(
    sql`WITH found AS MATERIALIZED (SELECT d.place FROM ${rows} ${sql.literal(placesIn(table))}),
      taken AS (DELETE FROM mesh.${sql.literal(table)} WHERE ctid = ANY (ARRAY(SELECT place FROM found)) RETURNING 1)
      ${sql.literal(missed)}`,
  )

export const forget = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, sessions: ReadonlyArray<OfSession>) {
  const keys = records(sql, sessions.map(sessionKeyOf), sessionColumns)
  yield* remove(sql, "channel_subscription", keys)
  yield* remove(sql, "session", keys)
})

export const joinChannels = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  values: ReadonlyArray<Of<"ChannelJoined">>,
) {
  const rows = yield* sql`INSERT INTO mesh.channel_subscription (mesh_id, member_id, session_id, channel, joined_at)
    SELECT mesh_id, member_id, session_id, channel, at
    FROM ${records(
      sql,
      values.map((one) => ({
        ...sessionKeyOf(one),
        channel: one.channel,
        at: one.atMillis,
      })),
      joinColumns,
    )} WHERE true
    ON CONFLICT (mesh_id, member_id, session_id, channel) DO NOTHING RETURNING mesh_id, member_id, session_id, channel`
  return recorded(values, yield* Rows.changedSessions(rows), "channel_joined", ({ atMillis }) => atMillis)
})

export const leaveChannels = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  values: ReadonlyArray<Of<"ChannelLeft">>,
) {
  const rows = values.map((one) => ({ ...sessionKeyOf(one), channel: one.channel }))
  const places = placesIn("channel_subscription", "", "AND o.channel = r.channel")
  const changed = yield* changedUntilAllAreTaken(
    sql`WITH found AS MATERIALIZED (SELECT d.place FROM ${records(sql, rows, channelColumns)} ${sql.literal(places)}),
      taken AS (DELETE FROM mesh.channel_subscription WHERE ctid = ANY (ARRAY(SELECT place FROM found))
        RETURNING mesh_id, member_id, session_id, channel, true AS is_change)
      ${sql.literal(missedAndChanged)}`,
  )
  return recorded(values, changed, "channel_left", ({ atMillis }) => atMillis)
})

export const refusals = (values: ReadonlyArray<Of<"Refused">>): ReadonlyArray<JournalEvent> =>
  values.flatMap(({ atMillis, counts, meshId }) =>
    counts.map(({ code, count, memberId }) => ({
      ...entryOf(meshId, undefined, atMillis, "refused", memberId),
      targetSpec: code,
      recipients: count,
    })),
  )

/** The last word of each session on each channel in the batch. */
export const channelsAtTheEnd = (batch: ReadonlyArray<Write>) => {
  const last = new Map<string, Extract<Write, { readonly _tag: "ChannelJoined" | "ChannelLeft" }>>()
  for (const write of batch) {
    if (write._tag === "SessionForgotten") {
      for (const key of last.keys()) if (key.startsWith(`${keyOf(write)}#`)) last.delete(key)
    }
    if (write._tag !== "ChannelJoined" && write._tag !== "ChannelLeft") continue
    last.set(`${keyOf(write)}#${write.channel}`, write)
  }
  const all = [...last.values()]
  return { joined: all.filter(Write.$is("ChannelJoined")), left: all.filter(Write.$is("ChannelLeft")) }
}

/**
 * What is forgotten, the last attachment of each session after that, and the detachment that came after it: one
 * statement cannot write a row twice, and they are written in this order.
 */
export const sessionsAtTheEnd = (batch: ReadonlyArray<Write>) => {
  const forgotten = new Map<string, Extract<Write, { readonly _tag: "SessionForgotten" }>>()
  const attached = new Map<string, Extract<Write, { readonly _tag: "SessionAttached" }>>()
  const detached = new Map<string, Extract<Write, { readonly _tag: "SessionDetached" }>>()
  for (const write of batch) {
    if (write._tag === "SessionDetached") detached.set(keyOf(write), write)
    else if (write._tag === "SessionAttached") {
      attached.set(keyOf(write), write)
      detached.delete(keyOf(write))
    } else if (write._tag === "SessionForgotten") {
      forgotten.set(keyOf(write), write)
      attached.delete(keyOf(write))
      detached.delete(keyOf(write))
    } else if (write._tag === "Accept") {
      for (const one of write.sessions ?? []) {
        const row = Write.SessionAttached({ ...one, meshId: write.message.meshId })
        attached.set(keyOf(row), row)
      }
    }
  }
  return {
    forgotten: [...forgotten.values()],
    attached: [...attached.values()],
    detached: [...detached.values()],
  }
}
