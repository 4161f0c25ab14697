/**
 * The outbox on disk, of all processes of this machine. What is in it was promised to be sent, so it outlives its process: the next
 * one of its member takes it over. A message has one sender at a time, and only its sender may put it on a wire, which is written
 * down before; until then anybody may cancel it.
 */
import { ClientMessageId, MeshId, MessageId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { formatTarget } from "@claudemesh/domain/routing/Target"
import { decodeClientFrame, encodeClientFrame, type Send } from "@claudemesh/domain/wire/ClientFrame"
import { Context, Effect, Layer, Option, Result, Schema } from "effect"
import type { ProcessName } from "../local/Processes.ts"
import { type Database, StateDb, type StateDbError } from "../local/StateDb.ts"
import {
  outboxMemberCharactersMax,
  outboxMemberMax,
  outboxProblemsMax,
  problemClaimMillis,
  sentMessagesMax,
} from "../Limits.ts"
import { type NewEntry, type OutboxEntry, OutboxFull, type SendProblem, type Unsent } from "./OutboxEntry.ts"

/** Which member of ours. */
export interface Member {
  readonly meshId: MeshId
  readonly member: PublicKey
}

/** A process that sends, for one mesh. `beat` grows for as long as it lives. */
export interface Sender extends ProcessName {
  readonly sender: string
  readonly beat: number
}

/** Of the messages in neither it is not the sender any more, or they were cancelled. */
export interface Leaving {
  /** Those that a sender may put on a wire now. */
  readonly now: ReadonlySet<MessageId>
  /** Those before which another sender has to send what the same session wrote earlier to the same target. */
  readonly later: ReadonlySet<MessageId>
}

export interface SentMessage {
  readonly meshId: MeshId
  readonly messageId: MessageId
}

export type Cancelled = "cancelled" | "left" | "unknown"

export class OutboxStore extends Context.Service<
  OutboxStore,
  {
    /** `durable`: it is on the disk when this returns, also if the power fails then. Gives the entry's place in the order. */
    readonly add: (
      entry: NewEntry,
      sender: Omit<Sender, "beat">,
      durable: boolean,
    ) => Effect.Effect<number, OutboxFull | StateDbError>
    readonly leave: (sender: string, messageIds: ReadonlyArray<MessageId>) => Effect.Effect<Leaving, StateDbError>
    readonly cancel: (messageId: MessageId) => Effect.Effect<Cancelled, StateDbError>
    /** Whether the message is this sender's still. */
    readonly isSender: (sender: string, messageId: MessageId) => Effect.Effect<boolean, StateDbError>
    /**
     * They are done with, and these problems are to be told. Of what another sender has taken over, a problem is that one's to find and to tell:
     * gives the messages of those that are told of.
     */
    readonly finish: (
      sender: string,
      messageIds: ReadonlyArray<MessageId>,
      problems: ReadonlyArray<SendProblem>,
    ) => Effect.Effect<ReadonlySet<MessageId>, StateDbError>
    /** What keeps a sender alive in the eyes of others. On the disk, with all that was added before. */
    readonly beat: (sender: string) => Effect.Effect<void, StateDbError>
    /** Senders of the member's messages, and undefined where some have none. */
    readonly senders: (of: Member) => Effect.Effect<ReadonlyArray<Sender | undefined>, StateDbError>
    /** Takes over the messages of these senders, and those that have none. */
    readonly adopt: (
      of: Member,
      from: ReadonlyArray<string>,
      sender: Omit<Sender, "beat">,
    ) => Effect.Effect<ReadonlyArray<OutboxEntry>, StateDbError>
    /** The sender ends: what waits has none. */
    readonly applyRetention: (sender: string) => Effect.Effect<void, StateDbError>
    /** In the order in which they were asked for. */
    readonly list: Effect.Effect<ReadonlyArray<OutboxEntry>, StateDbError>
    /** Of what was written on this machine lately, sent or not: the messages whose id begins so. */
    readonly sent: (begins: string) => Effect.Effect<ReadonlyArray<SentMessage>, StateDbError>
    /** Nothing of what was sent, was cancelled, or was told to its sender as not sent. */
    readonly unsent: (messageId: MessageId) => Effect.Effect<Unsent | undefined, StateDbError>
    readonly problems: (of: Member) => Effect.Effect<ReadonlyArray<SendProblem>, StateDbError>
    /** Those that this sender may tell now: no other is about to. */
    readonly claimProblems: (
      sender: string,
      messageIds: ReadonlyArray<MessageId>,
      nowMillis: number,
    ) => Effect.Effect<ReadonlySet<MessageId>, StateDbError>
    /** They were claimed, and not told. */
    readonly releaseProblems: (
      sender: string,
      messageIds: ReadonlyArray<MessageId>,
    ) => Effect.Effect<void, StateDbError>
    readonly forgetProblems: (messageIds: ReadonlyArray<MessageId>) => Effect.Effect<void, StateDbError>
    /** All of a mesh that was left. */
    readonly erase: (meshId: MeshId) => Effect.Effect<void, StateDbError>
  }
>()("@claudemesh/client/outbox/OutboxStore") {
  static readonly layer = Layer.effect(
    OutboxStore,
    Effect.map(StateDb, (db) => OutboxStore.of(onDatabase(db))),
  )

  /** For as long as the layer lives. */
  static readonly memory = OutboxStore.layer.pipe(Layer.provide(StateDb.memory))
}

const Row = Schema.Struct({
  seq: Schema.Int,
  id: ClientMessageId,
  message_id: MessageId,
  mesh_id: MeshId,
  member: PublicKey,
  session_id: SessionId,
  written_to: Schema.String,
  frame: Schema.String,
  sealed_at: Schema.Int,
  has_left: Schema.Int,
})
const ProblemRow = Schema.Struct({
  message_id: MessageId,
  mesh_id: MeshId,
  member: PublicKey,
  session_id: SessionId,
  written_to: Schema.String,
  target: Schema.String,
  code: Schema.String,
  explanation: Schema.String,
  at: Schema.Int,
  sealed_at: Schema.NullOr(Schema.Int),
})
const SenderRow = Schema.Struct({ sender: Schema.String, pid: Schema.Int, host: Schema.String, beat: Schema.Int })

const decodeSent = Schema.decodeUnknownOption(Schema.Struct({ mesh_id: MeshId, message_id: MessageId }))
const decodeRow = Schema.decodeUnknownResult(Row)
const decodeProblem = Schema.decodeUnknownResult(ProblemRow)
const decodeSender = Schema.decodeUnknownResult(SenderRow)

const isSend = (frame: { readonly type: string }): frame is Send => frame.type === "send"

/** Nothing where somebody else wrote into the table. */
const entryOf = (row: unknown): ReadonlyArray<OutboxEntry> => {
  const found = Result.getOrUndefined(decodeRow(row))
  const frame = found && Result.getOrUndefined(decodeClientFrame(found.frame))
  if (found === undefined || frame === undefined || !isSend(frame)) return []
  return [
    {
      seq: found.seq,
      id: found.id,
      messageId: found.message_id,
      meshId: found.mesh_id,
      member: found.member,
      sessionId: found.session_id,
      to: found.written_to,
      frame,
      sealedAtMillis: found.sealed_at,
      hasLeft: found.has_left === 1,
    },
  ]
}

const problemOf = (row: unknown): ReadonlyArray<SendProblem> => {
  const found = Result.getOrUndefined(decodeProblem(row))
  if (found === undefined) return []
  const { at, code, explanation, member, target } = found
  return [
    {
      messageId: found.message_id,
      meshId: found.mesh_id,
      member,
      sessionId: found.session_id,
      to: found.written_to,
      target,
      code,
      explanation,
      atMillis: at,
      ...(found.sealed_at !== null && { sealedAtMillis: found.sealed_at }),
    },
  ]
}

const idsOf = (messageIds: ReadonlyArray<string>): string => JSON.stringify(messageIds)
const inIds = "(SELECT value FROM json_each(?))"

const add = (db: Database, entry: NewEntry, { host, pid, sender }: Omit<Sender, "beat">): number | OutboxFull => {
  const { frame, id, member, meshId, messageId, sealedAtMillis, sessionId, to } = entry
  const text = encodeClientFrame(frame)
  const held = db
    .query<{ count: number; characters: number }, [string, string]>(
      "SELECT count(*) AS count, coalesce(sum(length(frame)), 0) AS characters FROM outbox WHERE mesh_id = ? AND member = ?",
    )
    .get(meshId, member)
  const count = held?.count ?? 0
  if (count >= outboxMemberMax || (held?.characters ?? 0) + text.length > outboxMemberCharactersMax) {
    return new OutboxFull({ waiting: count, of: "member" })
  }
  db.query("INSERT OR IGNORE INTO outbox_sender (sender, pid, host, beat) VALUES (?, ?, ?, 0)").run(sender, pid, host)
  const { lastInsertRowid } = db
    .query(
      `INSERT INTO outbox (mesh_id, member, id, message_id, session_id, written_to, target, frame, sealed_at, has_left, sender)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
    )
    .run(meshId, member, id, messageId, sessionId, to, targetOf(entry), text, sealedAtMillis, sender)
  const sent = db.query("INSERT OR IGNORE INTO sent_message (mesh_id, message_id) VALUES (?, ?)").run(meshId, messageId)
  db.query("DELETE FROM sent_message WHERE seq <= ?").run(Number(sent.lastInsertRowid) - sentMessagesMax)
  return Number(lastInsertRowid)
}

const leave = (db: Database, sender: string, messageIds: ReadonlyArray<MessageId>): Leaving => {
  const asked = [sender, idsOf(messageIds)] as const
  const behind = db.query<{ message_id: string }, [string, string]>(isBehind).all(...asked)
  const later = among(messageIds, behind)
  const rows = db
    .query<{ message_id: string }, [string, string]>(
      `UPDATE outbox SET has_left = 1 WHERE sender = ? AND message_id IN ${inIds} RETURNING message_id`,
    )
    .all(sender, idsOf(messageIds.filter((messageId) => !later.has(messageId))))
  return { now: among(messageIds, rows), later }
}

const isBehind = `SELECT o.message_id FROM outbox o WHERE o.sender = ?1 AND o.message_id IN (SELECT value FROM json_each(?2))
  AND EXISTS (
    SELECT 1 FROM outbox e WHERE e.mesh_id = o.mesh_id AND e.member = o.member AND e.seq < o.seq
    AND e.sender IS NOT ?1 AND e.session_id = o.session_id AND e.target = o.target
  )`

const cancel = (db: Database, messageId: MessageId): Cancelled => {
  const { changes } = db.query("DELETE FROM outbox WHERE message_id = ? AND has_left = 0").run(messageId)
  if (changes > 0) return "cancelled"
  return db.query("SELECT 1 FROM outbox WHERE message_id = ?").get(messageId) === null ? "unknown" : "left"
}

const finish = (
  db: Database,
  sender: string,
  messageIds: ReadonlyArray<MessageId>,
  problems: ReadonlyArray<SendProblem>,
): ReadonlySet<MessageId> => {
  const ofProblems = problems.map(({ messageId }) => messageId)
  const removed = db
    .query<{ message_id: string }, [string, string]>(
      `DELETE FROM outbox WHERE sender = ? AND message_id IN ${inIds} RETURNING message_id`,
    )
    .all(sender, idsOf(ofProblems))
  // Whoever has taken over what a broker has need not send it.
  const others = messageIds.filter((messageId) => !ofProblems.includes(messageId))
  db.query(`DELETE FROM outbox WHERE message_id IN ${inIds}`).run(idsOf(others))
  const told = among(ofProblems, removed)
  for (const problem of problems) {
    if (!told.has(problem.messageId)) continue
    const { atMillis, code, explanation, member, meshId, messageId, sealedAtMillis, sessionId, target, to } = problem
    db.query(
      `INSERT OR REPLACE INTO outbox_problem
       (message_id, mesh_id, member, session_id, written_to, target, code, explanation, at, sealed_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ).run(messageId, meshId, member, sessionId, to, target, code, explanation, atMillis, sealedAtMillis ?? null)
  }
  if (told.size === 0) return told
  db.query(
    "DELETE FROM outbox_problem WHERE rowid NOT IN (SELECT rowid FROM outbox_problem ORDER BY at DESC, rowid DESC LIMIT ?)",
  ).run(outboxProblemsMax)
  return told
}

const unsent = (db: Database, messageId: MessageId): Unsent | undefined => {
  const inTable = (table: "outbox" | "outbox_problem") =>
    db.query(`SELECT * FROM ${table} WHERE message_id = ?`).all(messageId)
  const [entry] = inTable("outbox").flatMap(entryOf)
  if (entry !== undefined) return { _tag: "Waiting", entry }
  const [problem] = inTable("outbox_problem").flatMap(problemOf)
  return problem && { _tag: "NotSent", problem }
}

const claimProblems = (
  db: Database,
  sender: string,
  messageIds: ReadonlyArray<MessageId>,
  nowMillis: number,
): ReadonlySet<MessageId> => {
  const rows = db
    .query<{ message_id: string }, [string, number, string]>(
      `UPDATE outbox_problem SET claimed_by = ?1, claimed_at = ?2 WHERE message_id IN (SELECT value FROM json_each(?3))
       AND (claimed_by IS NULL OR claimed_by = ?1 OR abs(?2 - claimed_at) >= ${problemClaimMillis}) RETURNING message_id`,
    )
    .all(sender, nowMillis, idsOf(messageIds))
  return among(messageIds, rows)
}

const among = (
  messageIds: ReadonlyArray<MessageId>,
  rows: ReadonlyArray<{ readonly message_id: string }>,
): ReadonlySet<MessageId> => {
  const found = new Set(rows.map(({ message_id }) => message_id))
  return new Set(messageIds.filter((messageId) => found.has(messageId)))
}

const adopt = (
  db: Database,
  { member, meshId }: Member,
  from: ReadonlyArray<string>,
  { host, pid, sender }: Omit<Sender, "beat">,
): ReadonlyArray<OutboxEntry> => {
  const rows = db
    .query(
      `UPDATE outbox SET sender = ?1 WHERE mesh_id = ?2 AND member = ?3
       AND (sender IS NULL OR sender IN (SELECT value FROM json_each(?4)) OR sender NOT IN (SELECT sender FROM outbox_sender))
       RETURNING *`,
    )
    .all(sender, meshId, member, idsOf(from))
  if (rows.length > 0) {
    db.query("INSERT OR IGNORE INTO outbox_sender (sender, pid, host, beat) VALUES (?, ?, ?, 0)").run(sender, pid, host)
  }
  db.query(`DELETE FROM outbox_sender WHERE sender IN ${inIds}`).run(idsOf(from))
  return rows.flatMap(entryOf).toSorted((a, b) => a.seq - b.seq)
}

const senders = (db: Database, { member, meshId }: Member): ReadonlyArray<Sender | undefined> =>
  db
    .query(
      `SELECT DISTINCT s.sender, s.pid, s.host, s.beat FROM outbox o LEFT JOIN outbox_sender s ON s.sender = o.sender
       WHERE o.mesh_id = ? AND o.member = ?`,
    )
    .all(meshId, member)
    .map((row) => Result.getOrUndefined(decodeSender(row)))

const onDatabase = (state: typeof StateDb.Service): typeof OutboxStore.Service => ({
  add: (entry, sender, durable) =>
    Effect.flatMap(
      state.transaction((db) => add(db, entry, sender), { durable }),
      (added) => (added instanceof OutboxFull ? Effect.fail(added) : Effect.succeed(added)),
    ),
  leave: (sender, messageIds) => state.transaction((db) => leave(db, sender, messageIds)),
  cancel: (messageId) => state.transaction((db) => cancel(db, messageId), { durable: true }),
  isSender: (sender, messageId) =>
    state.read(
      (db) => db.query("SELECT 1 FROM outbox WHERE message_id = ? AND sender = ?").get(messageId, sender) !== null,
    ),
  finish: (sender, messageIds, problems) => state.transaction((db) => finish(db, sender, messageIds, problems)),
  beat: (sender) =>
    state.transaction((db) => void db.query("UPDATE outbox_sender SET beat = beat + 1 WHERE sender = ?").run(sender), {
      durable: true,
    }),
  senders: (of) => state.read((db) => senders(db, of)),
  adopt: (of, from, sender) => state.transaction((db) => adopt(db, of, from, sender)),
  applyRetention: (sender) =>
    state.transaction((db) => {
      db.query("UPDATE outbox SET sender = NULL WHERE sender = ?").run(sender)
      db.query("DELETE FROM outbox_sender WHERE sender = ?").run(sender)
    }),
  list: state.read((db) => db.query("SELECT * FROM outbox ORDER BY seq").all().flatMap(entryOf)),
  sent: (begins) =>
    /^[0-9a-f]{1,32}$/.test(begins)
      ? state.read((db) =>
          db
            .query("SELECT mesh_id, message_id FROM sent_message WHERE message_id GLOB ? ORDER BY seq DESC")
            .all(`${begins}*`)
            .flatMap((row) =>
              Option.match(decodeSent(row), {
                onNone: () => [],
                onSome: ({ mesh_id: meshId, message_id: messageId }): ReadonlyArray<SentMessage> => [
                  { meshId, messageId },
                ],
              }),
            ),
        )
      : Effect.succeed([]),
  unsent: (messageId) => state.read((db) => unsent(db, messageId)),
  problems: ({ member, meshId }) =>
    state.read((db) =>
      db
        .query("SELECT * FROM outbox_problem WHERE mesh_id = ? AND member = ? ORDER BY at")
        .all(meshId, member)
        .flatMap(problemOf),
    ),
  claimProblems: (sender, messageIds, nowMillis) =>
    state.transaction((db) => claimProblems(db, sender, messageIds, nowMillis)),
  releaseProblems: (sender, messageIds) =>
    state.transaction(
      (db) =>
        void db
          .query(`UPDATE outbox_problem SET claimed_by = NULL WHERE claimed_by = ? AND message_id IN ${inIds}`)
          .run(sender, idsOf(messageIds)),
    ),
  forgetProblems: (messageIds) =>
    state.transaction(
      (db) => void db.query(`DELETE FROM outbox_problem WHERE message_id IN ${inIds}`).run(idsOf(messageIds)),
    ),
  erase: (meshId) =>
    state.transaction((db) => {
      db.query("DELETE FROM outbox WHERE mesh_id = ?").run(meshId)
      db.query("DELETE FROM outbox_problem WHERE mesh_id = ?").run(meshId)
    }),
})

export const targetOf = ({ frame }: Pick<NewEntry, "frame">): string => formatTarget(frame.targetSpec)
