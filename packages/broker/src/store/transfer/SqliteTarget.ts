/** The embedded database as the target of a move: rows of Postgres are taken apart into how they lie in the file. Nobody else has it open. */
import type { SQLQueryBindings } from "bun:sqlite"
import { eventsText, eventText } from "@claudemesh/domain/audit/AuditBlock"
import { MemberId, MeshId, MessageId, SessionId } from "@claudemesh/domain/Ids"
import { Priority } from "@claudemesh/domain/routing/Status"
import { Effect, Schema } from "effect"
import { type Addresses, addressesOn } from "../sqlite/Addresses.ts"
import { type Handle, inTransaction, prepare } from "../sqlite/Handle.ts"
import { allIdsIn, messageKey, priorities, seqOf, waitingKey } from "../sqlite/Layout.ts"
import { SessionColumn } from "../sql/Tables.ts"
import { type Kind, type Row, type Target } from "./Kinds.ts"
import { columnsIn, sqliteCounts } from "./SqliteSource.ts"

type Value = SQLQueryBindings

const whole = Schema.Number
const text = Schema.String
const decoder = <S extends Schema.Decoder<unknown>>(schema: S) => Schema.decodeUnknownEffect(Schema.Array(schema))

const decodeAccepted = decoder(
  Schema.Struct({
    id: MessageId,
    mesh_id: MeshId,
    seq: whole,
    sender_member_id: MemberId,
    sender_session_id: SessionColumn,
    priority: Priority,
    content_hash: text,
    created_at: whole,
    expires_at: whole,
    recipient_members: Schema.Array(MemberId),
    recipient_sessions: Schema.Array(SessionColumn),
  }),
)
const decodeWaiting = decoder(
  Schema.Struct({
    mesh_id: MeshId,
    member_id: MemberId,
    session_id: SessionColumn,
    priority: Priority,
    seq: whole,
    expires_at: whole,
    sealed_key: Schema.NullOr(text),
    leased_at: Schema.NullOr(whole),
    nonce: Schema.NullOr(text),
    target_spec: Schema.NullOr(text),
    reply_to: Schema.NullOr(text),
    ciphertext: Schema.NullOr(text),
  }),
)
const decodeGroupText = decoder(
  Schema.Struct({
    mesh_id: MeshId,
    seq: whole,
    remaining: whole,
    expires_at: whole,
    nonce: text,
    target_spec: text,
    reply_to: Schema.NullOr(text),
    ciphertext: text,
  }),
)
const decodeConsumed = decoder(
  Schema.Struct({
    mesh_id: MeshId,
    seqs: Schema.Array(whole),
    members: Schema.Array(MemberId),
    sessions: Schema.Array(SessionColumn),
    ats: Schema.Array(whole),
  }),
)
const decodeBlocks = decoder(
  Schema.Struct({
    mesh_id: MeshId,
    number: whole,
    previous: text,
    hash: text,
    at: whole,
    total: whole,
    actors: text,
    events: text,
  }),
)
const nullable = <S extends Schema.Top>(item: S) => Schema.Array(Schema.NullOr(item))
const decodeJournal = decoder(
  Schema.Struct({
    mesh_id: MeshId,
    last_seq: whole,
    at: whole,
    seqs: Schema.Array(whole),
    events: Schema.Array(text),
    ats: Schema.Array(whole),
    members: nullable(text),
    sessions: nullable(text),
    messages: nullable(text),
    specs: nullable(text),
    priorities: nullable(text),
    bytes: nullable(whole),
    recipients: nullable(whole),
  }),
)
const decodeMeshes = decoder(Schema.Struct({ id: MeshId, last_seq: whole }))
const decodeSeqs = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Array(Schema.TupleWithRest(Schema.Tuple([Schema.NullOr(whole)]), [Schema.Unknown]))),
)

const inboxOf = (memberId: MemberId, session: SessionId | "") => ({
  memberId,
  session: session === "" ? undefined : session,
})

export const intoSqlite = (handle: Handle): Target => {
  const addresses = addressesOn(handle)
  /** The last number that each mesh has given. */
  const lastSeqs = new Map<MeshId, number>()
  const messages = messagesOn(handle, addresses)
  const waiting = waitingOn(handle, addresses)
  const audit = auditOn(handle, addresses)
  return {
    counts: sqliteCounts(handle),
    write: (kind, rows) => {
      switch (kind) {
        case "mesh":
          return Effect.gen(function* () {
            for (const { id, last_seq } of yield* decodeMeshes(rows)) lastSeqs.set(id, last_seq)
            yield* copied(
              handle,
              kind,
              rows.map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => name !== "last_seq"))),
            )
          })
        case "accepted":
          return Effect.flatMap(decodeAccepted(rows), messages.accepted)
        case "waiting":
          return Effect.flatMap(decodeWaiting(rows), waiting.waiting)
        case "group_text":
          return Effect.flatMap(decodeGroupText(rows), waiting.groupTexts)
        case "consumed":
          return Effect.flatMap(decodeConsumed(rows), messages.consumed)
        case "audit_block":
          return Effect.flatMap(decodeBlocks(rows), audit.blocks)
        case "journal":
          return Effect.flatMap(decodeJournal(rows), audit.entries)
        default:
          return copied(handle, kind, rows)
      }
    },
    complete: Effect.andThen(messages.complete, audit.complete(lastSeqs)),
  }
}

