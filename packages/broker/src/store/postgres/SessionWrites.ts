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

/** What was attached is recorded; what was away already is away since then, too. */
export const detach = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  values: ReadonlyArray<Of<"SessionDetached">>,
) {
  const rows = yield* sql`WITH changed AS (UPDATE mesh.session SET detached_at = r.since
      FROM ${records(
        sql,
        values.map((one) => ({
          ...sessionKeyOf(one),
          at: one.atMillis,
          since: one.sinceMillis ?? one.atMillis,
        })),
        detachColumns,
      )}
      WHERE session.mesh_id = r.mesh_id AND session.member_id = r.member_id AND session.session_id = r.session_id
        AND session.attached_at <= r.at
      RETURNING session.mesh_id, session.member_id, session.session_id)
    SELECT c.mesh_id, c.member_id, c.session_id, '' AS channel FROM changed c JOIN mesh.session before USING (mesh_id, member_id, session_id)
    WHERE before.detached_at IS NULL`
  return recorded(values, yield* Rows.changedSessions(rows), "session_detached", ({ atMillis }) => atMillis)
})

export const forget = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, sessions: ReadonlyArray<OfSession>) {
  const keys = sql`(SELECT r.mesh_id, r.member_id, r.session_id FROM ${records(sql, sessions.map(sessionKeyOf), sessionColumns)})`
  yield* sql`DELETE FROM mesh.channel_subscription WHERE (mesh_id, member_id, session_id) IN ${keys}`
  yield* sql`DELETE FROM mesh.session WHERE (mesh_id, member_id, session_id) IN ${keys}`
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
  const rows = yield* sql`DELETE FROM mesh.channel_subscription WHERE (mesh_id, member_id, session_id, channel) IN (
    SELECT r.mesh_id, r.member_id, r.session_id, r.channel FROM ${records(
      sql,
      values.map((one) => ({
        ...sessionKeyOf(one),
        channel: one.channel,
      })),
      channelColumns,
    )}) RETURNING mesh_id, member_id, session_id, channel`
  return recorded(values, yield* Rows.changedSessions(rows), "channel_left", ({ atMillis }) => atMillis)
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
    }
  }
  return {
    forgotten: [...forgotten.values()],
    attached: [...attached.values()],
    detached: [...detached.values()],
  }
}
