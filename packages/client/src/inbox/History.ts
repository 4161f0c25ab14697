/**
 * The last messages that were opened on this machine, so that what was shown can be shown again: 200 of each mesh, for 7
 * days, in `state.db`. They are written before anybody is shown them, and `leave` erases a mesh's. It is the one place
 * where texts lie unencrypted (`docs/security.md`); `CLAUDEMESH_HISTORY=0` keeps none.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import { DisplayName, MeshId, MessageId, PublicKey, SessionId, Slug } from "@claudemesh/domain/Ids"
import { isoFromMillis, IsoTime } from "@claudemesh/domain/IsoTime"
import { Priority } from "@claudemesh/domain/routing/Status"
import { Role } from "@claudemesh/domain/trust/Invite"
import { Clock, Config, Context, Effect, Layer, Option, Schema } from "effect"
import { historyDaysDefault, historyDaysMax, historyMessagesDefault, historyMessagesMax } from "../Limits.ts"
import { type Database, StateDb, type StateDbError } from "../local/StateDb.ts"
import type { InboxMessage } from "./Inbox.ts"

/** A message as it was shown, and when that was. */
export interface ShownMessage {
  readonly message: InboxMessage
  readonly shownAt: IsoTime
}

export class HistoryUnknown extends Schema.TaggedError<HistoryUnknown>()("HistoryUnknown", {
  variable: Schema.String,
  value: Schema.String,
  max: Schema.Int,
}) {
  get what() {
    return `${this.variable} is ${JSON.stringify(this.value)}.`
  }
  get hint() {
    return `Set it to a number from 0 to ${this.max}, or unset it.`
  }
  override get message() {
    return withHint(this)
  }
}

export type HistoryError = StateDbError | HistoryUnknown

export class History extends Context.Service<
  History,
  {
    /** Of these, what was opened. What cannot be kept stops nobody from reading: it is logged. */
    readonly add: (messages: ReadonlyArray<InboxMessage>) => Effect.Effect<void>
    /** Of all meshes, in the order in which they were shown. */
    readonly list: Effect.Effect<ReadonlyArray<ShownMessage>, HistoryError>
    /** By a message id or its beginning: all that fit. */
    readonly find: (id: string) => Effect.Effect<ReadonlyArray<ShownMessage>, HistoryError>
    readonly erase: (meshId: MeshId) => Effect.Effect<void, StateDbError>
  }
>()("@claudemesh/client/inbox/History") {
  static readonly layer = Layer.effect(
    History,
    Effect.suspend(() => open),
  )
}

const dayMillis = 86_400_000

const numberIn = (variable: string, byDefault: number, max: number) =>
  Config.String(variable).pipe(
    Config.withDefault(""),
    Effect.orDie,
    Effect.flatMap((value) => {
      if (value === "") return Effect.succeed(byDefault)
      const number = /^\d{1,6}$/.test(value) ? Number(value) : Number.NaN
      return number <= max ? Effect.succeed(number) : Effect.fail(new HistoryUnknown({ variable, value, max }))
    }),
  )

/** How many messages of a mesh, and how old the oldest may be. Read at each use: nothing is kept by a mistake. */
export const historyBounds = Effect.gen(function* () {
  const messages = yield* numberIn("CLAUDEMESH_HISTORY", historyMessagesDefault, historyMessagesMax)
  const days = yield* numberIn("CLAUDEMESH_HISTORY_DAYS", historyDaysDefault, historyDaysMax)
  return { messages, sinceMillis: (yield* Clock.currentTimeMillis) - days * dayMillis }
})

interface Bounds {
  readonly messages: number
  readonly sinceMillis: number
}

/** What was known of the sender when the message was shown. */
const Standing = Schema.Union([
  Schema.TaggedStruct("Certified", { role: Role, byVoiceAt: Schema.optional(IsoTime) }),
  Schema.TaggedStruct("Revoked", { at: IsoTime, by: PublicKey }),
  Schema.TaggedStruct("Uncertified", {
    doubt: Schema.Literals([
      "no_owner_key",
      "not_asked",
      "no_certificate",
      "no_invite",
      "other_mesh",
      "bad_key",
      "bad_signature",
      "no_consent",
      "bad_invite_signature",
      "expired_invite",
      "issuer_unproved",
      "role_not_given",
    ]),
  }),
  Schema.TaggedStruct("KeyChanged", { pinned: PublicKey, shown: PublicKey }),
])

