/** The embedded database as the source of a move: what lies there by numbers is put together as rows of Postgres. */
import type { Database } from "bun:sqlite"
import { eventsOfBlock } from "@claudemesh/domain/audit/BlockEvents"
import { Effect, Schema } from "effect"
import { receiptsTogether } from "../postgres/Layout.ts"
import { type Handle, reading } from "../sqlite/Handle.ts"
import { addressOf, messageKey, meshNumberOf, priorityName, priorityOf, seqOf, waitingKey } from "../sqlite/Layout.ts"
import {
  type Alike,
  charactersAtOnce,
  checkTables,
  countsBy,
  type Failing,
  isAlike,
  type Kind,
  ofOneDatabase,
  type Row,
  rowIn,
  rowsAtOnce,
  type Source,
} from "./Kinds.ts"

/** JSON of what the names stand for, in their order. */
const object = (values: Readonly<Record<string, string>>): string =>
  `json_object(${Object.entries(values)
    .map(([name, value]) => `'${name}', ${value}`)
    .join(", ")})`

/** Of a mesh, as an address without a member. */
const ofMesh = (alias: string, mesh: string): string =>
  `mesh.address ${alias} ON ${alias}.mesh_id = ${mesh} AND ${alias}.member_id = '' AND ${alias}.session_id = ''`

const isAt = (address: string): string =>
  `(EXISTS (SELECT 1 FROM mesh.consumed c WHERE c.message = a.key AND c.address = ${address})
    OR EXISTS (SELECT 1 FROM mesh.waiting w WHERE w.key = ${waitingKey(address, "a.priority", seqOf("a.key"))}))`

/** Where each delivery is now: where it was sent to, or, if it was moved since, at its member's. Postgres has that in the message's row. */
const recipients = `(SELECT json_object('members', json_group_array(o.member_id), 'sessions', json_group_array(o.session_id)) FROM (
    SELECT i.member_id, i.session_id FROM (
      SELECT CASE WHEN ${isAt("d.number")} THEN d.number WHEN ${isAt("d.own")} THEN d.own END AS number, min(r.key) AS place
      FROM json_each(a.recipients) r JOIN mesh.address d ON d.number = r.value GROUP BY 1) p
    JOIN mesh.address i ON i.number = p.number ORDER BY p.place) o)`

const highest = (seq: string, table: "audit_block" | "journal"): string =>
  `coalesce((SELECT max(${seq}) FROM mesh.address n JOIN mesh.${table} j
    ON j.key >= ${messageKey("n.number", "0")} AND j.key < ${messageKey("(n.number + 1)", "0")}
  WHERE n.mesh_id = o.id AND n.member_id = '' AND n.session_id = ''), 0)`
const lastSeq = `max(${highest("j.last_seq", "audit_block")}, ${highest(seqOf("j.key"), "journal")})`

const sender = "CROSS JOIN mesh.address s ON s.number = a.sender"

/** What is of the message and not of one that waits for it. */
const ofMessage = {
  id: "lower(hex(a.id))",
  sender_member_id: "s.member_id",
  sender_session_id: "s.session_id",
  content_hash: "a.content_hash",
  created_at: "a.created_at",
}

const text = "coalesce(w.ciphertext, g.ciphertext)"
const waiting = `mesh.waiting w CROSS JOIN mesh.address i ON i.number = ${addressOf("w.key")} CROSS JOIN ${ofMesh("m", "i.mesh_id")}
  CROSS JOIN mesh.accepted a ON a.key = ${messageKey("m.number", seqOf("w.key"))} ${sender}
  LEFT JOIN mesh.group_text g ON w.ciphertext IS NULL AND g.key = a.key WHERE ${text} <> ''`
const ofItsOwn = (value: string): string => `iif(w.ciphertext IS NULL, NULL, ${value})`

const receipts =
  "mesh.consumed c CROSS JOIN mesh.accepted a ON a.key = c.message CROSS JOIN mesh.address i ON i.number = c.address"

/** What lies under a mesh. Where a mesh has nothing but its last number, that is a row without events. */
const ofMeshes = (table: "audit_block" | "journal"): string =>
  `mesh.${table} j JOIN mesh.address n ON n.number = ${meshNumberOf("j.key")} WHERE j.events <> '[]' ORDER BY j.key`