/** A table that is alike: its columns are those that the file has. */
const copied = (handle: Handle, kind: Kind, rows: ReadonlyArray<Row>) => {
  const columns = columnsIn(handle.database, kind)
  const [first = {}] = rows
  const strange = [...columns, ...Object.keys(first)].filter(
    (name) => !columns.includes(name) || !Object.hasOwn(first, name),
  )
  if (strange.length > 0) return Effect.die(`${kind}.${strange[0]} is of one database alone`)
  const insert = `INSERT INTO mesh.${kind} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`
  return inTransaction(handle, () => {
    const statement = handle.database.query<never, Array<Value>>(insert)
    for (const row of rows) {
      statement.run(
        ...columns.map((name): Value => {
          const value = row[name]
          return typeof value === "string" || typeof value === "number" ? value : null
        }),
      )
    }
  })
}

type RowsOf<Decode extends (rows: ReadonlyArray<Row>) => Effect.Effect<unknown, unknown>> = Effect.Success<
  ReturnType<Decode>
>

const placeOf = (priority: Priority): number => priorities.indexOf(priority)

const messagesOn = (handle: Handle, addresses: Addresses) => {
  const accept = prepare<never, Array<Value>>(
    handle,
    `INSERT INTO mesh.accepted (key, id, sender, priority, created_at, expires_at, content_hash, recipients)
      VALUES (${messageKey("?", "?")}, unhex(?), ?, ?, ?, ?, ?, ?)`,
  )
  // The first ack counts, and one whose message is known no more says nothing.
  const consume = prepare<never, Array<Value>>(
    handle,
    `INSERT INTO mesh.consumed (message, address, at) SELECT key, ?, ? FROM mesh.accepted WHERE key = ${messageKey("?", "?")}
      ON CONFLICT (message, address) DO UPDATE SET at = min(at, excluded.at)`,
  )
  // What has expired has its row here until its message is known no more.
  const expired = `INSERT INTO mesh.waiting (key, expires_at, ciphertext)
    SELECT ${waitingKey("r.value", "a.priority", seqOf("a.key"))}, a.expires_at, '' FROM mesh.accepted a CROSS JOIN json_each(a.recipients) r
    WHERE NOT EXISTS (SELECT 1 FROM mesh.consumed c WHERE c.message = a.key AND c.address = r.value)
      AND NOT EXISTS (SELECT 1 FROM mesh.waiting w WHERE w.key = ${waitingKey("r.value", "a.priority", seqOf("a.key"))})`

  return {
    accepted: (rows: RowsOf<typeof decodeAccepted>) =>
      inTransaction(handle, () => {
        for (const one of rows) {
          const used = (memberId: MemberId, session: SessionId | ""): number =>
            addresses.used(one.mesh_id, inboxOf(memberId, session), one.created_at).number
          const inboxes = one.recipient_members.map((member, index) =>
            used(member, one.recipient_sessions[index] ?? ""),
          )
          accept.run(
            addresses.newMeshNumber(one.mesh_id),
            one.seq,
            one.id,
            used(one.sender_member_id, one.sender_session_id),
            placeOf(one.priority),
            one.created_at,
            one.expires_at,
            one.content_hash,
            `[${inboxes.join(",")}]`,
          )
        }
      }),
    consumed: (rows: RowsOf<typeof decodeConsumed>) =>
      inTransaction(handle, () => {
        for (const { ats, members, mesh_id, seqs, sessions } of rows) {
          const mesh = addresses.newMeshNumber(mesh_id)
          for (const [index, seq] of seqs.entries()) {
            const [member, at] = [members[index], ats[index]]
            if (member === undefined || at === undefined) continue
            const address = addresses.find(mesh_id, inboxOf(member, sessions[index] ?? ""))
            if (address !== undefined) consume.run(address.number, at, mesh, seq)
          }
        }
      }),
    complete: inTransaction(handle, () => {
      for (const statement of [expired, ...allIdsIn]) handle.database.run(statement)
    }),
  }
}

