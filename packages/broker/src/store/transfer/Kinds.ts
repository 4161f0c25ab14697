/**
 * What is moved from one database to the other, and the two ends of a move. A row is said as it lies in Postgres, column for column: what lies
 * otherwise in the embedded database is put together there, and taken apart again. No table of either may be left out: a test holds this list
 * against what the migrations have made, and the ends take columns from the databases themselves.
 */
import { Effect, Schema } from "effect"
import type { SqlError } from "effect/unstable/sql"
import type { StoreError } from "../MessageStore.ts"

/** In this order: what is named comes before what names it. */
export const kinds = [
  "mesh",
  "member",
  "invite",
  "revocation",
  "moved",
  "session",
  "channel_subscription",
  "accepted",
  "group_text",
  "waiting",
  "consumed",
  "journal",
  "audit_block",
  "audit_checkpoint",
  "audit_key",
  "audit_rotation",
] as const
export type Kind = (typeof kinds)[number]

/** The same tables in both databases. */
export const alike = [
  "member",
  "invite",
  "revocation",
  "moved",
  "session",
  "channel_subscription",
  "audit_checkpoint",
  "audit_key",
  "audit_rotation",
] as const satisfies ReadonlyArray<Kind>
export type Alike = (typeof alike)[number]

export const isAlike = (kind: Kind): kind is Alike => alike.some((one) => one === kind)

/** Tables that say something of their own database alone. */
export const ofOneDatabase = {
  postgres: ["migration"],
  // Numbers in the place of names, a row that shows whether the disk has room, and the index of ids with how far it goes.
  sqlite: ["migration", "address", "probe", "message_id", "message_id_upto"],
} as const

/** Of one kind each; of acks and events those that are single, however they lie together. */
export type Counts = Readonly<Record<Kind, number>>

export const countsBy = (count: (kind: Kind) => number): Counts => ({
  mesh: count("mesh"),
  member: count("member"),
  invite: count("invite"),
  revocation: count("revocation"),
  moved: count("moved"),
  session: count("session"),
  channel_subscription: count("channel_subscription"),
  accepted: count("accepted"),
  group_text: count("group_text"),
  waiting: count("waiting"),
  consumed: count("consumed"),
  journal: count("journal"),
  audit_block: count("audit_block"),
  audit_checkpoint: count("audit_checkpoint"),
  audit_key: count("audit_key"),
  audit_rotation: count("audit_rotation"),
})

export type Row = Readonly<Record<string, Schema.Json>>

export const rowIn = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

/** So many rows, or so many characters, are on their way at once. */
export const rowsAtOnce = 1_000
export const charactersAtOnce = 4_000_000

/** `unusable`: what one of the two databases says. */
export class NotMoved extends Schema.TaggedError<NotMoved>()("NotMoved", {
  why: Schema.Literals(["source_missing", "source_in_use", "target_not_empty", "source_unusable", "target_unusable"]),
  detail: Schema.String,
}) {}

/** What a later version has would be left behind. */
export const checkTables = (
  tables: ReadonlyArray<string>,
  own: ReadonlyArray<string>,
): Effect.Effect<void, NotMoved> => {
  const known: ReadonlyArray<string> = [...kinds, ...own]
  const strange = tables.filter((name) => !known.includes(name))
  return strange.length === 0
    ? Effect.void
    : Effect.fail(
        new NotMoved({ why: "source_unusable", detail: `it has tables of a later version (${strange.join(", ")})` }),
      )
}

export type Failing = NotMoved | SqlError.SqlError | StoreError | Schema.SchemaError

export interface Source {
  readonly counts: Effect.Effect<Counts, Failing>
  /** Rows of a kind, a bounded number at a time. */
  readonly each: (
    kind: Kind,
    take: (rows: ReadonlyArray<Row>) => Effect.Effect<void, Failing>,
  ) => Effect.Effect<void, Failing>
}

export interface Target {
  readonly counts: Effect.Effect<Counts, Failing>
  readonly write: (kind: Kind, rows: ReadonlyArray<Row>) => Effect.Effect<void, Failing>
  /** Once all is written. */
  readonly complete: Effect.Effect<void, Failing>
}