const rowTexts: Readonly<Record<Exclude<Kind, Alike | "mesh">, string>> = {
  accepted: `SELECT ${object({
    ...ofMessage,
    mesh_id: "s.mesh_id",
    seq: seqOf("a.key"),
    priority: priorityName("a.priority"),
    expires_at: "a.expires_at",
    recipients,
  })} AS text FROM mesh.accepted a ${sender} ORDER BY a.key`,
  group_text: `SELECT ${object({
    ...ofMessage,
    mesh_id: "s.mesh_id",
    seq: seqOf("g.key"),
    expires_at: "g.expires_at",
    remaining: "g.waits",
    target_spec: "g.target_spec",
    nonce: "g.nonce",
    ciphertext: "g.ciphertext",
    reply_to: "g.reply_to",
  })} AS text FROM mesh.group_text g CROSS JOIN mesh.accepted a ON a.key = g.key ${sender} WHERE g.ciphertext <> ''`,
  waiting: `SELECT ${object({
    ...Object.fromEntries(Object.entries(ofMessage).map(([name, value]) => [name, ofItsOwn(value)])),
    mesh_id: "i.mesh_id",
    member_id: "i.member_id",
    session_id: "i.session_id",
    priority: priorityName(priorityOf("w.key")),
    seq: seqOf("w.key"),
    expires_at: "w.expires_at",
    characters: `octet_length(${text})`,
    sealed_key: "w.sealed_key",
    leased_at: "w.leased_at",
    target_spec: "w.target_spec",
    nonce: "w.nonce",
    ciphertext: "w.ciphertext",
    reply_to: "w.reply_to",
  })} AS text FROM ${waiting}`,
  consumed: `SELECT ${object({
    mesh_id: "i.mesh_id",
    seq: seqOf("c.message"),
    member: "i.member_id",
    session: "i.session_id",
    at: "c.at",
    expires_at: "a.expires_at",
  })} AS text FROM ${receipts} ORDER BY c.message, c.address`,
  journal: `SELECT ${object({
    mesh_id: "n.mesh_id",
    last_seq: seqOf("j.key"),
    at: "j.at",
    actors: "j.actors",
    events: "j.events",
  })} AS text FROM ${ofMeshes("journal")}`,
  audit_block: `SELECT ${object({
    mesh_id: "n.mesh_id",
    number: "j.number",
    previous: "lower(hex(j.previous))",
    hash: "lower(hex(j.hash))",
    at: "j.at",
    total: "j.total",
    actors: "j.actors",
    events: "j.events",
  })} AS text FROM ${ofMeshes("audit_block")}`,
}

const countTexts: Partial<Record<Kind, string>> = {
  group_text: "SELECT count(*) AS count FROM mesh.group_text WHERE ciphertext <> ''",
  waiting: `SELECT count(*) AS count FROM ${waiting}`,
  consumed: `SELECT count(*) AS count FROM ${receipts}`,
  journal: "SELECT coalesce(sum(json_array_length(events)), 0) AS count FROM mesh.journal",
}

/** Of either end: they are counted as they lie in the file. */
export const sqliteCounts = ({ database }: Handle) =>
  reading(() => {
    const count = (kind: Kind) =>
      database
        .query<{ readonly count: number }, []>(countTexts[kind] ?? `SELECT count(*) AS count FROM mesh.${kind}`)
        .get()?.count ?? 0
    return countsBy(count)
  })

export const tablesIn = (database: Database): ReadonlyArray<string> =>
  database
    .query<{ readonly name: string }, []>(
      "SELECT name FROM mesh.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    )
    .all()
    .map(({ name }) => name)

export const columnsIn = (database: Database, table: string): ReadonlyArray<string> =>
  database
    .query<{ readonly name: string }, [string]>("SELECT name FROM pragma_table_info(?, 'mesh')")
    .all(table)
    .map(({ name }) => name)

const rowText = (database: Database, kind: Kind): string => {
  if (kind !== "mesh" && !isAlike(kind)) return rowTexts[kind]
  const columns = Object.fromEntries(columnsIn(database, kind).map((name) => [name, `o."${name}"`]))
  return `SELECT ${object(kind === "mesh" ? { ...columns, last_seq: lastSeq } : columns)} AS text FROM mesh.${kind} o`
}

/** While they are read nothing is written to the file. */
const pages = Effect.fnUntraced(function* (
  database: Database,
  query: string,
  take: (rows: ReadonlyArray<string>) => Effect.Effect<void, Failing>,
) {
  const statement = yield* Effect.acquireRelease(
    reading(() => database.prepare<{ readonly text: string }, []>(query)),
    (one) => Effect.sync(() => one.finalize()),
  )
  const rows = yield* reading(() => statement.iterate()[Symbol.iterator]())
  const nextPage = reading(() => {
    const page: Array<string> = []
    for (let characters = 0; page.length < rowsAtOnce && characters < charactersAtOnce;) {
      const { done, value } = rows.next()
      if (done === true) break
      page.push(value.text)
      characters += value.text.length
    }
    return page
  })
  for (let page = yield* nextPage; page.length > 0; page = yield* nextPage) yield* take(page)
}, Effect.scoped)

const decodeRecipients = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Struct({ members: Schema.Array(Schema.String), sessions: Schema.Array(Schema.String) })),
)
const withRecipients = Effect.fnUntraced(function* (text: string) {
  const { recipients: asText, ...row } = yield* rowIn(text)
  const { members, sessions } = yield* decodeRecipients(asText)
  return { ...row, recipient_members: members, recipient_sessions: sessions }
})