const waitingOn = (handle: Handle, addresses: Addresses) => {
  const wait = prepare<never, Array<Value>>(
    handle,
    `INSERT INTO mesh.waiting (key, leased_at, expires_at, sealed_key, nonce, target_spec, reply_to, ciphertext)
      VALUES (${waitingKey("?", "?", "?")}, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const groupText = prepare<never, Array<Value>>(
    handle,
    `INSERT INTO mesh.group_text (key, waits, expires_at, nonce, target_spec, reply_to, ciphertext)
      VALUES (${messageKey("?", "?")}, ?, ?, ?, ?, ?, ?)`,
  )

  return {
    waiting: (rows: RowsOf<typeof decodeWaiting>) =>
      inTransaction(handle, () => {
        for (const one of rows) {
          const inbox = inboxOf(one.member_id, one.session_id)
          const address = addresses.find(one.mesh_id, inbox) ?? addresses.used(one.mesh_id, inbox, one.expires_at)
          const { ciphertext, nonce, reply_to, target_spec } = one
          const kept = [one.leased_at, one.expires_at, one.sealed_key, nonce, target_spec, reply_to, ciphertext]
          wait.run(address.number, placeOf(one.priority), one.seq, ...kept)
        }
      }),
    groupTexts: (rows: RowsOf<typeof decodeGroupText>) =>
      inTransaction(handle, () => {
        for (const { ciphertext, expires_at, mesh_id, nonce, remaining, reply_to, seq, target_spec } of rows) {
          const mesh = addresses.newMeshNumber(mesh_id)
          groupText.run(mesh, seq, remaining, expires_at, nonce, target_spec, reply_to, ciphertext)
        }
      }),
  }
}

const auditOn = (handle: Handle, addresses: Addresses) => {
  const insertBlock = prepare<never, Array<Value>>(
    handle,
    `INSERT INTO mesh.audit_block (key, number, previous, hash, at, total, last_seq, actors, events)
      VALUES (${messageKey("?", "?")}, ?, unhex(?), unhex(?), ?, ?, ?, ?, ?)`,
  )
  const insertEntry = prepare<never, Array<Value>>(
    handle,
    `INSERT INTO mesh.journal (key, at, actors, events) VALUES (${messageKey("?", "?")}, ?, ?, ?)`,
  )
  // The newest block of a mesh says its last number; where there is none, the key of what is from before there were any does.
  const sayLast = prepare<never, [number, number, number]>(
    handle,
    `UPDATE mesh.audit_block SET last_seq = max(last_seq, ?) WHERE key = (SELECT max(key) FROM mesh.audit_block
      WHERE key >= ${messageKey("?", "0")} AND key < ${messageKey("(? + 1)", "0")})`,
  )
  const insertLast = prepare<never, [number, number, number, number, number]>(
    handle,
    `INSERT INTO mesh.journal (key, at, actors, events) SELECT ${messageKey("?", "?")}, 0, '[]', '[]'
      WHERE NOT EXISTS (SELECT 1 FROM mesh.journal WHERE key >= ${messageKey("?", "?")} AND key < ${messageKey("(? + 1)", "0")})`,
  )
  /** By the number of a mesh, as of its blocks up to here. */
  const lasts = new Map<number, number>()

  return {
    /** In the order of their numbers. */
    blocks: Effect.fnUntraced(function* (rows: RowsOf<typeof decodeBlocks>) {
      const withSeqs = yield* Effect.forEach(rows, (row) =>
        Effect.map(decodeSeqs(row.events), (events) => ({ ...row, seqs: events.map(([seq]) => seq ?? 0) })),
      )
      yield* inTransaction(handle, () => {
        for (const { actors, at, events, hash, mesh_id, number, previous, seqs, total } of withSeqs) {
          const mesh = addresses.newMeshNumber(mesh_id)
          const last = Math.max(lasts.get(mesh) ?? 0, ...seqs)
          lasts.set(mesh, last)
          insertBlock.run(mesh, number, number, previous, hash, at, total, last, actors, events)
        }
      })
    }),
    entries: (rows: RowsOf<typeof decodeJournal>) =>
      inTransaction(handle, () => {
        for (const row of rows) {
          const { actors, events } = entryOf(row)
          insertEntry.run(addresses.newMeshNumber(row.mesh_id), row.last_seq, row.at, actors, events)
        }
      }),
    complete: (lastSeqs: ReadonlyMap<MeshId, number>) =>
      inTransaction(handle, () => {
        for (const [meshId, seq] of lastSeqs) {
          const mesh = addresses.newMeshNumber(meshId)
          if (sayLast.run(seq, mesh, mesh).changes === 0) insertLast.run(mesh, seq, mesh, seq, mesh)
        }
      }),
  }
}

/** Each actor once. */
const entryOf = (row: RowsOf<typeof decodeJournal>[number]) => {
  const actors = new Map<string, number>()
  const texts = row.seqs.map((seq, index) => {
    const member = row.members[index] ?? undefined
    const name = member === undefined ? undefined : JSON.stringify([member, row.sessions[index] ?? null])
    const actor = name === undefined ? undefined : (actors.get(name) ?? actors.size)
    if (name !== undefined && actor !== undefined) actors.set(name, actor)
    return eventText({
      seq,
      atMillis: row.ats[index] ?? row.at,
      event: row.events[index] ?? "",
      actor,
      messageId: row.messages[index] ?? undefined,
      targetSpec: row.specs[index] ?? undefined,
      priority: row.priorities[index] ?? undefined,
      bytes: row.bytes[index] ?? undefined,
      recipients: row.recipients[index] ?? undefined,
    })
  })
  return { actors: `[${[...actors.keys()].join(",")}]`, events: eventsText(texts) }
}
