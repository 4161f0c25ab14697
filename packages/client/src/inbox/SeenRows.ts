/**
 * Which messages were shown, as rows of `state.db`, and since when each session is there. Rows are only added, and the
 * oldest are taken out, so whoever has read up to one reads on from there.
 */
import { MeshId, MessageId, SessionId } from "@claudemesh/domain/Ids"
import { Schema } from "effect"
import { seenMessagesMax, seenMillis } from "../Limits.ts"
import type { Database } from "../local/StateDb.ts"

export interface SeenRow {
  readonly messageId: MessageId
  readonly sessionId: SessionId
  readonly millis: number
}

const Row = Schema.Struct({ seq: Schema.Int, messageId: MessageId, sessionId: SessionId, millis: Schema.Int })
const decodeRows = Schema.decodeUnknownSync(Schema.Array(Row))

export const seenAfter = (db: Database, meshId: MeshId, seq: number): ReadonlyArray<typeof Row.Type> =>
  decodeRows(
    db
      .query(
        `SELECT seq, message_id AS messageId, session_id AS sessionId, millis FROM seen_message
         WHERE mesh_id = ? AND seq > ? ORDER BY seq`,
      )
      .all(meshId, seq),
  )

export const insertSeen = (db: Database, meshId: MeshId, rows: ReadonlyArray<SeenRow>): void => {
  const insert = db.query("INSERT INTO seen_message (mesh_id, message_id, session_id, millis) VALUES (?, ?, ?, ?)")
  for (const { messageId, millis, sessionId } of rows) insert.run(meshId, messageId, sessionId, millis)
}

/** Since when the session is there: since now where it is new. */
export const beganMillis = (db: Database, meshId: MeshId, sessionId: SessionId, nowMillis: number): number => {
  const found = db
    .query<{ millis: number }, [string, string]>(
      "SELECT began_millis AS millis FROM seen_session WHERE mesh_id = ? AND session_id = ?",
    )
    .get(meshId, sessionId)
  if (found !== null) return Math.min(found.millis, nowMillis)
  insertSession(db, meshId, sessionId, nowMillis)
  return nowMillis
}

const insertSession = (db: Database, meshId: MeshId, sessionId: SessionId, millis: number) =>
  db
    .query(
      `INSERT INTO seen_session (mesh_id, session_id, began_millis) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET began_millis = min(began_millis, excluded.began_millis)`,
    )
    .run(meshId, sessionId, millis)

/** Takes out what is too old, or too much. */
export const trimSeen = (db: Database, meshId: MeshId, nowMillis: number): void => {
  const seqOf = (sql: string, value: number) =>
    db
      .query<{ seq: number }, [string, number]>(`SELECT seq FROM seen_message WHERE mesh_id = ? ${sql}`)
      .get(meshId, value)
  const old = nowMillis - seenMillis
  const firstFresh = seqOf("AND millis >= ? ORDER BY seq LIMIT 1", old)?.seq ?? Number.MAX_SAFE_INTEGER
  const firstOfMost = seqOf("ORDER BY seq DESC LIMIT 1 OFFSET ?", seenMessagesMax - 1)?.seq ?? 0
  db.query("DELETE FROM seen_message WHERE mesh_id = ? AND seq < ?").run(meshId, Math.max(firstFresh, firstOfMost))
  db.query("DELETE FROM seen_session WHERE mesh_id = ? AND began_millis < ?").run(meshId, old)
}

const isMessageId = Schema.is(MessageId)
const isSessionId = Schema.is(SessionId)

/** Of an earlier version's file: `<millis> <message id> <session id>`, and `<millis> begins <session id>`. */
const parseLine = (text: string) => {
  const [time = "", what, sessionId, ...more] = text.split(" ")
  if (!/^\d{1,15}$/.test(time) || !isSessionId(sessionId) || more.length > 0) return undefined
  const millis = Number(time)
  if (what === "begins") return { begins: true, sessionId, millis } as const
  return isMessageId(what) ? ({ begins: false, messageId: what, sessionId, millis } as const) : undefined
}

/** What is no line of ours, such as one that a full disk has cut off, is passed by. The second time it adds nothing. */
export const takeOverFile = (db: Database, meshId: MeshId, text: string): void => {
  const there = new Set(seenAfter(db, meshId, 0).map(({ messageId, sessionId }) => `${messageId} ${sessionId}`))
  for (const line of text.split("\n").map(parseLine)) {
    if (line === undefined) continue
    insertSession(db, meshId, line.sessionId, line.millis)
    if (line.begins || there.has(`${line.messageId} ${line.sessionId}`)) continue
    insertSeen(db, meshId, [line])
  }
}