const decodeReceipt = Schema.decodeUnknownEffect(
  Schema.fromJsonString(
    Schema.Struct({
      mesh_id: Schema.String,
      seq: Schema.Number,
      member: Schema.String,
      session: Schema.String,
      at: Schema.Number,
      expires_at: Schema.Number,
    }),
  ),
)
type Receipt = Effect.Success<ReturnType<typeof decodeReceipt>>

/** Those of numbers that stand together, as an ack of a batch has them. One page of them may be several rows of one bucket. */
const together = (receiptsOfPage: ReadonlyArray<Receipt>): ReadonlyArray<Row> => {
  const buckets = Map.groupBy(receiptsOfPage, ({ mesh_id, seq }) => `${mesh_id}/${Math.floor(seq / receiptsTogether)}`)
  return [...buckets.values()].map((all) => ({
    mesh_id: all[0]?.mesh_id ?? null,
    bucket: Math.floor((all[0]?.seq ?? 0) / receiptsTogether),
    at: Math.max(...all.map(({ at }) => at)),
    expires_at: Math.max(...all.map(({ expires_at }) => expires_at)),
    seqs: all.map(({ seq }) => seq),
    members: all.map(({ member }) => member),
    sessions: all.map(({ session }) => session),
    ats: all.map(({ at }) => at),
  }))
}

const decodeEntry = Schema.decodeUnknownEffect(
  Schema.fromJsonString(
    Schema.Struct({
      mesh_id: Schema.String,
      last_seq: Schema.Number,
      at: Schema.Number,
      actors: Schema.String,
      events: Schema.String,
    }),
  ),
)

/** From before there was a chain. */
const entry = Effect.fnUntraced(function* (text: string) {
  const { actors, at, events, last_seq, mesh_id } = yield* decodeEntry(text)
  const all = eventsOfBlock({
    mesh: mesh_id,
    number: 0,
    previous: "",
    hash: "",
    atMillis: at,
    total: 0,
    actors,
    events,
  })
  return {
    mesh_id,
    last_seq,
    at,
    seqs: all.map(({ seq }) => seq),
    events: all.map(({ event }) => event),
    ats: all.map(({ atMillis }) => atMillis),
    members: all.map(({ member }) => member),
    sessions: all.map(({ session }) => session),
    messages: all.map(({ messageId }) => messageId),
    specs: all.map(({ target }) => target),
    priorities: all.map(({ priority }) => priority),
    bytes: all.map(({ bytes }) => bytes),
    recipients: all.map((one) => one.recipients),
  }
})

const rowsOf = (kind: Kind, texts: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Row>, Failing> => {
  switch (kind) {
    case "accepted":
      return Effect.forEach(texts, withRecipients)
    case "consumed":
      return Effect.map(
        Effect.forEach(texts, (text) => decodeReceipt(text)),
        together,
      )
    case "journal":
      return Effect.forEach(texts, entry)
    default:
      return Effect.forEach(texts, (text) => rowIn(text))
  }
}

export const fromSqlite = (handle: Handle): Source => ({
  counts: sqliteCounts(handle),
  each: (kind, take) =>
    Effect.andThen(
      Effect.suspend(() => checkTables(tablesIn(handle.database), ofOneDatabase.sqlite)),
      pages(handle.database, rowText(handle.database, kind), (texts) => Effect.flatMap(rowsOf(kind, texts), take)),
    ),
})
