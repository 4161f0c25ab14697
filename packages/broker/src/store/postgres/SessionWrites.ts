/** Who is there and in which channel, as statements of a batch: of what is said of one session or channel the last word stands. */
import type { SessionId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import { Write } from "../MessageStore.ts"
import { attachColumns, channelColumns, detachColumns, joinColumns, sessionColumns } from "../sql/Columns.ts"
import { records } from "../sql/Dialect.ts"
import { missed, untilAllAreTaken } from "./Taking.ts"

type OfSession = Extract<Write, { readonly session: SessionId }>

const keyOf = ({ meshId, memberId, session }: OfSession): string => `${meshId}/${memberId}/${session}`

export const sessionKeyOf = ({ meshId, memberId, session }: OfSession) => ({
  mesh_id: meshId,
  member_id: memberId,
  session_id: session,
})

export const attach = (
  sql: SqlClient.SqlClient,
  values: ReadonlyArray<Extract<Write, { readonly _tag: "SessionAttached" }>>,
) =>
  sql`INSERT INTO mesh.session (mesh_id, member_id, session_id, protocol, attached_at, detached_at)
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
    DO UPDATE SET protocol = excluded.protocol, attached_at = excluded.attached_at, detached_at = NULL`

/** Behind records `r`: the place of each one's row, by the key. */
const placesIn = (table: "channel_subscription" | "session", isMore = ""): string =>
  `CROSS JOIN LATERAL (SELECT o.ctid AS place FROM mesh.${table} o WHERE o.mesh_id = r.mesh_id
    AND o.member_id = r.member_id AND o.session_id = r.session_id ${isMore} OFFSET 0) d`

export const detach = (
  sql: SqlClient.SqlClient,
  values: ReadonlyArray<Extract<Write, { readonly _tag: "SessionDetached" }>>,
) => {
  const rows = values.map((one) => ({
    ...sessionKeyOf(one),
    at: one.atMillis,
    since: one.sinceMillis ?? one.atMillis,
  }))
  return untilAllAreTaken(
    sql`WITH found AS MATERIALIZED (SELECT r.since, d.place FROM ${records(sql, rows, detachColumns)}
        ${sql.literal(placesIn("session", "AND o.attached_at <= r.at"))}),
      taken AS (UPDATE mesh.session SET detached_at = found.since FROM found
        WHERE session.ctid = ANY (ARRAY(SELECT place FROM found)) AND session.ctid = found.place RETURNING 1)
      ${sql.literal(missed)}`,
  )
}

const remove = (
  sql: SqlClient.SqlClient,
  table: "channel_subscription" | "session",
  rows: ReturnType<typeof records>,
  isMore?: string,
) =>
  untilAllAreTaken(
    sql`WITH found AS MATERIALIZED (SELECT d.place FROM ${rows} ${sql.literal(placesIn(table, isMore))}),
      taken AS (DELETE FROM mesh.${sql.literal(table)} WHERE ctid = ANY (ARRAY(SELECT place FROM found)) RETURNING 1)
      ${sql.literal(missed)}`,
  )

export const forget = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, sessions: ReadonlyArray<OfSession>) {
  const keys = records(sql, sessions.map(sessionKeyOf), sessionColumns)
  yield* remove(sql, "channel_subscription", keys)
  yield* remove(sql, "session", keys)
})

export const joinChannels = (
  sql: SqlClient.SqlClient,
  values: ReadonlyArray<Extract<Write, { readonly _tag: "ChannelJoined" }>>,
) =>
  sql`INSERT INTO mesh.channel_subscription (mesh_id, member_id, session_id, channel, joined_at)
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
    ON CONFLICT (mesh_id, member_id, session_id, channel) DO NOTHING`

export const leaveChannels = (
  sql: SqlClient.SqlClient,
  values: ReadonlyArray<Extract<Write, { readonly _tag: "ChannelLeft" }>>,
) => {
  const rows = values.map((one) => ({ ...sessionKeyOf(one), channel: one.channel }))
  return remove(sql, "channel_subscription", records(sql, rows, channelColumns), "AND o.channel = r.channel")
}

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