const Kept = Schema.Struct({
  messageId: MessageId,
  meshId: MeshId,
  slug: Slug,
  senderKey: PublicKey,
  senderSessionId: Schema.optional(SessionId),
  priority: Priority,
  targetSpec: Schema.optional(Schema.String),
  replyTo: Schema.optional(MessageId),
  createdAt: IsoTime,
  redelivered: Schema.Boolean,
  arrival: Schema.Int,
  content: Schema.TaggedStruct("Opened", {
    text: Schema.String,
    binding: Schema.Literals(["bound", "bare", "clear"]),
    sentAt: Schema.optionalKey(IsoTime),
    revocations: Schema.optionalKey(Schema.Int),
  }),
  sender: Schema.Struct({ name: Schema.optional(DisplayName), standing: Standing }),
})
const isKept = Schema.is(Kept)
const encode = Schema.encodeSync(Schema.fromJsonString(Kept))
const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Kept))

interface Row {
  readonly message: string
  readonly shown_millis: number
}

/** A row that does not decode was written by a later program: it is not shown. */
const shown = ({ message, shown_millis }: Row): ReadonlyArray<ShownMessage> =>
  Option.match(decode(message), {
    onNone: () => [],
    onSome: ({ replyTo, sender: { name, standing }, senderSessionId, targetSpec, ...kept }) => {
      const known = standing._tag === "Certified" ? { ...standing, byVoiceAt: standing.byVoiceAt } : standing
      const sender = { name, standing: known }
      return [
        { message: { ...kept, replyTo, senderSessionId, targetSpec, sender }, shownAt: isoFromMillis(shown_millis) },
      ]
    },
  })

/** By indexes alone: it is done whenever a message is shown. */
const trim = (db: Database, { messages, sinceMillis }: Bounds): void => {
  db.query("DELETE FROM shown_message WHERE shown_millis < ?1").run(sinceMillis)
  const meshes = db.query<{ mesh_id: string }, []>("SELECT DISTINCT mesh_id FROM shown_message").all()
  const oldest = db.query(
    `DELETE FROM shown_message WHERE mesh_id = ?1 AND seq <=
       (SELECT seq FROM shown_message WHERE mesh_id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)`,
  )
  for (const { mesh_id: meshId } of meshes) oldest.run(meshId, messages)
}

const open = Effect.gen(function* () {
  const state = yield* StateDb
  let isWarned = false

  const warnOnce = (error: HistoryError) =>
    Effect.suspend(() => {
      if (isWarned) return Effect.void
      isWarned = true
      return Effect.logWarning("messages are shown and cannot be shown again: they are not kept", {
        reason: error.message,
      })
    })

  const add = Effect.fnUntraced(function* (messages: ReadonlyArray<InboxMessage>) {
    const kept = messages.filter(isKept)
    if (kept.length === 0) return
    const bound = yield* historyBounds
    const nowMillis = yield* Clock.currentTimeMillis
    yield* state.transaction((db) => {
      const insert = db.query(
        "INSERT OR REPLACE INTO shown_message (mesh_id, message_id, shown_millis, message) VALUES (?1, ?2, ?3, ?4)",
      )
      if (bound.messages > 0) {
        for (const message of kept) insert.run(message.meshId, message.messageId, nowMillis, encode(message))
      }
      trim(db, bound)
    })
  }, Effect.catch(warnOnce))

  const rows = (where: string, ...values: ReadonlyArray<string>) =>
    Effect.flatMap(historyBounds, (bound) =>
      state.transaction((db) => {
        trim(db, bound)
        return db
          .query<Row, Array<string>>(`SELECT message, shown_millis FROM shown_message ${where} ORDER BY seq`)
          .all(...values)
          .flatMap(shown)
      }),
    )

  return History.of({
    add,
    list: rows(""),
    find: (id) => (/^[0-9a-f]{1,32}$/.test(id) ? rows("WHERE message_id GLOB ?1", `${id}*`) : Effect.succeed([])),
    erase: (meshId) =>
      state.transaction((db) => void db.query("DELETE FROM shown_message WHERE mesh_id = ?1").run(meshId)),
  })
})
